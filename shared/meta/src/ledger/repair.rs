//! What `repair` may do to a ledger that was put back in time, or whose table was.
//!
//! Every act is under the fence, and each may be repeated. None puts a `live#` by itself: segments come back only
//! through [`Ledger::record`], as ingest does it.

use model::{BodyHash, Micros, Segment, SegmentId, TableId};
use serde::Deserialize;
use serde_json::json;

use super::record::{seen, seen_key};
use super::{Lease, Ledger, SEEN_WINDOW, attributes, bad_key, batch_key, live_key, named_key, parse};
use crate::{Condition, Operation, StoreError, TRANSACTION_ITEMS_MAX};

/// Room in a transaction beside the check of the fence.
const FENCED_ITEMS_MAX: usize = TRANSACTION_ITEMS_MAX - 1;

/// Stored in `seen#<hash>`.
#[derive(Deserialize)]
struct Seen {
    segment: SegmentId,
}

/// What became of making the bodies of segments known again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownAgain {
    /// How many were not known.
    pub restored: usize,
    /// Those that were, by a `seen#` of their own, with the segment that was to name them: a retry may have come in meanwhile.
    pub known_before: Vec<(SegmentId, BodyHash)>,
}

/// What became of a `seen#` that names a segment which nothing else names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// The body is unknown now.
    Yes,
    /// The segment is live or in quarantine after all, or the `seen#` names another one by now.
    StillKnown,
}

impl Ledger {
    /// Moves `last_seq` to a batch that the table holds, on condition of owner, fence and the old `last_seq`.
    pub async fn set_last_seq(&self, table: &TableId, lease: &Lease, last_seq: u64) -> Result<Lease, StoreError> {
        let moved = Lease { last_seq, ..lease.clone() };
        let put = Operation::put(named_key(table, "lease"), attributes(&moved));
        let put = lease.still_ours(put).when(Condition::Equals("last_seq", json!(lease.last_seq)));
        self.store.write(put).await?;
        Ok(moved)
    }

    /// Drops `batch#` items, whatever their state. The caller knows of each segment in them whether the table holds it.
    pub async fn forget_batches(&self, table: &TableId, lease: &Lease, seqs: &[u64]) -> Result<(), StoreError> {
        let deletes = seqs.iter().map(|seq| Operation::delete(batch_key(table, *seq))).collect();
        self.fenced(table, lease, deletes).await
    }

    /// Drops `live#` items of segments that the table holds. The mark covers their commits.
    pub async fn forget_live(&self, table: &TableId, lease: &Lease, segments: &[SegmentId]) -> Result<(), StoreError> {
        let deletes = segments.iter().map(|id| Operation::delete(live_key(table, id))).collect();
        self.fenced(table, lease, deletes).await
    }

    /// The segment that the `seen#` of a body names, if the body is known.
    pub async fn seen_in(&self, table: &TableId, hash: &BodyHash) -> Result<Option<SegmentId>, StoreError> {
        let item = self.store.get(&seen_key(&table.project, hash)).await?;
        Ok(item.as_ref().map(parse::<Seen>).transpose()?.map(|seen| seen.segment))
    }

    /// True if the bodies of a segment are known, by this very segment: one that stands for the first tells that all do, since
    /// they are put from the last to the first.
    pub async fn knows(&self, table: &TableId, segment: &SegmentId, bodies: &[BodyHash]) -> Result<bool, StoreError> {
        let Some(first) = bodies.first() else { return Ok(true) };
        Ok(self.seen_in(table, first).await?.as_ref() == Some(segment))
    }

    /// Makes the bodies of segments known again: puts each `seen#` that is absent, as many as fit in each transaction.
    pub async fn restore_seen(
        &self,
        table: &TableId,
        lease: &Lease,
        segments: &[(SegmentId, Vec<BodyHash>)],
    ) -> Result<KnownAgain, StoreError> {
        let mut done = KnownAgain::default();
        let mut together: Vec<(&SegmentId, BodyHash)> = Vec::new();
        for (segment, bodies) in segments {
            // From the last to the first, so that the first stands only when all do.
            for piece in bodies.rchunks(FENCED_ITEMS_MAX) {
                // A transaction names no item twice.
                let is_named = together.iter().any(|(_, hash)| piece.contains(hash));
                if is_named || together.len() + piece.len() > FENCED_ITEMS_MAX {
                    self.put_absent_seen(table, lease, std::mem::take(&mut together), &mut done).await?;
                }
                together.extend(piece.iter().map(|hash| (segment, *hash)));
            }
        }
        self.put_absent_seen(table, lease, together, &mut done).await?;
        Ok(done)
    }

