//! `POST /api/v1/repair`: tables whose ledger or log was put back in time go on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use edge::{ApiError, Authenticated, ErrorAnswer, ErrorCode, JsonBodyOrDefault, require};
use model::{Scope, TableId, TableName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Operate;
use super::reach::{OUT_OF_REACH, when_free, within_reach};
use crate::patience::Patience;
use crate::{App, Deadline, PassError, Repaired, repair as repair_table};

/// Which tables to repair; everything is optional.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RepairRequest {
    /// Only this table; null: all within reach.
    #[schema(value_type = Option<String>)]
    table: Option<String>,
}

/// What repair found and did.
#[derive(Serialize, ToSchema)]
pub(super) struct RepairAnswer {
    tables: Vec<RepairedRow>,
}

#[derive(Serialize, ToSchema)]
struct RepairedRow {
    project: String,
    table: &'static str,
    /// sound (nothing was wrong), repaired, partial (something may be missing), busy, out_of_reach (the project's bucket does
    /// not let Plimsoll in: repair again when its owner has mended that), failed
    outcome: &'static str,
    /// Why the table was stopped; null: it was not.
    was_stopped: Option<String>,
    /// In what the ledger and the table differed; null: their numbers fit.
    found: Option<String>,
    /// True if there was no table any more where the ledger knows of commits: what they held from before the last 24 hours is
    /// gone.
    table_was_gone: bool,
    /// Number of the empty commit from which the table goes on; null: none was needed.
    resumed_at: Option<u64>,
    /// Batches of which the table knows nothing; their segments are live again.
    batches_dropped: usize,
    /// Segments that were live and in the table at once.
    live_dropped: usize,
    /// Live segments from which bodies were taken that the table holds already.
    doubles_removed: usize,
    /// Bodies whose retry adds nothing, again.
    bodies_known_again: usize,
    /// Segments that nothing named, and that are live again.
    segments_restored: usize,
    rows_restored: u64,
    /// Quarantined segments that can be read after all, and are live again.
    segments_released: usize,
    /// Quarantined segments that cannot be read; they stay.
    segments_quarantined: usize,
    /// Live segments whose landing object is gone or unreadable: compaction puts them aside.
    live_unreadable: usize,
    /// Segments in the table whose landing object is gone or unreadable: retries of what is in them are not known.
    unknown_segments: usize,
    /// Landing objects that nothing names and that cannot be read.
    unreadable_objects: usize,
    /// Landing objects that hold known and unknown bodies and do not tell their rows apart.
    undivided_objects: usize,
    /// Landing objects from before the dedup window that nothing names: perhaps lost.
    lost_objects: usize,
    error: Option<String>,
}

/// Repair
///
/// After the metadata store or a table was put back in time, its table is stopped. This brings it into order and lets it
/// go on: every acknowledged record of the last 24 hours is in it once. On a sound table it changes nothing. Ingest and
/// queries go on meanwhile. May be repeated. With an admin key; the body may be left out.
#[utoipa::path(post, path = "/api/v1/repair", operation_id = "repair", tag = "operations",
    request_body = Option<RepairRequest>,
    responses(
        (status = 200, description = "What was found and done, by table", body = RepairAnswer),
        (status = 400, description = "A parameter that there is not", body = ErrorAnswer),
    ))]
pub(super) async fn repair(
    State(operate): State<Operate>,
    Authenticated(caller): Authenticated,
    JsonBodyOrDefault(request): JsonBodyOrDefault<RepairRequest>,
) -> Result<Json<RepairAnswer>, ApiError> {
    require(&caller, Scope::Admin)?;
    let only = request.table.map(|name| name.parse::<TableName>()).transpose().map_err(unknown_table)?;
    let projects = within_reach(&operate.app.projects, &caller).await?;
    let (app, deadline) = (Arc::clone(&operate.app), operate.deadline());
    let repairs = operate.runtime.spawn(async move {
        let tables = TableId::all_of(projects).filter(|id| only.is_none_or(|only| id.table == only));
        repair_each(&app, tables, deadline).await
    });
    let repaired = repairs.await.map_err(ApiError::internal)?;
    Ok(Json(RepairAnswer { tables: repaired.into_iter().map(|(id, repaired)| row(&id, repaired)).collect() }))
}

/// One after the other; those whose turn does not come before the deadline say so.
pub(crate) async fn repair_each(
    app: &App,
    tables: impl Iterator<Item = TableId>,
    deadline: Deadline,
) -> Vec<(TableId, Result<Repaired, PassError>)> {
    let (mut repaired, patience) = (Vec::new(), Patience::default());
    for id in tables {
        let repair = || repair_table(app, &id, deadline);
        let is_busy = |did: &Result<Repaired, PassError>| matches!(did, Ok(did) if did.busy_until.is_some());
        let did = match deadline.remaining(app.clock.as_ref()) {
            time if time.is_zero() => Err(PassError::TimeUp),
            _ => match patience.hear(app, &id).await {
                Ok(()) => when_free(app, deadline, repair, is_busy).await,
                Err(silent) => Err(silent),
            },
        };
        repaired.push((id, did));
    }
    repaired
}

fn unknown_table(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, error.to_string())
}

fn row(id: &TableId, repaired: Result<Repaired, PassError>) -> RepairedRow {
    let outcome = match &repaired {
        Err(error) if error.out_of_reach().is_some() => OUT_OF_REACH,
        Err(_) => "failed",
        Ok(did) if did.busy_until.is_some() => "busy",
        Ok(did) if did.is_partial() => "partial",
        Ok(did) if *did == Repaired::default() => "sound",
        Ok(_) => "repaired",
    };
    let error = repaired.as_ref().err().map(|error| error.said_of("`plimsoll repair`"));
    let did = repaired.unwrap_or_default();
    RepairedRow {
        project: id.project.to_string(),
        table: id.table.as_str(),
        outcome,
        was_stopped: did.was_stopped,
        found: did.found,
        table_was_gone: did.table_was_gone,
        resumed_at: did.resumed_at,
        batches_dropped: did.batches_dropped,
        live_dropped: did.live_dropped,
        doubles_removed: did.doubles_removed,
        bodies_known_again: did.bodies_known_again,
        segments_restored: did.segments_restored,
        rows_restored: did.rows_restored,
        segments_released: did.segments_released,
        segments_quarantined: did.segments_quarantined,
        live_unreadable: did.live_unreadable,
        unknown_segments: did.unknown_segments,
        unreadable_objects: did.unreadable_objects,
        undivided_objects: did.undivided_objects,
        lost_objects: did.lost_objects,
        error,
    }
}
