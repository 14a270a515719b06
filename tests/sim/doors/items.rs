//! The metadata store as a process sees it: pages are short, so that others write between two of them.

use std::sync::Arc;

use async_trait::async_trait;
use meta::{Item, ItemKey, ItemStore, Operation, Page, SortRange, StoreError};
use testkit::MemoryItems;

use crate::stage::{Effect, ProcessId, Stage};

pub(crate) struct StagedItems {
    pub inner: Arc<MemoryItems>,
    pub stage: Arc<Stage>,
    pub process: ProcessId,
    /// Items on a page, at most.
    pub page: usize,
}

/// Keys, projects and usage are no part of the write path: their calls do not wait.
fn is_staged(partition: &str) -> bool {
    ["ledger/", "seen/", "due"].iter().any(|start| partition.starts_with(start))
}

fn name(operation: &Operation) -> String {
    let verb = match operation {
        Operation::Put { .. } => "put",
        Operation::Delete { .. } => "delete",
        Operation::Check { .. } => "check",
    };
    format!("{verb} {}", short(operation.key()))
}

/// Within a world the partition says little.
fn short(key: &ItemKey) -> String {
    match key.partition.split('/').next() {
        Some("seen") => key.partition.clone(),
        Some("due") => format!("due {}", key.sort),
        _ => key.sort.clone(),
    }
}

fn lost() -> StoreError {
    StoreError::unavailable("simulated", "the call was lost")
}

#[async_trait]
impl ItemStore for StagedItems {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        if !is_staged(&key.partition) {
            return self.inner.get(key).await;
        }
        let (inner, key) = (Arc::clone(&self.inner), key.clone());
        let label = format!("get {}", short(&key));
        self.stage.call(self.process, Effect::Reads, label, async move { inner.get(&key).await }, lost).await
    }

    async fn write(&self, operation: Operation) -> Result<u64, StoreError> {
        if !is_staged(&operation.key().partition) {
            return self.inner.write(operation).await;
        }
        let (inner, label) = (Arc::clone(&self.inner), name(&operation));
        self.stage.call(self.process, Effect::Writes, label, async move { inner.write(operation).await }, lost).await
    }

    async fn query(
        &self,
        partition: &str,
        range: &SortRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        if !is_staged(partition) {
            return self.inner.query(partition, range, after, limit).await;
        }
        let what = match range {
            SortRange::All => partition.to_owned(),
            SortRange::Prefix(prefix) => prefix.clone(),
            SortRange::Between(first, last) => format!("{first} to {last}"),
        };
        let label = format!("query {what} after {}", after.unwrap_or("nothing"));
        let (inner, partition, range) = (Arc::clone(&self.inner), partition.to_owned(), range.clone());
        let (after, limit) = (after.map(ToOwned::to_owned), limit.min(self.page));
        let act = async move { inner.query(&partition, &range, after.as_deref(), limit).await };
        self.stage.call(self.process, Effect::Reads, label, act, lost).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        let (inner, names) = (Arc::clone(&self.inner), operations.iter().map(name).collect::<Vec<_>>());
        let label = format!("transact {}", names.join(", "));
        self.stage
            .call(self.process, Effect::Writes, label, async move { inner.transact(operations).await }, lost)
            .await
    }
}
