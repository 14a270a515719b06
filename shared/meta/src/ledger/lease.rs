//! The lease on a table: who may open batches and commit. Its fence only grows, also over releases.

use std::time::Duration;

use model::safeguard::{Safeguard, holds};
use model::{Micros, TableId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Ledger, attributes, named_key, parse};
use crate::{Condition, Operation, StoreError};

/// How long a lease runs from its taking or renewal.
pub const LEASE_LENGTH: Duration = Duration::from_secs(60);
/// An expiry further ahead than the length plus this comes from a bad clock and counts as expired.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// Stored in `lease`; never deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Fresh for each taking; empty when released.
    pub owner: String,
    /// One more with each taking.
    pub fence: u64,
    pub expires_at: Micros,
    /// Seq of the last batch opened; 0: none yet.
    pub last_seq: u64,
    /// Most segments of the next batch, after one was voided; none: no more than always. Kept here, so that a worker that
    /// is killed by a list leaves word to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments_max: Option<usize>,
}

impl Lease {
    /// Adds the condition that owner and fence are still ours.
    pub(super) fn still_ours(&self, operation: Operation) -> Operation {
        operation
            .when_safe(Safeguard::OwnerInFence, Condition::Equals("owner", json!(self.owner)))
            .when(Condition::Equals("fence", json!(self.fence)))
    }

    /// The bare condition, for a transaction that writes other items: the safeguard that `act` is.
    pub(super) fn fence(&self, table: &TableId, act: Safeguard) -> Option<Operation> {
        holds(act).then(|| self.still_ours(Operation::check(named_key(table, "lease"))))
    }

    fn is_free(&self, now: Micros) -> bool {
        let horizon = now + micros(LEASE_LENGTH) + micros(CLOCK_SLACK);
        let is_too_far = self.expires_at > horizon && holds(Safeguard::FarExpiryIsExpired);
        self.owner.is_empty() || self.expires_at <= now || is_too_far
    }
}

/// The answer to asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    Ours(Lease),
    /// Somebody holds it: drop the trigger, the holder and the sweeper see to the table.
    Busy {
        until: Micros,
    },
}

impl Ledger {
    /// Takes the lease if it is free or has run out; on condition of the version that was read.
    pub async fn take_lease(&self, table: &TableId) -> Result<Taken, StoreError> {
        let key = named_key(table, "lease");
        let now = self.clock.now();
        let stood = self.store.get(&key).await?;
        let (condition, fence, last_seq, segments_max) = match &stood {
            None => (Condition::Absent, 1, 0, None),
            Some(item) => {
                let lease: Lease = parse(item)?;
                if !lease.is_free(now) {
                    return Ok(Taken::Busy { until: lease.expires_at });
                }
                (Condition::Version(item.version), lease.fence + 1, lease.last_seq, lease.segments_max)
            }
        };
        let expires_at = now + micros(LEASE_LENGTH);
        let ours = Lease { owner: self.ids.fresh(), fence, expires_at, last_seq, segments_max };
        match self.store.write(Operation::put(key, attributes(&ours)).when(condition)).await {
            Ok(_) => Ok(Taken::Ours(ours)),
            // Somebody was quicker, or our own first try landed and its reply was lost: then it runs out by itself.
            Err(error) if error.is_condition() => Ok(Taken::Busy { until: now + micros(LEASE_LENGTH) }),
            Err(error) => Err(error),
        }
    }

    /// Prolongs the lease from now, on condition of owner, fence and `last_seq`.
    pub async fn renew_lease(&self, table: &TableId, lease: &Lease) -> Result<Lease, StoreError> {
        let renewed = Lease { expires_at: self.clock.now() + micros(LEASE_LENGTH), ..lease.clone() };
        self.put_lease(table, lease, &renewed, Safeguard::RenewedUnderFence).await?;
        Ok(renewed)
    }

    /// Sets how many segments the next batch may have at most, on condition of owner, fence and `last_seq`.
    pub async fn limit_batches(
        &self,
        table: &TableId,
        lease: &Lease,
        segments_max: Option<usize>,
    ) -> Result<Lease, StoreError> {
        let limited = Lease { segments_max, ..lease.clone() };
        self.put_lease(table, lease, &limited, Safeguard::LimitedUnderFence).await?;
        Ok(limited)
    }

    /// Gives the lease back, keeping fence and `last_seq`; on condition of owner and fence. Lost already: no error.
    pub async fn release_lease(&self, table: &TableId, lease: &Lease) -> Result<(), StoreError> {
        let fence = if holds(Safeguard::FenceOutlivesRelease) { lease.fence } else { 0 };
        let released = Lease { owner: String::new(), expires_at: 0, fence, ..lease.clone() };
        match self.put_lease(table, lease, &released, Safeguard::ReleasedUnderFence).await {
            Err(error) if error.is_condition() => Ok(()),
            other => other,
        }
    }

    /// The lease as it stands, for `status` and `repair`.
    pub async fn read_lease(&self, table: &TableId) -> Result<Option<Lease>, StoreError> {
        self.store.get(&named_key(table, "lease")).await?.as_ref().map(parse).transpose()
    }

    /// On condition of owner, fence and `last_seq`: the safeguard that `act` is.
    async fn put_lease(&self, table: &TableId, ours: &Lease, new: &Lease, act: Safeguard) -> Result<(), StoreError> {
        let put = Operation::put(named_key(table, "lease"), attributes(new));
        let guarded = if holds(act) {
            ours.still_ours(put).when(Condition::Equals("last_seq", json!(ours.last_seq)))
        } else {
            put
        };
        self.store.write(guarded).await.map(drop)
    }
}

fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}
