//! Answering a query: place, session, plan, rows.
//!
//! A query runs on threads of its own and stops when nobody waits for it. If an object vanished under it, it starts over with a
//! fresh snapshot, as long as no row was handed out.

mod apart;
mod list;
mod sink;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use model::ProjectId;

pub(crate) use sink::{AnswerStream, Sink};
pub use whole::run;
pub(crate) use whole::stream;

use self::apart::apart;
use crate::App;
use crate::admission::Place;
use crate::answer::{Statistics, Truncated};
use crate::error::{Limit, QueryError, is_missing_object};
use crate::http::AnswerBy;
use crate::meter::Meter;
use crate::meters::Outcome;
use crate::session::{ProjectTables, store_url};
use crate::sql::{Params, check_reads_only, parse, text_of_json};
use crate::table::{Freshness, OnMissing, TableParts, tries};
use crate::waits::{On, Waits};

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

/// How long a query may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QueryTime {
    /// As it asked for, or the default.
    Asked { timeout_ms: u64 },
    /// All that is left to the process.
    Left { timeout_ms: u64 },
}

/// Kept back of the time that is left to the process: rows are written, and an answer in the store is finished.
const WRITING_TIME: Duration = Duration::from_secs(2);

impl QueryTime {
    fn of(asked_ms: u64, answer_by: Option<AnswerBy>, now: Duration) -> Self {
        let asked = Self::Asked { timeout_ms: asked_ms };
        let Some(AnswerBy(by)) = answer_by else { return asked };
        let left = by.saturating_sub(now).saturating_sub(WRITING_TIME);
        let timeout_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        if timeout_ms < asked_ms { Self::Left { timeout_ms } } else { asked }
    }

    fn duration(self) -> Duration {
        let (Self::Asked { timeout_ms } | Self::Left { timeout_ms }) = self;
        Duration::from_millis(timeout_ms)
    }

    fn is_over(self) -> Limit {
        match self {
            Self::Asked { timeout_ms } => Limit::Time { timeout_ms },
            Self::Left { timeout_ms } => Limit::TimeLeft { timeout_ms },
        }
    }
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

/// Answers into the sink, within the time allowed. Runs on the query threads.
async fn answer(app: Arc<App>, query: Query, mut sink: Sink) -> Result<(Sink, Summary), QueryError> {
    let place = Arc::new(app.admission.place(&query.project).await?);
    let query = Arc::new(query);
    let waits = Arc::new(Waits::new(Arc::clone(&app.clock)));
    let mut meter = Arc::new(Meter::new(app.settings.bytes_scanned_max, Arc::clone(&waits)));
    let answered = {
        let work = attempts(&app, &query, &place, &mut meter, &mut sink);
        tokio::pin!(work);
        // What it waits for is asked before it is given up.
        let timed = tokio::time::timeout(query.time.duration(), work.as_mut()).await;
        timed.unwrap_or_else(|_| Err(out_of_time(query.time, &waits)))
    };
    let took = app.clock.uptime().saturating_sub(query.began);
    app.meters.ended(&query.project, outcome(&answered), took, &meter.reading());
    let summary = answered?;
    Ok((sink, summary))
}

/// Asking for less helps only if the query itself took the time.
fn out_of_time(time: QueryTime, waits: &Waits) -> QueryError {
    match waits.unanswered() {
        Some(unanswered) => QueryError::unavailable(unanswered.what, unanswered),
        None => time.is_over().into(),
    }
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
    query: &Arc<Query>,
    place: &Arc<Place>,
    meter: &mut Arc<Meter>,
    sink: &mut Sink,
) -> Result<Summary, QueryError> {
    for (restarts, &(freshness, on_missing)) in tries().iter().enumerate() {
        *meter = Arc::new(Meter::new(app.settings.bytes_scanned_max, Arc::clone(&meter.waits)));
        let answered = attempt(app, query, place, meter, freshness, on_missing, sink).await;
        let vanished = answered.is_err() && meter.is_something_missing();
        if !vanished || !sink.can_restart() {
            return answered;
        }
        tracing::info!(project = %query.project, restarts, "an object vanished under a query");
        sink.restart();
    }
    Err(QueryError::Vanished { table: query.project.to_string(), attempts: tries().len() })
}

async fn attempt(
    app: &Arc<App>,
    query: &Arc<Query>,
    place: &Arc<Place>,
    meter: &Arc<Meter>,
    freshness: Freshness,
    on_missing: OnMissing,
    sink: &mut Sink,
) -> Result<Summary, QueryError> {
    let parts = TableParts {
        store: app.roots.open(&query.project).store,
        store_url: store_url(),
        files: app.files.clone(),
        segments: app.segments.clone(),
        meter: Arc::clone(meter),
        on_missing,
        late: app.settings.late_materialisation,
        partitions: app.settings.threads,
    };
    let tables = Arc::new(ProjectTables::new(query.project.clone(), Arc::clone(&app.tables), freshness, parts));
    let session = app
        .sessions
        .open(Arc::clone(&tables), &app.settings, app.clock.now())
        .map(Arc::new)
        .map_err(|e| QueryError::internal(e.to_string()))?;
    let plan = plan(app, &session, query, place).await.map_err(|error| tables.take_failure().unwrap_or(error))?;
    let planned = app.clock.uptime().saturating_sub(query.began);

    let rows = rows_into(app, query, &session, plan, &meter.waits, sink).await?;

    let took = app.clock.uptime().saturating_sub(query.began);
    let reading = meter.reading();
    Ok(Summary {
        truncated: (rows > query.limit).then(|| Truncated::at(query.limit, query.limit_max)),
        statistics: Statistics::of(rows.min(query.limit) as u64, &reading, planned, took),
        warnings: reading.warnings,
    })
}

/// The physical plan, which only reads, of one row more than the limit.
async fn plan(
    app: &App,
    session: &Arc<SessionState>,
    query: &Arc<Query>,
    place: &Arc<Place>,
) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
    let running = |error: DataFusionError| QueryError::running(error, &app.settings);
    let (of_session, of_query) = (Arc::clone(session), Arc::clone(query));
    let plan = apart(place, async move { logical_plan(&of_session, &of_query).await }).await?;
    let plan = list::narrowed(session, plan).await.map_err(running)?;
    let (session, query) = (Arc::clone(session), Arc::clone(query));
    let planned = async move {
        let planning = |error: DataFusionError| QueryError::planning(error, &query.sql);
        session.query_planner().create_physical_plan(&plan, session.as_ref()).await.map_err(planning)
    };
    apart(place, planned).await
}

