//! A batch: the list of segments that one Delta commit takes into the table. At most one is open.

use model::{Micros, SegmentId, TableId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Lease, Ledger, attributes, batch_key, named_key};
use crate::{Condition, Operation, StoreError};

/// Most segments of a batch, so that its item stays well below the store's limit.
pub const BATCH_SEGMENTS_MAX: usize = 2_000;

/// Stored in `batch#<seq>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// One more than the batch before; also the version of app `plimsoll/compact` that its commit carries.
    pub seq: u64,
    pub state: BatchState,
    /// At most [`BATCH_SEGMENTS_MAX`].
    pub segments: Vec<SegmentId>,
    /// Builds begun so far, counted up before each.
    pub attempts: u32,
    /// When the commit was seen readable; none while open.
    pub committed_at: Option<Micros>,
    /// Version of this layout; 1.
    pub format: u32,
}

/// Open until its commit is readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchState {
    Open,
    Committed,
}

impl Batch {
    pub const FORMAT: u32 = 1;

    pub fn is_open(&self) -> bool {
        self.state == BatchState::Open
    }
}

impl Ledger {
    /// Opens the next batch and moves `lease.last_seq` with it, in one transaction.
    ///
    /// On condition that owner and fence are ours and that `last_seq` is what was read together with the lease.
    /// A failed condition: the lease is lost (or our own earlier try landed): the pass ends, the next one reads anew.
    pub async fn open_batch(
        &self,
        table: &TableId,
        lease: &Lease,
        segments: Vec<SegmentId>,
    ) -> Result<(Batch, Lease), StoreError> {
        if segments.is_empty() || segments.len() > BATCH_SEGMENTS_MAX {
            return Err(StoreError::Invalid(format!("a batch of {} segments", segments.len())));
        }
        #[cfg(debug_assertions)]
        if let Some(opened) = self.open_batch_unsafely(table, lease, &segments).await? {
            return Ok(opened);
        }
        let seq = lease.last_seq + 1;
        let batch =
            Batch { seq, state: BatchState::Open, segments, attempts: 0, committed_at: None, format: Batch::FORMAT };
        let moved = Lease { last_seq: seq, ..lease.clone() };
        let operations = vec![
            Operation::put(batch_key(table, seq), attributes(&batch)).when(Condition::Absent),
            lease
                .still_ours(Operation::put(named_key(table, "lease"), attributes(&moved)))
                .when(Condition::Equals("last_seq", json!(lease.last_seq))),
        ];
        self.store.transact(operations).await?;
        Ok((batch, moved))
    }

    /// Counts one more attempt before it begins, under the fence, so that an attempt that is killed counts too.
    pub async fn count_attempt(&self, table: &TableId, lease: &Lease, batch: &Batch) -> Result<Batch, StoreError> {
        self.put_attempts(table, lease, batch, batch.attempts + 1).await
    }

    /// Takes an attempt back, under the fence: it failed for a reason that says nothing about the segments, such as a
    /// store that did not answer.
    pub async fn forgive_attempt(&self, table: &TableId, lease: &Lease, batch: &Batch) -> Result<Batch, StoreError> {
        self.put_attempts(table, lease, batch, batch.attempts.saturating_sub(1)).await
    }

    async fn put_attempts(
        &self,
        table: &TableId,
        lease: &Lease,
        batch: &Batch,
        attempts: u32,
    ) -> Result<Batch, StoreError> {
        let counted = Batch { attempts, ..batch.clone() };
        let operations = vec![
            Operation::put(batch_key(table, batch.seq), attributes(&counted))
                .when(Condition::Equals("state", json!("open")))
                .when(Condition::Equals("attempts", json!(batch.attempts))),
            lease.still_ours(Operation::check(named_key(table, "lease"))),
        ];
        self.store.transact(operations).await?;
        Ok(counted)
    }

    /// Marks a batch committed. The caller has read T >= seq and V != seq from one snapshot; then it is true whoever says it.
    /// A failed condition: somebody else marked or cleaned it already, which is as good.
    pub async fn mark_committed(&self, table: &TableId, batch: &Batch) -> Result<(), StoreError> {
        let committed = Batch { state: BatchState::Committed, committed_at: Some(self.clock.now()), ..batch.clone() };
        let put = Operation::put(batch_key(table, batch.seq), attributes(&committed))
            .when(Condition::Equals("state", json!("open")));
        ignore_condition(self.store.write(put).await.map(drop))
    }

    /// Drops a batch that was voided (V = seq, read from a snapshot): its segments are live again. Repeatable.
    pub async fn drop_voided(&self, table: &TableId, seq: u64) -> Result<(), StoreError> {
        self.store.write(Operation::delete(batch_key(table, seq))).await.map(drop)
    }
}

fn ignore_condition(result: Result<(), StoreError>) -> Result<(), StoreError> {
    match result {
        Err(error) if error.is_condition() => Ok(()),
        other => other,
    }
}
