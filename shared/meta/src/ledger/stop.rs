//! The stop of a table whose ledger or log was put back in time: nobody commits until it is repaired.

use model::safeguard::Safeguard;
use model::{Micros, TableId};
use serde::{Deserialize, Serialize};

use super::{Lease, Ledger, attributes, named_key, parse};
use crate::{Operation, StoreError};

/// Stored in `stop`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub reason: String,
    pub since: Micros,
}

impl Ledger {
    /// Stops a table, under the fence: a worker whose lease is lost may see a mismatch that is not one.
    pub async fn stop(&self, table: &TableId, lease: &Lease, reason: &str) -> Result<(), StoreError> {
        let stop = Stop { reason: reason.to_owned(), since: self.clock.now() };
        let mut operations = vec![Operation::put(named_key(table, "stop"), attributes(&stop))];
        operations.extend(lease.fence(table, Safeguard::StopUnderFence));
        self.store.transact(operations).await
    }

    /// The stop of a table, if it is stopped.
    pub async fn stopped(&self, table: &TableId) -> Result<Option<Stop>, StoreError> {
        self.store.get(&named_key(table, "stop")).await?.as_ref().map(parse).transpose()
    }
}