    /// In one transaction, again without those that stand already.
    async fn put_absent_seen(
        &self,
        table: &TableId,
        lease: &Lease,
        mut absent: Vec<(&SegmentId, BodyHash)>,
        done: &mut KnownAgain,
    ) -> Result<(), StoreError> {
        let expires_at = self.clock.now() + Micros::try_from(SEEN_WINDOW.as_micros()).unwrap_or(Micros::MAX);
        while !absent.is_empty() {
            let puts = absent.iter().map(|(segment, hash)| {
                Operation::put(seen_key(&table.project, hash), seen(segment))
                    .expiring(expires_at)
                    .when(Condition::Absent)
            });
            let mut operations: Vec<_> = puts.collect();
            operations.push(lease.still_ours(Operation::check(named_key(table, "lease"))));
            match self.store.transact(operations).await {
                Ok(()) => {
                    done.restored += absent.len();
                    return Ok(());
                }
                Err(StoreError::ConditionFailed { failed }) if !failed.contains(&absent.len()) => {
                    let (known, unknown): (Vec<_>, Vec<_>) =
                        absent.into_iter().enumerate().partition(|(place, _)| failed.contains(place));
                    done.known_before.extend(known.into_iter().map(|(_, (segment, hash))| (segment.clone(), hash)));
                    absent = unknown.into_iter().map(|(_, body)| body).collect();
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// Removes a `seen#` that names a segment which no commit and no batch names, on condition that it still does and that
    /// the segment is neither live nor in quarantine: then its rows are nowhere, and the body has to come in again.
    pub async fn forget_seen(
        &self,
        table: &TableId,
        lease: &Lease,
        hash: &BodyHash,
        segment: &SegmentId,
    ) -> Result<Forgotten, StoreError> {
        let operations = vec![
            Operation::delete(seen_key(&table.project, hash)).when(Condition::Equals("segment", json!(segment))),
            Operation::check(live_key(table, segment)).when(Condition::Absent),
            Operation::check(bad_key(table, segment)).when(Condition::Absent),
            lease.still_ours(Operation::check(named_key(table, "lease"))),
        ];
        let fence = operations.len() - 1;
        match self.store.transact(operations).await {
            Ok(()) => Ok(Forgotten::Yes),
            Err(StoreError::ConditionFailed { failed }) if !failed.contains(&fence) => Ok(Forgotten::StillKnown),
            Err(other) => Err(other),
        }
    }

    /// Replaces a live segment by one that holds only the given bodies of it, or by nothing: the table holds the others.
    /// The `seen#` of the bodies left name the new segment from then on.
    pub async fn replace_live(
        &self,
        table: &TableId,
        lease: &Lease,
        old: &SegmentId,
        new: Option<(&Segment, &[BodyHash])>,
    ) -> Result<(), StoreError> {
        let mut operations = vec![Operation::delete(live_key(table, old)).when(Condition::Present)];
        if let Some((segment, bodies)) = new {
            operations.push(Operation::put(live_key(table, &segment.id), attributes(segment)));
            let expires_at = self.clock.now() + Micros::try_from(SEEN_WINDOW.as_micros()).unwrap_or(Micros::MAX);
            operations.extend(
                bodies
                    .iter()
                    .map(|hash| Operation::put(seen_key(&table.project, hash), seen(&segment.id)).expiring(expires_at)),
            );
        }
        operations.push(lease.still_ours(Operation::check(named_key(table, "lease"))));
        self.store.transact(operations).await
    }

    /// Lets a stopped table go on.
    pub async fn lift_stop(&self, table: &TableId, lease: &Lease) -> Result<(), StoreError> {
        self.fenced(table, lease, vec![Operation::delete(named_key(table, "stop"))]).await
    }

    /// In transactions of as many as fit, each on condition of the fence.
    async fn fenced(&self, table: &TableId, lease: &Lease, operations: Vec<Operation>) -> Result<(), StoreError> {
        for chunk in operations.chunks(FENCED_ITEMS_MAX) {
            let mut chunk = chunk.to_vec();
            chunk.push(lease.still_ours(Operation::check(named_key(table, "lease"))));
            self.store.transact(chunk).await?;
        }
        Ok(())
    }
}
