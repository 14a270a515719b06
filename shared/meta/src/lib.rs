//! The metadata store: the narrow waist [`ItemStore`], the [`Queue`], and, written once over them, what Plimsoll keeps there.
//!
//! - [`store`]: items, conditions, transactions; implemented by `embedded` (SQLite) and, in the cloud, DynamoDB.
//! - [`check`]: what every implementation of it checks alike.
//! - [`queue`]: triggers for compaction.
//! - [`projects`], [`keys`]: who may do what, where.
//! - [`quota`]: how much of it.
//! - [`installation`]: who all of this is, for roots that others can reach, too.
//! - [`ledger`]: which segments are live, which batch is open, who holds the lease: the truth of the write path.

mod cache;
pub mod check;
pub mod installation;
mod items;
pub mod keys;
pub mod ledger;
pub mod projects;
pub mod queue;
pub mod quota;
pub mod store;

pub use installation::Installation;
pub use ledger::Ledger;
pub use queue::{Message, Queue, QueueError, Trigger};
pub use store::{
    Attributes, Condition, ITEM_BYTES_MAX, Item, ItemKey, ItemStore, Operation, Page, SortRange, StoreError,
    TRANSACTION_BYTES_MAX, TRANSACTION_ITEMS_MAX, query_all,
};
