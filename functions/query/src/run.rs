//! Answering a query: place, session, plan, rows.
//!
//! A query runs on threads of its own and stops when nobody waits for it. If an object vanished under it, it starts over with a
//! fresh snapshot, as long as no row was handed out. If its joins do not fit in memory as hash tables, it starts over once with
//! joins that sort and spill.

mod apart;
mod list;
mod running;
mod sink;
mod stoppable;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNode;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use model::ProjectId;

pub(crate) use sink::{AnswerStream, Sink};
pub use whole::run;
pub(crate) use whole::stream;

use self::apart::apart;
use self::running::{QueryTime, Running};
use self::stoppable::stoppable;
use crate::App;
use crate::answer::{Statistics, Truncated};
use crate::error::{QueryError, is_missing_object};
use crate::http::AnswerBy;
use crate::meter::Meter;
use crate::meters::Outcome;
use crate::session::{Joins, ProjectTables, store_url};
use crate::sql::{Params, check_clauses, check_numbers, check_reads_only, parse, text_of_json};
use crate::table::{Freshness, OnMissing, TableParts, tries};
use crate::waits::On;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct SqlRequest {
    /// One statement that reads.
    pub sql: String,
    pub params: Params,
    /// Rows at most; none: the default.
    pub limit: Option<usize>,
    /// None: the default.
    pub timeout_ms: Option<u64>,
    /// When the process must have answered, if it must: a query is stopped before that, whatever it asked for.
    pub answer_by: Option<AnswerBy>,
}

impl SqlRequest {
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), ..Self::default() }
    }
}

/// A request that was looked at.
struct Query {
    project: ProjectId,
    sql: String,
    params: Params,
    /// Rows at most, and the most that could have been asked for.
    limit: usize,
    limit_max: usize,
    time: QueryTime,
    /// By the clock's uptime.
    began: Duration,
}

/// How an answer ended.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) truncated: Option<Truncated>,
    pub(crate) warnings: Vec<String>,
    pub(crate) statistics: Statistics,
}

impl Query {
    fn of(app: &App, project: &ProjectId, request: SqlRequest, limit_max: usize) -> Result<Self, QueryError> {
        let began = app.clock.uptime();
        let settings = &app.settings;
        let bytes_max = settings.sql_bytes_max;
        if request.sql.len() > bytes_max {
            return Err(QueryError::SqlTooLong { bytes: request.sql.len(), bytes_max });
        }
        let limit = request.limit.unwrap_or(settings.rows_default.min(limit_max));
        if limit > limit_max {
            return Err(QueryError::Parameter { what: format!("`limit` is {limit}; it may be up to {limit_max}") });
        }
        let timeout_ms = request.timeout_ms.unwrap_or(settings.timeout_ms_default);
        if !(1..=settings.timeout_ms_max).contains(&timeout_ms) {
            let max = settings.timeout_ms_max;
            return Err(QueryError::Parameter {
                what: format!("`timeout_ms` is {timeout_ms}; it may be from 1 to {max}"),
            });
        }
        let time = QueryTime::of(timeout_ms, request.answer_by, began);
        let SqlRequest { sql, params, .. } = request;
        Ok(Self { project: project.clone(), sql, params, limit, limit_max, time, began })
    }
}

/// Answers into the sink, within the time allowed. Runs on the query threads, which may notice late that it is over.
async fn answer(app: Arc<App>, running: Arc<Running>, mut sink: Sink) -> Result<(Sink, Summary), QueryError> {
    let mut meter = Arc::new(Meter::new(app.settings.bytes_scanned_max, Arc::clone(&running.waits)));
    let answered = {
        let work = attempts(&app, &running, &mut meter, &mut sink);
        tokio::pin!(work);
        // What it waits for is asked before it is given up.
        let timed = tokio::time::timeout(running.time_left(&app), work.as_mut()).await;
        timed.unwrap_or_else(|_| Err(running.out_of_time()))
    };
    let answered = answered.map_err(|error| if running.is_stopped() { running.out_of_time() } else { error });
    let query = &running.query;
    let took = app.clock.uptime().saturating_sub(query.began);
    app.meters.ended(&query.project, outcome(&answered), took, &meter.reading());
    let summary = answered?;
    Ok((sink, summary))
}

