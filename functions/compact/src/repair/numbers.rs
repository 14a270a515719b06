//! Step 1: T, mark and `last_seq` fit each other again, above every number that was ever seen.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::TryStreamExt;
use lake::{APP_COMPACT, Commit, FileName, Snapshot, TakenIn};
use meta::ledger::{Batch, LedgerView};
use model::safeguard::{Safeguard, holds};
use model::{Micros, Segment, SegmentId, TableId};

use object_store::ObjectStore;
use objects::table_path;

use super::Repaired;
use crate::pass::{self, Held};
use crate::{App, PassError};

/// The segments that the table holds, and when they were taken in, as far as the log tells.
pub(super) type InTable = HashMap<SegmentId, Option<Micros>>;

/// What counts, whatever else becomes of it.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) in_table: InTable,
    /// Segments that a batch lists which goes on as it is.
    pub(super) listed: HashSet<SegmentId>,
}

/// Makes the numbers fit if they do not.
pub(super) async fn settle(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    did: &mut Repaired,
) -> Result<Standing, PassError> {
    let log = app.log(table);
    let view = app.ledger.read(table).await?;
    refuse_newer(&view)?;
    let snapshot = match log.snapshot().await? {
        Some(snapshot) => snapshot,
        None if held.last_seq() == 0 && view.batches.is_empty() && view.clean == 0 => return Ok(Standing::default()),
        None => {
            did.table_was_gone = held.last_seq() > 0;
            log.create().await?;
            log.snapshot().await?.ok_or(PassError::NoTable)?
        }
    };
    let commits = Commits::of(&snapshot, log.taken_in(&snapshot).await?);
    let highest = held.while_renewing(highest_written(app, table)).await??;
    let of_lost_commits = || {
        let seq = highest.filter(|seq| *seq > held.last_seq())?;
        Some(format!("the ledger ends with batch {}, and there are data files of batch {seq}", held.last_seq()))
    };
    let Some(difference) = commits.difference(held.last_seq(), &view).or_else(of_lost_commits) else {
        let listed = view.batches.iter().flat_map(|batch| &batch.segments).cloned().collect();
        return Ok(Standing { in_table: commits.in_table(&commits.held_of(&view)), listed });
    };
    tracing::warn!(%table, difference, "ledger and table do not fit each other");
    if did.was_stopped.is_none() {
        held.stop(&format!("{difference}; its repair was begun and did not end")).await?;
    }
    let seqs = view.batches.iter().map(|batch| batch.seq).chain([held.last_seq(), view.clean]);
    let seqs = seqs.chain(highest);
    let seqs = seqs.filter(|_| holds(Safeguard::RepairGoesForward));
    let seq = seqs.chain([snapshot.committed]).max().unwrap_or(0) + 1;
    // Decided before the empty commit: by its number every batch would count as held.
    let (stay, go): (Vec<_>, Vec<_>) =
        view.batches.iter().partition(|batch| commits.hold(batch) || !holds(Safeguard::RepairDropsBatches));
    let numbers = |batches: &[&Batch]| batches.iter().map(|batch| batch.seq).collect::<Vec<_>>();
    did.batches_dropped = go.len();
    app.ledger.forget_batches(table, held.lease(), &numbers(&go)).await?;

    let resume = Commit { transactions: vec![(APP_COMPACT, seq)], at: app.clock.now(), ..Commit::default() };
    let resumed = pass::commit_and_read_back(log.as_ref(), &snapshot, seq, resume);
    let resumed = held.while_renewing(resumed).await??;
    app.ledger.raise_mark(table, seq).await?;
    let in_table = Commits::of(&resumed, log.taken_in(&resumed).await?).in_table(&stay);
    let is_twice = |id: &SegmentId| in_table.contains_key(id) && holds(Safeguard::RepairForgetsLive);
    let twice: Vec<SegmentId> = view.live.iter().map(|segment| segment.id.clone()).filter(is_twice).collect();
    app.ledger.forget_live(table, held.lease(), &twice).await?;
    app.ledger.forget_batches(table, held.lease(), &numbers(&stay)).await?;
    held.set_last_seq(seq).await?;
    (did.found, did.resumed_at, did.live_dropped) = (Some(difference), Some(seq), twice.len());
    Ok(Standing { in_table, listed: HashSet::new() })
}

/// The highest seq in the name of a data file. If ledger and table were both put back, nothing but the files of the
/// commits that were lost tells how far the numbers had come.
async fn highest_written(app: &App, table: &TableId) -> Result<Option<u64>, PassError> {
    let store = app.root(table).store;
    let failed = |source| PassError::Store { act: "list data files", source };
    let mut listing = store.list(Some(&table_path(table.table)));
    let mut highest = None;
    while let Some(object) = listing.try_next().await.map_err(failed)? {
        if let Some(FileName::Part { seq, .. }) = FileName::parse(object.location.as_ref()) {
            highest = highest.max(Some(seq));
        }
    }
    Ok(highest)
}

/// What a newer version wrote is left to it.
fn refuse_newer(view: &LedgerView) -> Result<(), PassError> {
    if let Some(batch) = view.batches.iter().find(|batch| batch.format > Batch::FORMAT) {
        return Err(PassError::Newer(format!("batch {} has format {}", batch.seq, batch.format)));
    }
    match view.live.iter().find(|segment| segment.format > Segment::FORMAT) {
        Some(segment) => Err(PassError::Newer(format!("segment {} has format {}", segment.id, segment.format))),
        None => Ok(()),
    }
}

/// The commits of a snapshot that took segments in.
struct Commits {
    committed: u64,
    voided: u64,
    by_seq: BTreeMap<u64, TakenIn>,
}

