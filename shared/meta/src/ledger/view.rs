//! The ledger of a table as readers and workers see it.

use std::collections::{HashMap, HashSet};

use model::{Segment, SegmentId, TableId};

use super::{Batch, Ledger, parse, partition};
use crate::{SortRange, StoreError, query_all};

/// Read in this order, all pages: `batch#`, `live#`, `mark`. The order is part of the protocol.
#[derive(Clone, Debug, Default)]
pub struct LedgerView {
    /// By seq, ascending.
    pub batches: Vec<Batch>,
    pub live: Vec<Segment>,
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
        let listed: HashSet<&SegmentId> = self.batches.iter().flat_map(|b| &b.segments).collect();
        self.live.iter().filter(|s| !listed.contains(&s.id)).cloned().collect()
    }

    /// Live segments that the table does not hold at commit `committed` (T), where `voided` (V) was void: what a reader adds.
    pub fn uncommitted(&self, committed: u64, voided: u64) -> Vec<Segment> {
        let held: HashSet<&SegmentId> =
            self.batches.iter().filter(|b| b.seq <= committed && b.seq != voided).flat_map(|b| &b.segments).collect();
        self.live.iter().filter(|s| !held.contains(&s.id)).cloned().collect()
    }

    /// The segments of a batch in its own order; those missing from `live#` are returned by id.
    pub fn segments_of(&self, batch: &Batch) -> Result<Vec<Segment>, Vec<SegmentId>> {
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
    /// The whole view of a table.
    pub async fn read(&self, table: &TableId) -> Result<LedgerView, StoreError> {
        let of = partition(table);
        let batches = query_all(self.store.as_ref(), &of, &SortRange::Prefix("batch#".into())).await?;
        let live = query_all(self.store.as_ref(), &of, &SortRange::Prefix("live#".into())).await?;
        let clean = self.clean_mark(table).await?;
        Ok(LedgerView {
            batches: batches.iter().map(parse).collect::<Result<_, _>>()?,
            live: live.iter().map(parse).collect::<Result<_, _>>()?,
            clean,
        })
    }
}