fn outcome<T>(answered: &Result<T, QueryError>) -> Outcome {
    match answered {
        Ok(_) => Outcome::Answered,
        Err(
            QueryError::Unavailable { .. }
            | QueryError::Bucket { .. }
            | QueryError::Vanished { .. }
            | QueryError::Internal { .. }
            | QueryError::Limit(_),
        ) => Outcome::Failed,
        Err(_) => Outcome::Refused,
    }
}

/// Starts over while objects vanish, as [`tries`] says, and only while no row was handed out.
async fn attempts(
    app: &Arc<App>,
    running: &Arc<Running>,
    meter: &mut Arc<Meter>,
    sink: &mut Sink,
) -> Result<Summary, QueryError> {
    let project = &running.query.project;
    let (mut restarts, mut joins) = (0, Joins::ByHashing);
    while let Some(&(freshness, on_missing)) = tries().get(restarts) {
        *meter = Arc::new(Meter::new(app.settings.bytes_scanned_max, Arc::clone(&meter.waits)));
        let way = Way { freshness, on_missing, joins };
        let answered = attempt(app, running, meter, way, sink).await;
        let Err(error) = &answered else { return answered };
        if !sink.can_restart() {
            return answered;
        }
        if meter.is_something_missing() {
            tracing::info!(%project, restarts, "an object vanished under a query");
            restarts += 1;
        } else if error.is_memory() && joins == Joins::ByHashing && meter.joins_by_hashing() {
            tracing::info!(%project, "a hash join did not fit in memory: joining by sorting");
            joins = Joins::BySorting;
        } else {
            return answered;
        }
        sink.restart();
    }
    Err(QueryError::Vanished { table: project.to_string(), attempts: tries().len() })
}

/// How an attempt goes about it.
struct Way {
    freshness: Freshness,
    on_missing: OnMissing,
    joins: Joins,
}

async fn attempt(
    app: &Arc<App>,
    running: &Arc<Running>,
    meter: &Arc<Meter>,
    Way { freshness, on_missing, joins }: Way,
    sink: &mut Sink,
) -> Result<Summary, QueryError> {
    let query = &running.query;
    // What lies on a local disk the system keeps in memory. If nobody knows where it lies, its store says why.
    let is_local = app.roots.uri(&query.project).await.is_ok_and(|uri| uri.scheme() == "file");
    let parts = TableParts {
        store: app.roots.open(&query.project).store,
        store_url: store_url(),
        files: app.files.clone(),
        keeps_rows: !is_local,
        segments: app.segments.clone(),
        meter: Arc::clone(meter),
        on_missing,
        late: app.settings.late_materialisation,
        rollups: app.settings.rollups,
        lookups: app.settings.lookups,
        tables: Arc::clone(&app.tables),
        partitions: app.settings.threads,
    };
    let tables = Arc::new(ProjectTables::new(query.project.clone(), Arc::clone(&app.tables), freshness, parts));
    let session = app
        .sessions
        .open(Arc::clone(&tables), &app.settings, app.clock.now(), joins)
        .map(Arc::new)
        .map_err(|e| QueryError::internal(e.to_string()))?;
    let plan = plan(app, &session, running, meter).await.map_err(|error| tables.take_failure().unwrap_or(error))?;
    let planned = app.clock.uptime().saturating_sub(query.began);

    let rows = rows_into(app, running, &session, plan, sink).await?;

    let took = app.clock.uptime().saturating_sub(query.began);
    let reading = meter.reading();
    Ok(Summary {
        truncated: (rows > query.limit)
            .then(|| Truncated::at(query.limit, query.limit_max, app.settings.rows_streamed_max)),
        statistics: Statistics::of(rows.min(query.limit) as u64, &reading, planned, took),
        warnings: reading.warnings,
    })
}

