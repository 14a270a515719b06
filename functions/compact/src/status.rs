//! How a table stands.

use futures::StreamExt;
use meta::ledger::Stop;
use model::{Micros, ProjectId, TableId, TableName};
use serde::Serialize;

use crate::patience::Patience;
use crate::{App, Deadline, PassError};

/// Tables looked at side by side.
const AT_ONCE: usize = 8;

/// For `plimsoll status` and `/metrics`.
#[derive(Clone, Debug, Serialize)]
pub struct TableStatus {
    pub project: String,
    pub table: TableName,
    /// By which other engines open it.
    pub url: String,
    pub live_segments: usize,
    pub live_bytes: u64,
    pub live_rows: u64,
    /// Age of the oldest live segment that is in no committed batch; none: there is none.
    pub oldest_live_age_us: Option<Micros>,
    pub open_batch: Option<OpenBatch>,
    /// Committed batches whose ledger items are still to be cleaned.
    pub batches_to_clean: usize,
    /// None: the table was never created.
    pub version: Option<u64>,
    pub files: usize,
    pub rows: u64,
    pub bytes: u64,
    /// When the newest data file was written.
    pub last_written_at: Option<Micros>,
    pub quarantined: Vec<Quarantined>,
    pub stop: Option<Stop>,
}

#[derive(Clone, Debug, Serialize)]
pub struct OpenBatch {
    pub seq: u64,
    pub segments: usize,
    pub attempts: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct Quarantined {
    pub segment: String,
    pub key: String,
    pub rows: u64,
    pub reason: String,
    pub since: Micros,
}

/// How each table of these projects stands, or why it cannot be read: silent storage and the time being up are reasons.
pub async fn statuses(
    app: &App,
    projects: Vec<ProjectId>,
    deadline: Deadline,
) -> Vec<(TableId, Result<TableStatus, PassError>)> {
    let patience = &Patience::default();
    let looks = futures::stream::iter(TableId::all_of(projects)).map(|id| async move {
        let time = deadline.remaining(app.clock.as_ref());
        let looking = patience.wait(app, status(app, &id));
        let status = clock::within(app.clock.as_ref(), time, looking).await.unwrap_or(Err(PassError::TimeUp));
        match &status {
            Ok(_) => {}
            Err(error) if error.out_of_reach().is_some() => {
                tracing::warn!(table = %id, error = error.said(), "a table is out of reach");
            }
            Err(error) => tracing::error!(table = %id, error = error.said(), "a table cannot be read"),
        }
        (id, status)
    });
    looks.buffered(AT_ONCE).collect().await
}

/// Reads snapshot and ledger in a reader's order; changes nothing.
pub async fn status(app: &App, table: &TableId) -> Result<TableStatus, PassError> {
    let url = app.roots.table_uri(table).await?.to_string();
    let snapshot = app.log(table).snapshot().await?;
    let view = app.ledger.read(table).await?;
    let (committed, voided) = snapshot.as_ref().map_or((0, 0), |s| (s.committed, s.voided));
    let live = view.uncommitted(committed, voided);
    let oldest = live.iter().map(|segment| segment.recorded_at).min();
    let files = snapshot.as_ref().map(|s| s.files.as_slice()).unwrap_or_default();
    let quarantined = app.ledger.quarantined(table).await?;
    Ok(TableStatus {
        project: table.project.to_string(),
        table: table.table,
        url,
        live_segments: live.len(),
        live_bytes: live.iter().map(|segment| segment.bytes).sum(),
        live_rows: live.iter().map(|segment| segment.rows).sum(),
        oldest_live_age_us: oldest.map(|at| app.clock.now() - at),
        open_batch: view.open_batch().map(|batch| OpenBatch {
            seq: batch.seq,
            segments: batch.segments.len(),
            attempts: batch.attempts,
        }),
        batches_to_clean: view.batches.iter().filter(|batch| !batch.is_open()).count(),
        version: snapshot.as_ref().map(|s| s.version),
        files: files.len(),
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        last_written_at: files.iter().map(|file| file.modified_at).max(),
        quarantined: quarantined
            .into_iter()
            .map(|bad| Quarantined {
                segment: bad.segment.id.to_string(),
                key: bad.segment.key,
                rows: bad.segment.rows,
                reason: bad.reason,
                since: bad.since,
            })
            .collect(),
        stop: app.ledger.stopped(table).await?,
    })
}
