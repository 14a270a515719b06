//! Step 2: the open batch is resolved before anything else.
//!
//! T tells what became of it. Not committed: *that* batch is built with *that* list. After three failed attempts,
//! counted before they begin, it is voided: an empty commit with both app versions at its seq, on a snapshot with T
//! below it, so that no late commit of it can pass. Its segments are live again, and the next lists are smaller.

use lake::{APP_COMPACT, APP_VOID, Commit, NewFile, Snapshot};
use meta::ledger::{BATCH_SEGMENTS_MAX, Batch, LedgerView};
use model::TableId;
use model::safeguard::{Safeguard, holds};

#[cfg(debug_assertions)]
use super::broken;
use super::choose::{self, Chosen, QUARANTINED};
use super::segments::{self, Reading};
use super::{Done, Held, build, commit};
use crate::{App, Counter, PassError};

/// Builds of one batch that may fail before it is voided.
const ATTEMPTS_MAX: u32 = 3;
/// How much smaller lists get after a void, and larger again after a commit.
const SMALLER: usize = 8;

/// Carries the open batch one step further: marks, drops, voids, or builds and commits it.
pub(super) async fn resolve(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    view: &LedgerView,
    snapshot: &Snapshot,
    batch: &Batch,
    done: &mut Done,
) -> Result<(), PassError> {
    if snapshot.committed >= batch.seq && is_void(snapshot, batch) {
        return drop_voided(app, table, held, view, batch, done).await;
    }
    if snapshot.committed >= batch.seq && holds(Safeguard::CommittedReadFirst) {
        return committed(app, table, held, batch, &[], done).await;
    }
    if batch.attempts >= ATTEMPTS_MAX {
        return void(app, table, snapshot, batch, done).await;
    }
    let chosen = reload(app, table, held, view, batch).await?;
    attempt(app, table, held, snapshot, batch, chosen, done).await
}

/// One counted attempt: build, commit on the very snapshot that was checked, read back, mark.
pub(super) async fn attempt(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    snapshot: &Snapshot,
    batch: &Batch,
    chosen: Chosen,
    done: &mut Done,
) -> Result<(), PassError> {
    let counted_first = holds(Safeguard::AttemptCountedFirst);
    let batch = if counted_first { held.count_attempt(batch).await? } else { batch.clone() };
    if !holds(Safeguard::MarkedWhenReadable) {
        app.ledger.mark_committed(table, &batch).await?;
    }
    let tried = build_and_commit(app, table, held, snapshot, &batch, chosen).await;
    #[cfg(debug_assertions)]
    let tried = broken::again_if_believed(app, table, held, &batch, tried).await;
    match tried {
        Ok((fresh, _)) if is_void(&fresh, &batch) => Err(PassError::LeaseLost),
        Ok((_, files)) => committed(app, table, held, &batch, &files, done).await,
        Err(error) => {
            // Outputs stay: a commit in flight may still name them. Vacuum knows when none can.
            if error.is_unavailable() && counted_first {
                held.forgive_attempt(&batch).await?;
            }
            if error.may_be_poison() && !counted_first {
                held.count_attempt(&batch).await?;
            }
            Err(error)
        }
    }
}

/// V tells that the batch was voided.
fn is_void(snapshot: &Snapshot, batch: &Batch) -> bool {
    snapshot.voided == batch.seq && holds(Safeguard::VoidKnownToWorker)
}

pub(super) async fn build_and_commit(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    snapshot: &Snapshot,
    batch: &Batch,
    chosen: Chosen,
) -> Result<(Snapshot, Vec<NewFile>), PassError> {
    let fence = held.fence();
    let files = held.while_renewing(build::write_files(app, table, batch.seq, fence, chosen)).await??;
    let version = holds(Safeguard::CommitCarriesTxn).then_some((APP_COMPACT, batch.seq));
    let transaction = Commit {
        add: files.clone(),
        transactions: version.into_iter().collect(),
        segments: batch.segments.iter().map(ToString::to_string).collect(),
        at: app.clock.now(),
        ..Commit::default()
    };
    let log = app.log(table);
    #[cfg(debug_assertions)]
    let snapshot = &broken::base(log.as_ref(), snapshot, Safeguard::CommitOnCheckedSnapshot).await?;
    let commit = commit::commit_and_read_back(log.as_ref(), snapshot, batch.seq, transaction);
    let committed = held.while_renewing(commit).await?;
    #[cfg(debug_assertions)]
    broken::drop_outputs_of(app, table, &files, &committed).await;
    Ok((committed?, files))
}