/// The physical plan, which only reads, of one row more than the limit.
async fn plan(
    app: &App,
    session: &Arc<SessionState>,
    running: &Arc<Running>,
    meter: &Arc<Meter>,
) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
    let failed = |error: DataFusionError| QueryError::running(error, &app.settings);
    let (of_session, of_query) = (Arc::clone(session), Arc::clone(running));
    let plan = apart(running, async move { logical_plan(&of_session, &of_query.query).await }).await?;
    let plan = list::narrowed(session, plan, running).await.map_err(failed)?;
    let (session, of_query, meter) = (Arc::clone(session), Arc::clone(running), Arc::clone(meter));
    let planned = async move {
        let planning = |error: DataFusionError| QueryError::planning(error, &of_query.query.sql);
        let plan = session.query_planner().create_physical_plan(&plan, session.as_ref()).await.map_err(planning)?;
        if plan.exists(|node| Ok(node.is::<HashJoinExec>())).map_err(planning)? {
            meter.hash_join();
        }
        stoppable(plan, &of_query).map_err(planning)
    };
    apart(running, planned).await
}

/// The optimised plan.
async fn logical_plan(session: &SessionState, query: &Query) -> Result<LogicalPlan, QueryError> {
    let statement = parse(&query.sql, &query.params)?;
    check_clauses(&statement, |name| session.scalar_functions().contains_key(name))?;
    let planning = |error: DataFusionError| QueryError::planning(error, &query.sql);
    let plan = session.statement_to_plan(statement).await.map_err(planning)?;
    check_reads_only(&plan)?;
    let plan = text_of_json(plan).and_then(|plan| limited(plan, query.limit)).map_err(planning)?;
    let plan = session.optimize(&plan).map_err(planning)?;
    check_numbers(&plan)?;
    Ok(plan)
}

/// Rows up to which a sort keeps the first ones in memory; above, all rows are sorted, which spills.
const SORTED_IN_MEMORY_MAX: usize = 100_000;

/// One row more than the limit tells that there are more. Plans that describe plans are short by themselves.
fn limited(plan: LogicalPlan, limit: usize) -> Result<LogicalPlan, DataFusionError> {
    match plan {
        // Whoever takes the rows stops at the limit.
        plan if limit > SORTED_IN_MEMORY_MAX => Ok(plan),
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_) => Ok(plan),
        plan => LogicalPlanBuilder::from(plan).limit(0, Some(limit + 1))?.build(),
    }
}

/// Runs the plan. The number of rows, counting one beyond the limit if there is one.
async fn rows_into(
    app: &App,
    running: &Running,
    session: &SessionState,
    plan: Arc<dyn ExecutionPlan>,
    sink: &mut Sink,
) -> Result<usize, QueryError> {
    let failed = |error: DataFusionError| QueryError::running(error, &app.settings);
    let Running { query, waits, .. } = running;
    let schema: SchemaRef = plan.schema();
    let mut batches = execute_stream(plan, session.task_ctx()).map_err(failed)?;
    sink.start(&schema).await?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| sorted_missing(error, failed))?;
        let left = query.limit.saturating_sub(rows);
        rows += batch.num_rows();
        if left > 0 && batch.num_rows() > 0 {
            let _taken = waits.begin(On::Reader);
            sink.put(batch.slice(0, batch.num_rows().min(left))).await?;
        }
        if rows > query.limit {
            break;
        }
    }
    Ok(rows)
}

/// A missing object says little in the words of the store.
fn sorted_missing(error: DataFusionError, failed: impl Fn(DataFusionError) -> QueryError) -> QueryError {
    if is_missing_object(&error) {
        return QueryError::Unavailable { what: "the object store", source: error.to_string().into() };
    }
    failed(error)
}

/// The panic of a query, as it is logged.
#[derive(Debug, thiserror::Error)]
#[error("a query panicked: {0}")]
struct Panicked(String);

fn panicked(words: String) -> QueryError {
    QueryError::internal(Panicked(words))
}