impl Commits {
    fn of(snapshot: &Snapshot, taken_in: Vec<TakenIn>) -> Self {
        let by_seq = taken_in.into_iter().map(|commit| (commit.seq, commit)).collect();
        Self { committed: snapshot.committed, voided: snapshot.voided, by_seq }
    }

    /// True if the segments of a batch are in the table by a commit of its number. Where the log does not reach back so
    /// far, its number tells.
    fn hold(&self, batch: &Batch) -> bool {
        match self.by_seq.get(&batch.seq) {
            Some(commit) => {
                let listed: HashSet<&str> = batch.segments.iter().map(SegmentId::as_str).collect();
                commit.segments.iter().map(String::as_str).collect::<HashSet<_>>() == listed
            }
            None => batch.seq <= self.committed && batch.seq != self.voided,
        }
    }

    fn held_of<'a>(&self, view: &'a LedgerView) -> Vec<&'a Batch> {
        view.batches.iter().filter(|batch| self.hold(batch)).collect()
    }

    /// The segments of batches that are known to be held, and what the log tells.
    fn in_table(&self, held: &[&Batch]) -> InTable {
        let mut in_table: InTable =
            held.iter().flat_map(|batch| &batch.segments).map(|id| (id.clone(), None)).collect();
        for commit in self.by_seq.values() {
            in_table.extend(commit.segments.iter().map(|id| (SegmentId::from_stored(id.as_str()), Some(commit.at))));
        }
        in_table
    }

    /// What only a ledger or a table that was put back can show; none: the write path may have left it so.
    fn difference(&self, last_seq: u64, view: &LedgerView) -> Option<String> {
        let open_seq = view.open_batch().map(|batch| batch.seq);
        if let Some(mismatch) = pass::mismatch(last_seq, open_seq, Some(self.committed)) {
            return Some(mismatch);
        }
        if view.clean > self.committed {
            return Some(format!("the mark is {}, the table ends with batch {}", view.clean, self.committed));
        }
        let is_voided = |batch: &Batch| batch.is_open() && batch.seq == self.voided;
        let is_awaited = |batch: &Batch| batch.is_open() && batch.seq > self.committed;
        let mut batches = view.batches.iter();
        if let Some(other) = batches.find(|batch| !(self.hold(batch) || is_voided(batch) || is_awaited(batch))) {
            return Some(format!("batch {} lists other segments than its commit", other.seq));
        }
        let in_table = self.in_table(&self.held_of(view));
        let unlisted = view.unlisted();
        let twice = unlisted.iter().find(|segment| in_table.contains_key(&segment.id));
        twice.map(|segment| format!("segment {} is live and in the table", segment.id))
    }
}

#[cfg(test)]
mod tests {
    use meta::ledger::BatchState;

    use super::*;

    fn batch(seq: u64, state: BatchState, segments: &[&str]) -> Batch {
        let segments = segments.iter().map(|id| SegmentId::from_stored(*id)).collect();
        Batch { seq, state, segments, attempts: 0, committed_at: None, format: 1 }
    }

    fn live(id: &str) -> Segment {
        Segment {
            id: SegmentId::from_stored(id),
            key: id.to_owned(),
            bytes: 1,
            checksum: String::new(),
            rows: 1,
            time_min: 0,
            time_max: 0,
            recorded_at: 0,
            format: 1,
        }
    }

    fn commit(seq: u64, segments: &[&str]) -> TakenIn {
        TakenIn { version: seq, seq, segments: segments.iter().map(|id| (*id).to_owned()).collect(), at: 1 }
    }

    #[test]
    fn what_the_write_path_leaves_behind_fits_and_nothing_else() {
        use BatchState::{Committed, Open};
        let taken_in = || vec![commit(4, &["a", "b"]), commit(5, &[]), commit(6, &["c"])];
        // (last_seq, batches, live, mark) -> fits; T = 6, V = 5
        let cases = [
            (6, vec![], vec![], 6, true, "all is clean"),
            (6, vec![], vec!["d"], 6, true, "one more is live"),
            (6, vec![batch(6, Committed, &["c"])], vec!["c"], 4, true, "not cleaned yet"),
            (6, vec![batch(6, Open, &["c"])], vec!["c"], 4, true, "not marked yet"),
            (7, vec![batch(7, Open, &["d"])], vec!["d"], 6, true, "being built"),
            (6, vec![batch(2, Committed, &["z"])], vec![], 6, true, "older than the log"),
            (5, vec![], vec![], 5, false, "the ledger ends before the table"),
            (7, vec![], vec![], 6, false, "the table ends before the ledger"),
            (6, vec![], vec![], 7, false, "the mark is ahead"),
            (6, vec![batch(6, Committed, &["x"])], vec!["x"], 4, false, "another list"),
            (6, vec![batch(6, Open, &["x"])], vec!["x"], 4, false, "another list, not marked"),
            (6, vec![], vec!["c"], 6, false, "live and in the table"),
            (6, vec![batch(5, Committed, &["x"])], vec!["x"], 4, false, "a void that was taken for a commit"),
        ];
        for (last_seq, batches, ids, clean, fits, why) in cases {
            let commits = Commits {
                committed: 6,
                voided: 5,
                by_seq: taken_in().into_iter().map(|commit| (commit.seq, commit)).collect(),
            };
            let view = LedgerView { batches, live: ids.into_iter().map(live).collect(), bad: Vec::new(), clean };
            let found = commits.difference(last_seq, &view);
            assert_eq!(found.is_none(), fits, "{why}: {found:?}");
        }
    }
}
