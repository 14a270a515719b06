//! The ledger's acts without some of their safeguards, for tests that show what breaks then. In builds with debug
//! assertions only; none of this runs unless a test has switched a safeguard off.

use std::collections::HashSet;

use model::safeguard::{Safeguard, holds};
use model::{Segment, SegmentId, TableId};
use serde_json::json;

use super::{Batch, BatchState, Lease, Ledger, LedgerView, attributes, batch_key, named_key};
use crate::{Condition, Operation, StoreError};

/// Recording in two transactions, in the order that is switched on; none: in one, as it should be. `live#` is last.
pub(super) fn in_two(operations: &[Operation]) -> Option<(Vec<Operation>, Vec<Operation>)> {
    let (live, seen) = operations.split_last()?;
    if !holds(Safeguard::SeenNotFirst) {
        return Some((seen.to_vec(), vec![live.clone()]));
    }
    (!holds(Safeguard::LiveNotFirst)).then(|| (vec![live.clone()], seen.to_vec()))
}

/// Instead of the batch's own list: all that is live now and that no other batch lists.
pub(super) fn listed_anew(view: &LedgerView, batch: &Batch) -> Vec<Segment> {
    let others = view.batches.iter().filter(|other| other.seq != batch.seq);
    let listed: HashSet<&SegmentId> = others.flat_map(|other| &other.segments).collect();
    view.live.iter().filter(|segment| !listed.contains(&segment.id)).cloned().collect()
}

impl Ledger {
    /// Opens a batch without the fence, without the counter's condition, or with a seq that does not come from the
    /// counter; none: all three hold.
    ///
    /// Without the fence the lease item stays whoever's it is: only its counter moves. The counter is read just before,
    /// if it is the condition on it that is left.
    pub(super) async fn open_batch_unsafely(
        &self,
        table: &TableId,
        lease: &Lease,
        segments: &[SegmentId],
    ) -> Result<Option<(Batch, Lease)>, StoreError> {
        let fenced = holds(Safeguard::FenceAtOpening);
        let counted = holds(Safeguard::CounterAtOpening);
        let from_counter = holds(Safeguard::SeqFromCounter);
        if fenced && counted && from_counter {
            return Ok(None);
        }
        let stood = self.read_lease(table).await?.unwrap_or_else(|| lease.clone());
        let last_seq = if !fenced && counted { stood.last_seq } else { lease.last_seq };
        let seq = if from_counter {
            last_seq + 1
        } else {
            self.read(table).await?.batches.iter().map(|batch| batch.seq).max().unwrap_or(0) + 1
        };
        let batch = Batch {
            seq,
            state: BatchState::Open,
            segments: segments.to_vec(),
            attempts: 0,
            committed_at: None,
            format: Batch::FORMAT,
        };
        let whose = if fenced { lease } else { &stood };
        let moved = Lease { last_seq: seq, ..whose.clone() };
        let mut put = whose.still_ours(Operation::put(named_key(table, "lease"), attributes(&moved)));
        if counted {
            put = put.when(Condition::Equals("last_seq", json!(last_seq)));
        }
        let open = Operation::put(batch_key(table, seq), attributes(&batch)).when(Condition::Absent);
        self.store.transact(vec![open, put]).await?;
        Ok(Some((batch, Lease { last_seq: seq, ..lease.clone() })))
    }
}