/// The optimised plan.
async fn logical_plan(session: &SessionState, query: &Query) -> Result<LogicalPlan, QueryError> {
    let statement = parse(&query.sql, &query.params)?;
    let planning = |error: DataFusionError| QueryError::planning(error, &query.sql);
    let plan = session.statement_to_plan(statement).await.map_err(planning)?;
    check_reads_only(&plan)?;
    let plan = text_of_json(plan).and_then(|plan| limited(plan, query.limit)).map_err(planning)?;
    session.optimize(&plan).map_err(planning)
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
    query: &Query,
    session: &SessionState,
    plan: Arc<dyn ExecutionPlan>,
    waits: &Waits,
    sink: &mut Sink,
) -> Result<usize, QueryError> {
    let running = |error: DataFusionError| QueryError::running(error, &app.settings);
    let schema: SchemaRef = plan.schema();
    let mut batches = execute_stream(plan, session.task_ctx()).map_err(running)?;
    sink.start(&schema).await?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| sorted_missing(error, running))?;
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
fn sorted_missing(error: DataFusionError, running: impl Fn(DataFusionError) -> QueryError) -> QueryError {
    if is_missing_object(&error) {
        return QueryError::Unavailable { what: "the object store", source: error.to_string().into() };
    }
    running(error)
}

/// The panic of a query, as it is logged.
#[derive(Debug, thiserror::Error)]
#[error("a query panicked: {0}")]
struct Panicked(String);

fn panicked(words: String) -> QueryError {
    QueryError::internal(Panicked(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_takes_what_it_asked_for_or_what_is_left_to_the_process() {
        let now = Duration::from_secs(100);
        let by = |s: u64| Some(AnswerBy(Duration::from_secs(s)));
        for (asked_ms, answer_by, expected) in [
            (30_000, None, QueryTime::Asked { timeout_ms: 30_000 }),
            (30_000, by(200), QueryTime::Asked { timeout_ms: 30_000 }),
            (30_000, by(128), QueryTime::Left { timeout_ms: 26_000 }),
            (5_000, by(128), QueryTime::Asked { timeout_ms: 5_000 }),
            (5_000, by(101), QueryTime::Left { timeout_ms: 0 }),
            (5_000, by(7), QueryTime::Left { timeout_ms: 0 }),
        ] {
            assert_eq!(QueryTime::of(asked_ms, answer_by, now), expected, "{answer_by:?}");
        }
        let said = |time: QueryTime| edge::ApiError::from(QueryError::from(time.is_over()));
        let (asked, left) = (said(QueryTime::Asked { timeout_ms: 5 }), said(QueryTime::Left { timeout_ms: 5 }));
        assert_eq!((asked.code, left.code), (edge::ErrorCode::QueryTimeout, edge::ErrorCode::QueryTimeout));
        assert!(!asked.message.contains("left") && left.message.contains("5 ms that were left"), "{}", left.message);
    }
}
