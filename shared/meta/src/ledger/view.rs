//! The ledger of a table as readers and workers see it.

use std::collections::{HashMap, HashSet};

use model::safeguard::{Safeguard, holds};
use model::{Segment, SegmentId, TableId};

use super::{BadSegment, Batch, Ledger, parse, partition};
use crate::{Item, SortRange, StoreError, query_all};

/// Read in this order, all pages: `batch#`, `live#`, `mark`. The order is part of the protocol.
#[derive(Clone, Debug, Default)]
pub struct LedgerView {
    /// By seq, ascending.
    pub batches: Vec<Batch>,
    pub live: Vec<Segment>,
    /// Quarantined segments: their rows are in no answer. Read together with the batches, beside which they lie.
    pub bad: Vec<BadSegment>,
    /// The highest seq whose `live#` items may be gone; 0: none.
    pub clean: u64,
}

impl LedgerView {
    /// The batch that is open, if any; there is never more than one.
    pub fn open_batch(&self) -> Option<&Batch> {
        self.batches.iter().find(|b| b.is_open())
    }

    /// Live segments that no batch lists: what a worker may choose from.
    pub fn unlisted(&self) -> Vec<Segment> {
        let left_out = |b: &&Batch| b.is_open() || holds(Safeguard::CommittedLeftOut);
        let listed: HashSet<&SegmentId> = self.batches.iter().filter(left_out).flat_map(|b| &b.segments).collect();
        self.live.iter().filter(|s| !listed.contains(&s.id)).cloned().collect()
    }

    /// Live segments that the table does not hold at commit `committed` (T), where `voided` (V) was void: what a reader adds.
    pub fn uncommitted(&self, committed: u64, voided: u64) -> Vec<Segment> {
        let is_void = |b: &Batch| b.seq == voided && holds(Safeguard::VoidKnownToReader);
        let is_in = |b: &Batch| {
            if !holds(Safeguard::LeftOutByCommitNotState) {
                return !b.is_open();
            }
            b.seq <= committed || !holds(Safeguard::LeftOutByCommitNotList)
        };
        let batches = self.batches.iter().filter(|b| is_in(b) && !is_void(b));
        let held: HashSet<&SegmentId> = batches.flat_map(|b| &b.segments).collect();
        self.live.iter().filter(|s| !held.contains(&s.id)).cloned().collect()
    }

    /// The segments of a batch in its own order; those missing from `live#` are returned by id.
    pub fn segments_of(&self, batch: &Batch) -> Result<Vec<Segment>, Vec<SegmentId>> {
        #[cfg(debug_assertions)]
        if !holds(Safeguard::ListKept) {
            return Ok(super::broken::listed_anew(self, batch));
        }
        let by_id: HashMap<&SegmentId, &Segment> = self.live.iter().map(|s| (&s.id, s)).collect();
        let missing: Vec<_> = batch.segments.iter().filter(|id| !by_id.contains_key(id)).cloned().collect();
        if missing.is_empty() {
            Ok(batch.segments.iter().filter_map(|id| by_id.get(id).map(|s| (*s).clone())).collect())
        } else {
            Err(missing)
        }
    }
}

impl Ledger {
    /// The whole view of a table, for a worker.
    pub async fn read(&self, table: &TableId) -> Result<LedgerView, StoreError> {
        self.read_in_order(table, order_of_worker()).await
    }

    /// The whole view of a table, for a reader: in the same order, and for reasons of its own.
    pub async fn read_as_reader(&self, table: &TableId) -> Result<LedgerView, StoreError> {
        self.read_in_order(table, order_of_reader()).await
    }

    async fn read_in_order(&self, table: &TableId, order: [Part; 3]) -> Result<LedgerView, StoreError> {
        let mut view = LedgerView::default();
        for part in order {
            match part {
                Part::Batches => {
                    let range = SortRange::Between("bad#".to_owned(), "batch#~".to_owned());
                    let items = self.read_all(table, range).await?;
                    let (bad, batches): (Vec<_>, Vec<_>) =
                        items.iter().partition(|item| item.key.sort.starts_with("bad#"));
                    view.bad = bad.into_iter().map(parse).collect::<Result<_, _>>()?;
                    view.batches = batches.into_iter().map(parse).collect::<Result<_, _>>()?;
                }
                Part::Live => {
                    let items = self.read_all(table, SortRange::Prefix("live#".to_owned())).await?;
                    view.live = items.iter().map(parse).collect::<Result<_, _>>()?;
                }
                Part::Mark => view.clean = self.clean_mark(table).await?,
            }
        }
        Ok(view)
    }

    async fn read_all(&self, table: &TableId, range: SortRange) -> Result<Vec<Item>, StoreError> {
        query_all(self.store.as_ref(), &partition(table), &range).await
    }
}

/// What a view is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Batches,
    Live,
    Mark,
}

const ORDER: [Part; 3] = [Part::Batches, Part::Live, Part::Mark];

fn order_of_worker() -> [Part; 3] {
    if holds(Safeguard::WorkerReadsBatchesFirst) { ORDER } else { [Part::Live, Part::Batches, Part::Mark] }
}

fn order_of_reader() -> [Part; 3] {
    match (holds(Safeguard::ReaderReadsBatchesFirst), holds(Safeguard::MarkReadLast)) {
        (true, true) => ORDER,
        (true, false) => [Part::Mark, Part::Batches, Part::Live],
        (false, true) => [Part::Live, Part::Batches, Part::Mark],
        (false, false) => [Part::Mark, Part::Live, Part::Batches],
    }
}
