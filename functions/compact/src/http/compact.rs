//! `POST /api/v1/compact`: one pass over the tables now.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use edge::{ApiError, Authenticated, ErrorAnswer, JsonBodyOrDefault, require};
use futures::StreamExt;
use model::{Scope, TableId, rfc3339};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Operate;
use super::reach::{OUT_OF_REACH, stopped, when_free, within_reach};
use crate::patience::Patience;
use crate::{App, DaysAtOnce, Deadline, Outcome, Pace, RetentionRefused, compact_now as compact_table, maintain};

/// What does not end by itself at the deadline is cut off so much later: a worker that died, for whoever comes next.
const GRACE: Duration = Duration::from_secs(1);

/// What a pass did to each table.
#[derive(Serialize, ToSchema)]
pub(super) struct CompactAnswer {
    tables: Vec<CompactedRow>,
}

#[derive(Default, Serialize, ToSchema)]
struct CompactedRow {
    project: String,
    table: &'static str,
    /// done, later (the time of this request was up; the sweeper goes on by itself), busy, stopped, backed_off,
    /// unavailable, out_of_reach (the project's bucket does not let Plimsoll in: its owner can mend that), failed
    outcome: &'static str,
    commits: u32,
    rows: u64,
    segments: u64,
    quarantined: u32,
    merges: u32,
    /// Look-up indexes made.
    lookup_indexes: u32,
    retired_days: Vec<String>,
    vacuumed_files: usize,
    landing_objects_deleted: usize,
    error: Option<String>,
}

/// What to do in a pass; everything is optional.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CompactRequest {
    /// Let retention drop any number of days at once, for once.
    drop_any_number_of_days: bool,
}

/// Compact now
///
/// One pass over the tables within reach of an admin key. The body may be left out. In the cloud an answer must come within
/// half a minute: tables with the outcome `later` are gone on with by themselves.
#[utoipa::path(post, path = "/api/v1/compact", operation_id = "compact", tag = "operations", request_body = Option<CompactRequest>,
    responses(
        (status = 200, description = "What was done to each table", body = CompactAnswer),
        (status = 400, description = "A parameter that there is not", body = ErrorAnswer),
    ))]
pub(super) async fn compact_now(
    State(operate): State<Operate>,
    Authenticated(caller): Authenticated,
    JsonBodyOrDefault(request): JsonBodyOrDefault<CompactRequest>,
) -> Result<Json<CompactAnswer>, ApiError> {
    require(&caller, Scope::Admin)?;
    let days = if request.drop_any_number_of_days { DaysAtOnce::Any } else { DaysAtOnce::Few };
    let projects = within_reach(&operate.app.projects, &caller).await?;
    let (app, deadline) = (Arc::clone(&operate.app), operate.deadline());
    let passes = operate.runtime.spawn(async move {
        let (app, patience) = (app.as_ref(), &Patience::default());
        futures::stream::iter(TableId::all_of(projects))
            .map(|id| async move { within(app, &id, days, deadline, patience).await })
            .buffered(app.settings.tables_at_once.max(1))
            .collect()
            .await
    });
    let tables = passes.await.map_err(ApiError::internal)?;
    Ok(Json(CompactAnswer { tables }))
}

/// The pass over one table, as far as there is time.
async fn within(app: &App, id: &TableId, days: DaysAtOnce, deadline: Deadline, patience: &Patience) -> CompactedRow {
    let time = deadline.remaining(app.clock.as_ref());
    let blank = || CompactedRow {
        project: id.project.to_string(),
        table: id.table.as_str(),
        outcome: LATER,
        ..CompactedRow::default()
    };
    if time.is_zero() {
        return blank();
    }
    // A pass tries again and again; whoever asked is told at once.
    let pass = async {
        match patience.hear(app, id).await {
            Ok(()) => pass(app, id, days, deadline, blank()).await,
            Err(error) => CompactedRow { outcome: UNAVAILABLE, error: Some(error.said()), ..blank() },
        }
    };
    clock::within(app.clock.as_ref(), time + GRACE, pass).await.unwrap_or_else(blank)
}

const DONE: &str = "done";
const LATER: &str = "later";
const UNAVAILABLE: &str = "unavailable";

/// Compaction of all that is live, then upkeep, days that are over finished now.
async fn pass(app: &App, id: &TableId, days: DaysAtOnce, deadline: Deadline, blank: CompactedRow) -> CompactedRow {
    let mut row = CompactedRow { outcome: DONE, ..blank };
    let is_up = || deadline.remaining(app.clock.as_ref()).is_zero();
    match when_free(app, deadline, || compact_table(app, id, deadline), is_busy).await {
        Outcome::Done(done) => {
            (row.commits, row.rows, row.segments) = (done.commits, done.rows, done.segments);
            row.quarantined = done.quarantined;
            if done.left > 0 && deadline.is_near(app.clock.as_ref(), app.settings.deadline_margin) {
                row.outcome = LATER;
            }
        }
        Outcome::Busy { .. } => row.outcome = "busy",
        Outcome::BackedOff => row.outcome = "backed_off",
        Outcome::NoTime => row.outcome = LATER,
        Outcome::Stopped { reason } => (row.outcome, row.error) = ("stopped", Some(stopped(&reason))),
        Outcome::Unavailable { .. } if is_up() => row.outcome = LATER,
        Outcome::Unavailable { error } => (row.outcome, row.error) = (UNAVAILABLE, Some(error)),
        Outcome::OutOfReach { error } => (row.outcome, row.error) = (OUT_OF_REACH, Some(error)),
        Outcome::Failed { error } | Outcome::HandBack { why: error } => {
            (row.outcome, row.error) = ("failed", Some(error));
        }
    }
    if row.outcome != DONE {
        return row;
    }
    let upkeep = || maintain(app, id, Pace::Drain, days, deadline);
    match when_free(app, deadline, upkeep, |did| matches!(did, Ok(did) if did.busy_until.is_some())).await {
        Ok(did) => {
            row.merges = did.merges;
            row.lookup_indexes = did.lookup_indexes;
            row.retired_days = did.retired_days;
            row.vacuumed_files = did.vacuumed_files;
            row.landing_objects_deleted = did.landing_objects_deleted;
            if did.busy_until.is_some() {
                row.outcome = "busy";
            }
            let refused = did.retention_refused.map(retention_refused);
            let failed = (!did.failed.is_empty()).then(|| format!("failed: {}; see the log", did.failed.join(", ")));
            row.error = did.stopped.as_deref().map(stopped).or(refused).or(failed);
        }
        Err(crate::PassError::TimeUp) => row.outcome = LATER,
        Err(error) if error.out_of_reach().is_some() => (row.outcome, row.error) = (OUT_OF_REACH, Some(error.said())),
        Err(error) => (row.outcome, row.error) = ("failed", Some(error.said())),
    }
    row
}

fn is_busy(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Busy { .. })
}

fn retention_refused(refused: RetentionRefused) -> String {
    match refused {
        RetentionRefused::TooManyDays { days, allowed } => format!(
            "retention would drop {days} days at once, more than {allowed}; if that is meant, send `drop_any_number_of_days`"
        ),
        RetentionRefused::ClocksApart { store, ours } => {
            format!("retention drops nothing: the store says it is {}, this machine {}", rfc3339(store), rfc3339(ours))
        }
    }
}
