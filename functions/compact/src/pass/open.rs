//! Step 3: the snapshot, checked against the ledger that was read before it.
//!
//! With no batch open T is `last_seq`; with one open T is its seq, or one less. Anything else: the ledger or the table
//! was put back in time. Then the table is stopped, on condition that the fence is still ours; else the difference is
//! another worker's progress.

use lake::{APP_MERGE, Commit, CommitKind, SchemaFit, Snapshot, TableLog};
use meta::ledger::{Batch, LedgerView, Stop};
use model::TableId;
use model::safeguard::{Safeguard, holds};

use super::Held;
use crate::{App, Counter, PassError};

/// The answer of a look at the table.
pub(crate) enum Opened {
    Fits(Snapshot),
    Stopped(Stop),
}

/// Loads a fresh snapshot; creates the table if nothing was ever committed.
pub(crate) async fn open(app: &App, table: &TableId, held: &Held<'_>, view: &LedgerView) -> Result<Opened, PassError> {
    if let Some(newer) = view.batches.iter().find(|batch| batch.format > Batch::FORMAT)
        && holds(Safeguard::FormatsChecked)
    {
        return Err(PassError::Newer(format!("batch {} has format {}", newer.seq, newer.format)));
    }
    let log = app.log(table);
    let found = log.snapshot().await?;
    let open_seq = view.open_batch().map(|batch| batch.seq);
    if let Some(reason) = mismatch(held.last_seq(), open_seq, found.as_ref().map(|s| s.committed))
        && holds(Safeguard::LedgerFitsTable)
    {
        return stop(app, table, held, reason).await.map(Opened::Stopped);
    }
    let snapshot = match found {
        Some(snapshot) => snapshot,
        None => {
            log.create().await?;
            log.snapshot().await?.ok_or(PassError::NoTable)?
        }
    };
    match &snapshot.schema {
        SchemaFit::Fits => Ok(Opened::Fits(snapshot)),
        SchemaFit::Differs(what) => Err(PassError::Schema(what.clone())),
        SchemaFit::Lacks(columns) => {
            tracing::info!(%table, ?columns, "columns are added to the table");
            add_columns(app, log.as_ref(), &snapshot).await.map(Opened::Fits)
        }
    }
}

/// What does not fit, if anything. No table counts as T = 0.
pub(crate) fn mismatch(last_seq: u64, open_seq: Option<u64>, committed: Option<u64>) -> Option<String> {
    let committed = committed.unwrap_or(0);
    match open_seq {
        None if committed == last_seq => None,
        None => Some(format!("the ledger ends with batch {last_seq}, the table with batch {committed}")),
        Some(seq) if seq != last_seq => Some(format!("batch {seq} is open, the lease says {last_seq}")),
        Some(seq) if committed == seq || committed + 1 == seq => None,
        Some(seq) => Some(format!("batch {seq} is open, the table ends with batch {committed}")),
    }
}

pub(crate) async fn stop(app: &App, table: &TableId, held: &Held<'_>, reason: String) -> Result<Stop, PassError> {
    held.stop(&reason).await?;
    app.counters.add(Counter::Stops, 1);
    tracing::error!(%table, reason, "ledger and table do not fit: one was put back in time; run `plimsoll repair`");
    Ok(Stop { reason, since: app.clock.now() })
}

/// A commit of its own, with a version of the merge app, so that two workers cannot both make it.
async fn add_columns(app: &App, log: &dyn TableLog, base: &Snapshot) -> Result<Snapshot, PassError> {
    let commit = Commit {
        transactions: vec![(APP_MERGE, base.merged + 1)],
        at: app.clock.now(),
        kind: CommitKind::AddColumns,
        ..Commit::default()
    };
    let said = log.commit(base, commit).await;
    let fresh = log.snapshot().await?.ok_or(PassError::NoTable)?;
    match (&fresh.schema, said) {
        (SchemaFit::Fits, _) => Ok(fresh),
        (_, Err(error)) => Err(error.into()),
        (fit, Ok(())) => Err(PassError::Schema(format!("after adding columns it still {fit:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::mismatch;

    #[test]
    fn only_what_the_write_path_can_leave_behind_fits() {
        // (last_seq, open, T) -> fits
        let cases = [
            (0, None, None, true),
            (0, None, Some(0), true),
            (5, None, Some(5), true),
            (5, None, Some(4), false),
            (4, None, Some(5), false),
            (5, None, None, false),
            (1, Some(1), None, true),
            (5, Some(5), Some(4), true),
            (5, Some(5), Some(5), true),
            (5, Some(5), Some(3), false),
            (5, Some(5), Some(6), false),
            (5, Some(5), None, false),
            (6, Some(5), Some(5), false),
            (4, Some(5), Some(4), false),
        ];
        for (last_seq, open, committed, fits) in cases {
            let found = mismatch(last_seq, open, committed);
            assert_eq!(found.is_none(), fits, "{last_seq} {open:?} {committed:?}: {found:?}");
        }
    }
}
