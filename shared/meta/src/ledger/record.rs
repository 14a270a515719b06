//! Ingest's act: a landed segment becomes live, and its bodies are known from then on.

use std::time::Duration;

use model::safeguard::{Safeguard, holds};
use model::{BodyHash, Micros, ProjectId, Segment, SegmentId, TableId};
use serde_json::json;

use super::{Ledger, attributes, live_key};
use crate::store::TRANSACTION_ITEMS_MAX;
use crate::{Attributes, Condition, ItemKey, Operation, StoreError};

/// How long a body is known: a retry within it adds nothing.
pub const SEEN_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Most bodies of one segment: a `seen#` each and the `live#` items fit one transaction.
pub const GROUP_BODIES_MAX: usize = TRANSACTION_ITEMS_MAX - 2;

/// What became of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is live, with every body in it.
    Live,
    /// Nothing was recorded: the bodies at these places were seen before. The object stays for the cleaner.
    Duplicates(Vec<usize>),
}

impl Ledger {
    /// Puts `live#` and every `seen#` in one transaction, on condition that no `seen#` stands there.
    ///
    /// Only a failed condition on a `seen#` means duplicate; it may come from an earlier try of this very call whose
    /// reply was lost, which is why the caller never deletes the object. Other errors may be tried again as they are.
    pub async fn record(
        &self,
        table: &TableId,
        segment: &Segment,
        bodies: &[BodyHash],
    ) -> Result<Recorded, StoreError> {
        if bodies.is_empty() || bodies.len() > GROUP_BODIES_MAX {
            return Err(StoreError::Invalid(format!("a segment of {} bodies", bodies.len())));
        }
        let expires_at = self.clock.now() + Micros::try_from(SEEN_WINDOW.as_micros()).unwrap_or(Micros::MAX);
        let mut operations: Vec<_> = bodies
            .iter()
            .map(|hash| {
                Operation::put(seen_key(&table.project, hash), seen(&segment.id))
                    .expiring(expires_at)
                    .when_safe(Safeguard::SeenCondition, Condition::Absent)
            })
            .collect();
        operations.push(Operation::put(live_key(table, &segment.id), attributes(segment)));
        match self.at_once(operations).await {
            Ok(()) => Ok(Recorded::Live),
            Err(StoreError::ConditionFailed { failed }) => Ok(Recorded::Duplicates(failed)),
            Err(_) if !holds(Safeguard::OnlyTheConditionRefuses) => {
                Ok(Recorded::Duplicates((0..bodies.len()).collect()))
            }
            Err(other) => Err(other),
        }
    }

    /// `seen#` and `live#` together or not at all.
    async fn at_once(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        #[cfg(debug_assertions)]
        if let Some((first, then)) = super::broken::in_two(&operations) {
            self.store.transact(first).await?;
            return self.store.transact(then).await;
        }
        self.store.transact(operations).await
    }

    /// True if the body was recorded within the window. A shortcut before work is spent; `record` alone decides.
    pub async fn is_seen(&self, project: &ProjectId, hash: &BodyHash) -> Result<bool, StoreError> {
        Ok(self.store.get(&seen_key(project, hash)).await?.is_some())
    }
}

/// `{"segment": "<segment id>"}`: the one that the body came in with.
pub(super) fn seen(segment: &SegmentId) -> Attributes {
    Attributes::from_iter([("segment".to_owned(), json!(segment))])
}

pub(super) fn seen_key(project: &ProjectId, hash: &BodyHash) -> ItemKey {
    ItemKey::new(format!("seen/{project}/{hash}"), "seen")
}