/// The commit is readable: the batch is marked, and lists may grow again.
async fn committed(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    batch: &Batch,
    files: &[NewFile],
    done: &mut Done,
) -> Result<(), PassError> {
    app.ledger.mark_committed(table, batch).await?;
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    done.commits += 1;
    done.segments += batch.segments.len() as u64;
    done.rows += rows;
    app.counters.add(Counter::Commits, 1);
    app.counters.add(Counter::Segments, batch.segments.len() as u64);
    app.counters.add(Counter::Rows, rows);
    app.counters.add(Counter::Bytes, bytes);
    tracing::info!(
        %table, seq = batch.seq, segments = batch.segments.len(), files = files.len(), rows, bytes, "batch committed"
    );
    let larger = held.segments_max().map(|max| max.saturating_mul(SMALLER)).filter(|max| *max < BATCH_SEGMENTS_MAX);
    held.limit_batches(larger).await
}

/// An empty commit that takes the seq, so that the batch can never be committed.
async fn void(
    app: &App,
    table: &TableId,
    snapshot: &Snapshot,
    batch: &Batch,
    done: &mut Done,
) -> Result<(), PassError> {
    let taken = holds(Safeguard::VoidCarriesCompact).then_some((APP_COMPACT, batch.seq));
    let voided = holds(Safeguard::VoidCarriesVoid).then_some((APP_VOID, batch.seq));
    let transaction =
        Commit { transactions: taken.into_iter().chain(voided).collect(), at: app.clock.now(), ..Commit::default() };
    let log = app.log(table);
    #[cfg(debug_assertions)]
    let snapshot = &broken::base(log.as_ref(), snapshot, Safeguard::VoidOnCheckedSnapshot).await?;
    let fresh = commit::commit_and_read_back(log.as_ref(), snapshot, batch.seq, transaction).await?;
    if fresh.voided == batch.seq {
        done.voids += 1;
        app.counters.add(Counter::Voids, 1);
        tracing::error!(%table, seq = batch.seq, segments = batch.segments.len(), "batch voided; smaller lists follow");
    }
    Ok(())
}

/// The batch was voided: its segments are live again, and the next list is smaller. A segment that failed all alone, in
/// a list that had been cut down to one, goes to quarantine; a list that happened to be of one gets another chance, since
/// workers that were killed count as failures.
async fn drop_voided(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    view: &LedgerView,
    batch: &Batch,
    done: &mut Done,
) -> Result<(), PassError> {
    let was_cut_down = held.segments_max() == Some(1);
    app.ledger.drop_voided(table, batch.seq).await?;
    held.limit_batches(Some((batch.segments.len() / SMALLER).max(1))).await?;
    if was_cut_down
        && let [alone] = batch.segments.as_slice()
        && let Some(segment) = view.live.iter().find(|segment| segment.id == *alone)
    {
        held.quarantine(segment, &format!("{ATTEMPTS_MAX} attempts to build it alone failed; the log says why"))
            .await?;
        app.counters.add(Counter::Quarantined, 1);
        tracing::error!(%table, segment = %segment.id, rows = segment.rows, "{QUARANTINED}");
        done.quarantined += 1;
    }
    Ok(())
}

/// The very segments of the batch. One that is at fault counts as an attempt; a newer version's is left to it.
pub(super) async fn reload(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    view: &LedgerView,
    batch: &Batch,
) -> Result<Chosen, PassError> {
    let segments = match view.segments_of(batch) {
        Ok(segments) => segments,
        Err(missing) => {
            held.count_attempt(batch).await?;
            return Err(PassError::Build(format!("the ledger lacks {missing:?} of batch {}", batch.seq).into()));
        }
    };
    let memory = held.while_renewing(choose::reserve(app, &segments)).await?;
    let readings = held.while_renewing(segments::read(app, table, segments)).await??;
    let mut chosen = Chosen { _memory: Some(memory), ..Chosen::default() };
    for reading in readings {
        match reading {
            Reading::Rows(loaded) => chosen.loaded.push(loaded),
            Reading::Newer { segment, why } => return Err(PassError::Newer(format!("segment {}: {why}", segment.id))),
            Reading::Poison { segment, why } if !holds(Safeguard::QuarantineUnlistedOnly) => {
                held.quarantine(&segment, &why.to_string()).await?;
            }
            Reading::Poison { why, .. } => {
                held.count_attempt(batch).await?;
                return Err(PassError::Object(why));
            }
        }
    }
    Ok(chosen)
}
