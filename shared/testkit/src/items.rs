//! The metadata store in memory: passes the contract suite, forgets everything on drop.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use clock::Clock;
use meta::check::{check_key, check_query, check_transaction, decode, encode, unexpired};
use meta::{Item, ItemKey, ItemStore, Operation, Page, SortRange, StoreError};

/// See the module. Every call is one step under a lock, so calls take effect one after the other.
pub struct MemoryItems {
    clock: Arc<dyn Clock>,
    items: Mutex<BTreeMap<ItemKey, Item>>,
}

impl MemoryItems {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, items: Mutex::default() }
    }

    /// Every unexpired item, by key: for checks that look at everything.
    pub fn all(&self) -> Vec<Item> {
        let now = self.clock.now();
        self.items().values().filter(|item| unexpired(item.expires_at, now)).cloned().collect()
    }

    /// As if the store had been restored from a copy that [`MemoryItems::all`] made.
    pub fn put_back(&self, copy: &[Item]) {
        *self.items() = copy.iter().map(|item| (item.key.clone(), item.clone())).collect();
    }

    /// The version that the last put now has; 0 after a delete.
    fn apply(&self, operations: Vec<Operation>) -> Result<u64, StoreError> {
        for operation in &operations {
            check_key(operation.key())?;
        }
        let now = self.clock.now();
        let mut items = self.items();
        let stands = |items: &BTreeMap<ItemKey, Item>, key: &ItemKey| {
            items.get(key).filter(|item| unexpired(item.expires_at, now)).cloned()
        };
        let mut puts = Vec::with_capacity(operations.len());
        let mut failed = Vec::new();
        for (place, operation) in operations.iter().enumerate() {
            let stood = stands(&items, operation.key());
            if !operation.conditions().iter().all(|condition| condition.holds(stood.as_ref())) {
                failed.push(place);
            }
            puts.push(match operation {
                Operation::Put { key, attributes, expires_at, .. } => {
                    // Through text and back, as every real store does.
                    let attributes = decode(key, &encode(key, attributes)?)?;
                    let version = stood.map_or(0, |item| item.version) + 1;
                    Some(Item { key: key.clone(), attributes, version, expires_at: *expires_at })
                }
                Operation::Delete { .. } | Operation::Check { .. } => None,
            });
        }
        if !failed.is_empty() {
            return Err(StoreError::ConditionFailed { failed });
        }
        let mut version = 0;
        for (operation, put) in operations.into_iter().zip(puts) {
            version = put.as_ref().map_or(0, |item| item.version);
            match (operation, put) {
                (_, Some(item)) => drop(items.insert(item.key.clone(), item)),
                (Operation::Delete { key, .. }, None) => drop(items.remove(&key)),
                (_, None) => {}
            }
        }
        Ok(version)
    }

    fn items(&self) -> MutexGuard<'_, BTreeMap<ItemKey, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ItemStore for MemoryItems {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        check_key(key)?;
        let now = self.clock.now();
        Ok(self.items().get(key).filter(|item| unexpired(item.expires_at, now)).cloned())
    }

    async fn write(&self, operation: Operation) -> Result<u64, StoreError> {
        self.apply(vec![operation])
    }

    async fn query(
        &self,
        partition: &str,
        range: &SortRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        check_query(partition, range, limit)?;
        let (now, items) = (self.clock.now(), self.items());
        let from = Bound::Excluded(ItemKey::new(partition, after.unwrap_or_default()));
        let within = |item: &&Item| match range {
            SortRange::All => true,
            SortRange::Prefix(prefix) => item.key.sort.starts_with(prefix.as_str()),
            SortRange::Between(first, last) => (first..=last).contains(&&item.key.sort),
        };
        let mut found = items
            .range((from, Bound::Unbounded))
            .map(|(_, item)| item)
            .take_while(|item| item.key.partition == partition)
            .filter(within)
            .filter(|item| unexpired(item.expires_at, now));
        let page: Vec<Item> = found.by_ref().take(limit).cloned().collect();
        let next = found.next().and(page.last()).map(|item| item.key.sort.clone());
        Ok(Page { items: page, next })
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        check_transaction(&operations)?;
        self.apply(operations).map(drop)
    }
}
