//! The narrow waist: items with a partition key, a sort key, JSON attributes, a version and an optional expiry.
//!
//! Exactly what DynamoDB gives, so that its adapter is thin. Every read is strongly consistent, on every page. Every
//! implementation passes the contract suite in `testkit`.

use async_trait::async_trait;
use model::Micros;
use model::safeguard::{Safeguard, holds};
use serde_json::{Map, Value};

/// Attributes of an item: a JSON object. Names are 1 to 255 bytes; numbers are integers within i64, or doubles.
pub type Attributes = Map<String, Value>;

/// Partition key and sort key, each 1 to 1,024 bytes of UTF-8. Sort keys order by their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey {
    pub partition: String,
    pub sort: String,
}

impl ItemKey {
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }
}

/// An item as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub key: ItemKey,
    pub attributes: Attributes,
    /// 1 when first put, one more with every put that replaces it; starts again at 1 after a delete.
    pub version: u64,
    /// From this moment on the item counts as absent, for reads and for conditions.
    pub expires_at: Option<Micros>,
}

/// What must hold of the item that stands at a key before an operation takes effect; all of a list must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// No item stands there (or it has expired).
    Absent,
    /// An item stands there.
    Present,
    /// An item of this version stands there.
    Version(u64),
    /// An item stands there and its attribute has this value.
    Equals(&'static str, Value),
    /// An item stands there and its attribute is an integer below this.
    Below(&'static str, i64),
}

/// One write, or one bare condition, of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    Put { key: ItemKey, attributes: Attributes, expires_at: Option<Micros>, conditions: Vec<Condition> },
    Delete { key: ItemKey, conditions: Vec<Condition> },
    Check { key: ItemKey, conditions: Vec<Condition> },
}

impl Operation {
    pub fn put(key: ItemKey, attributes: Attributes) -> Self {
        Self::Put { key, attributes, expires_at: None, conditions: Vec::new() }
    }

    pub fn delete(key: ItemKey) -> Self {
        Self::Delete { key, conditions: Vec::new() }
    }

    pub fn check(key: ItemKey) -> Self {
        Self::Check { key, conditions: Vec::new() }
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        match &mut self {
            Self::Put { conditions, .. } | Self::Delete { conditions, .. } | Self::Check { conditions, .. } => {
                conditions.push(condition);
            }
        }
        self
    }

    /// Adds a condition that is a safeguard of its own.
    #[must_use]
    pub fn when_safe(self, safeguard: Safeguard, condition: Condition) -> Self {
        if holds(safeguard) { self.when(condition) } else { self }
    }

    /// Sets the expiry of a put; of no effect on others.
    #[must_use]
    pub fn expiring(mut self, at: Micros) -> Self {
        if let Self::Put { expires_at, .. } = &mut self {
            *expires_at = Some(at);
        }
        self
    }

    pub fn key(&self) -> &ItemKey {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }
}

/// Which items of a partition, in the order of their sort keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortRange {
    All,
    Prefix(String),
    /// From the first, inside, to the second, inside.
    Between(String, String),
}

/// One page of a query.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub items: Vec<Item>,
    /// Hand this to the next call; none: that was the last page. A page may be empty and still not be the last.
    pub next: Option<String>,
}

/// Most items a transaction takes, as DynamoDB limits it.
pub const TRANSACTION_ITEMS_MAX: usize = 100;
/// Most bytes of an item, keys and attributes as JSON text, as DynamoDB limits it (with room for its own encoding).
pub const ITEM_BYTES_MAX: usize = 380 * 1024;
/// Most bytes of all items that a transaction puts, as DynamoDB limits it (4 MB).
pub const TRANSACTION_BYTES_MAX: usize = 10 * ITEM_BYTES_MAX;

/// Why a call on the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The named conditions did not hold; nothing was changed by *this* try (an earlier try whose reply was lost may have).
    /// The numbers are places in the list of operations.
    #[error("condition failed on operations {failed:?}")]
    ConditionFailed { failed: Vec<usize> },
    /// Nothing is known to have changed; may be tried again: conflicts, throttling, a busy database, a lost connection.
    /// Unless `may_have_happened`, nothing was changed.
    #[error("metadata store did not answer ({context})")]
    Unavailable {
        context: String,
        may_have_happened: bool,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The caller asks what no store can do; a bug of ours.
    #[error("metadata store refuses: {0}")]
    Invalid(String),
}

impl StoreError {
    pub fn is_condition(&self) -> bool {
        matches!(self, Self::ConditionFailed { .. })
    }

    pub fn unavailable(
        context: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { context: context.into(), may_have_happened: true, source: Some(source.into()) }
    }
}

/// The store itself.
#[async_trait]
pub trait ItemStore: Send + Sync + 'static {
    /// The item at a key, unless it is absent or expired.
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError>;

    /// One put or delete. The version the item now has; 0 after a delete. Deleting what is absent succeeds unless conditions say otherwise.
    async fn write(&self, operation: Operation) -> Result<u64, StoreError>;

    /// At most `limit` items of a partition after `after` (a `next` of an earlier page).
    async fn query(
        &self,
        partition: &str,
        range: &SortRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// All or nothing, conditions included; 1 to [`TRANSACTION_ITEMS_MAX`] operations on different keys.
    async fn transact(&self, operations: Vec<Operation>) -> Result<(), StoreError>;
}

/// All pages of a query.
pub async fn query_all(store: &dyn ItemStore, partition: &str, range: &SortRange) -> Result<Vec<Item>, StoreError> {
    const PAGE: usize = 1_000;
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let page = store.query(partition, range, after.as_deref(), PAGE).await?;
        items.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(items),
        }
    }
}
