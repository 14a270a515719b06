//! `GET /api/v1/status`: how the tables stand. A table that cannot be read says so, and hides no other.

use axum::Json;
use axum::extract::State;
use edge::{ApiError, Authenticated, ErrorAnswer, NoParameters, require};
use model::{Micros, Scope, TableId, rfc3339};
use serde::Serialize;
use utoipa::ToSchema;

use super::Operate;
use super::reach::{stopped, within_reach};
use crate::{App, PassError, Quarantined, TableStatus, statuses};

/// Quarantined segments that are told of a table; their number is told in full.
const QUARANTINED_TOLD_MAX: usize = 100;

/// The tables of one or of all projects.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusAnswer {
    tables: Vec<TableRow>,
}

/// How a table stands. One that cannot be read has an `error`, and no numbers.
#[derive(Default, Serialize, ToSchema)]
struct TableRow {
    project: String,
    table: &'static str,
    /// Segments that readers add to the table's files.
    live_segments: Option<usize>,
    live_bytes: Option<u64>,
    live_rows: Option<u64>,
    oldest_live_age_s: Option<f64>,
    /// Number of the batch that is being committed.
    open_batch: Option<u64>,
    files: Option<usize>,
    rows: Option<u64>,
    bytes: Option<u64>,
    /// Of the Delta log; null: the table was never created.
    version: Option<u64>,
    last_commit_at: Option<String>,
    /// Age of the oldest live segment beyond the age at which it is due; 0: compaction keeps up.
    compaction_lag_s: Option<f64>,
    /// Number of segments that could not be read and were set aside.
    quarantined: Option<usize>,
    /// The oldest 100 of them, oldest first.
    quarantined_segments: Vec<QuarantinedRow>,
    /// Why nobody commits to this table, if so, and what to do.
    stop: Option<String>,
    /// Why this table cannot be read, if so, and what to do.
    error: Option<String>,
    /// True if that is since the project's bucket does not let Plimsoll in: then it is for the bucket's owner to mend.
    out_of_reach: bool,
    /// By which other engines open the table.
    uri: String,
}

/// A segment that could not be read and was set aside.
#[derive(Serialize, ToSchema)]
struct QuarantinedRow {
    segment: String,
    /// Of its landing object, below the project's root.
    key: String,
    rows: u64,
    /// Why it could not be read.
    reason: String,
    since: String,
}

/// How the tables stand
///
/// With a read or an admin key: those of its project, or of all projects if it reaches the installation.
#[utoipa::path(get, path = "/api/v1/status", tag = "operations",
    responses(
        (status = 200, description = "The tables within reach", body = StatusAnswer),
        (status = 400, description = "A parameter that there is not", body = ErrorAnswer),
    ))]
pub(super) async fn status(
    State(operate): State<Operate>,
    Authenticated(caller): Authenticated,
    _: NoParameters,
) -> Result<Json<StatusAnswer>, ApiError> {
    if !caller.scopes.allows(Scope::Admin) {
        require(&caller, Scope::Read)?;
    }
    let app = operate.app.as_ref();
    let projects = within_reach(&app.projects, &caller).await?;
    let mut tables = Vec::new();
    for (id, status) in statuses(app, projects, operate.deadline()).await {
        tables.push(row(app, &id, status).await);
    }
    Ok(Json(StatusAnswer { tables }))
}

async fn row(app: &App, id: &TableId, status: Result<TableStatus, PassError>) -> TableRow {
    let row = TableRow {
        project: id.project.to_string(),
        table: id.table.as_str(),
        // Without one its bucket is not connected, which `error` says.
        uri: app.roots.table_uri(id).await.map(String::from).unwrap_or_default(),
        ..TableRow::default()
    };
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            let out_of_reach = error.out_of_reach().is_some();
            return TableRow { error: Some(error.said()), out_of_reach, ..row };
        }
    };
    let lag = status.oldest_live_age_us.map_or(0, |age| (age - app.settings.due.age).max(0));
    TableRow {
        live_segments: Some(status.live_segments),
        live_bytes: Some(status.live_bytes),
        live_rows: Some(status.live_rows),
        oldest_live_age_s: status.oldest_live_age_us.map(seconds),
        open_batch: status.open_batch.map(|batch| batch.seq),
        files: Some(status.files),
        rows: Some(status.rows),
        bytes: Some(status.bytes),
        version: status.version,
        last_commit_at: status.last_written_at.map(rfc3339),
        compaction_lag_s: Some(seconds(lag)),
        quarantined: Some(status.quarantined.len()),
        quarantined_segments: oldest(status.quarantined),
        stop: status.stop.map(|stop| stopped(&stop.reason)),
        ..row
    }
}

fn seconds(us: Micros) -> f64 {
    us as f64 / 1e6
}

fn oldest(mut quarantined: Vec<Quarantined>) -> Vec<QuarantinedRow> {
    quarantined.sort_by_key(|bad| bad.since);
    quarantined.truncate(QUARANTINED_TOLD_MAX);
    let row = |Quarantined { segment, key, rows, reason, since }| QuarantinedRow {
        segment,
        key,
        rows,
        reason,
        since: rfc3339(since),
    };
    quarantined.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_quarantined_segments_are_told_and_no_more_than_a_hundred() {
        let bad = |n: usize| Quarantined {
            segment: n.to_string(),
            key: format!("landing/{n}"),
            rows: 1,
            reason: "gone".to_owned(),
            since: n as Micros,
        };
        let told = oldest((0..QUARANTINED_TOLD_MAX + 20).rev().map(bad).collect());
        let expected: Vec<String> = (0..QUARANTINED_TOLD_MAX).map(|n| n.to_string()).collect();
        assert_eq!(told.into_iter().map(|row| row.segment).collect::<Vec<_>>(), expected);
        assert!(oldest(Vec::new()).is_empty());
    }
}
