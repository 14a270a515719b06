//! Segments that cannot be read: moved aside so that the rest of the table flows.

use model::safeguard::Safeguard;
use model::{Micros, Segment, TableId};
use serde::{Deserialize, Serialize};

use super::{Lease, Ledger, attributes, bad_key, live_key, named_key, parse, partition};
use crate::{Condition, Operation, SortRange, StoreError, query_all};

/// Stored in `bad#<segment id>`: the segment as it was live, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadSegment {
    pub segment: Segment,
    pub reason: String,
    pub since: Micros,
}

impl Ledger {
    /// Moves a segment from `live#` to `bad#`, under the fence. The caller has checked that no batch lists it.
    pub async fn quarantine(
        &self,
        table: &TableId,
        lease: &Lease,
        segment: &Segment,
        reason: &str,
    ) -> Result<(), StoreError> {
        let bad = BadSegment { segment: segment.clone(), reason: reason.to_owned(), since: self.clock.now() };
        let mut operations = vec![
            Operation::delete(live_key(table, &segment.id)).when(Condition::Present),
            Operation::put(bad_key(table, &segment.id), attributes(&bad)),
        ];
        operations.extend(lease.fence(table, Safeguard::QuarantineUnderFence));
        self.store.transact(operations).await
    }

    /// Moves a segment back from `bad#` to `live#`, under the fence. The caller has read it, and has checked that the table
    /// does not hold it.
    pub async fn release_quarantined(
        &self,
        table: &TableId,
        lease: &Lease,
        bad: &BadSegment,
    ) -> Result<(), StoreError> {
        let operations = vec![
            Operation::delete(bad_key(table, &bad.segment.id)).when(Condition::Present),
            Operation::put(live_key(table, &bad.segment.id), attributes(&bad.segment)).when(Condition::Absent),
            lease.still_ours(Operation::check(named_key(table, "lease"))),
        ];
        self.store.transact(operations).await
    }

    /// Drops a `bad#` whose segment the table holds, under the fence.
    pub async fn forget_quarantined(&self, table: &TableId, lease: &Lease, bad: &BadSegment) -> Result<(), StoreError> {
        let operations = vec![
            Operation::delete(bad_key(table, &bad.segment.id)),
            lease.still_ours(Operation::check(named_key(table, "lease"))),
        ];
        self.store.transact(operations).await
    }

    /// All quarantined segments of a table.
    pub async fn quarantined(&self, table: &TableId) -> Result<Vec<BadSegment>, StoreError> {
        let items = query_all(self.store.as_ref(), &partition(table), &SortRange::Prefix("bad#".into())).await?;
        items.iter().map(parse).collect()
    }
}
