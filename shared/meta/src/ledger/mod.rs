//! The ledger: what is acknowledged, what is being committed, and who may commit.
//!
//! One partition per (project, table, shard), `ledger/<project>/<table>/<shard>`, all reads strongly consistent:
//!
//! | sort key | item |
//! |---|---|
//! | `live#<segment id>` | a landed [`model::Segment`] |
//! | `batch#<seq, 20 digits>` | a [`Batch`]: open or committed |
//! | `mark` | `{clean}`: the highest seq whose `live#` items may be gone |
//! | `lease` | a [`Lease`]; never deleted, its fence only grows |
//! | `bad#<segment id>` | a quarantined segment and why |
//! | `lookup#<date>` | a [`LookupIndex`] of a day's data files; nothing depends on it |
//! | `stop` | the table or the ledger was restored; nobody commits until `plimsoll repair` |
//!
//! In partitions of their own: `seen/<project>/<hash>` per request body (expires after the window), and `due`, one item
//! per table with anything left to do. Each act documents its condition and its conflict.

mod batch;
#[cfg(debug_assertions)]
mod broken;
mod clean;
mod due;
mod lease;
mod lookup;
mod quarantine;
mod record;
mod repair;
mod stop;
mod view;

pub use batch::{BATCH_SEGMENTS_MAX, Batch, BatchState};
pub use due::Due;
pub use lease::{LEASE_LENGTH, Lease, Taken};
pub use lookup::{LOOKED_AT_MAX, LookedAt, LookupIndex};
pub use quarantine::BadSegment;
pub use record::{GROUP_BODIES_MAX, Recorded, SEEN_WINDOW};
pub use repair::{Forgotten, KnownAgain};
pub use stop::Stop;
pub use view::LedgerView;

use std::sync::Arc;

use clock::{Clock, Ids};
use model::{SegmentId, TableId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Attributes, Item, ItemKey, ItemStore, StoreError};

/// The acts on the ledger of every table.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn ItemStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Ledger {
    pub fn new(store: Arc<dyn ItemStore>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { store, clock, ids }
    }
}

/// The only shard there is today; the key layout leaves room for more.
const SHARD: u32 = 0;

fn partition(table: &TableId) -> String {
    format!("ledger/{}/{}/{SHARD}", table.project, table.table)
}

fn live_key(table: &TableId, segment: &SegmentId) -> ItemKey {
    ItemKey::new(partition(table), format!("live#{segment}"))
}

fn batch_key(table: &TableId, seq: u64) -> ItemKey {
    ItemKey::new(partition(table), format!("batch#{seq:020}"))
}

fn bad_key(table: &TableId, segment: &SegmentId) -> ItemKey {
    ItemKey::new(partition(table), format!("bad#{segment}"))
}

fn named_key(table: &TableId, name: &str) -> ItemKey {
    ItemKey::new(partition(table), name)
}

/// A value as item attributes.
fn attributes<T: serde::Serialize>(value: &T) -> Attributes {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => unreachable!("ledger items are structs of plain fields, which serialise to objects"),
    }
}

/// An item read back; one that does not parse was written by a newer version, or damaged.
fn parse<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    serde_json::from_value(Value::Object(item.attributes.clone())).map_err(|source| {
        StoreError::Invalid(format!("item {} / {} does not read: {source}", item.key.partition, item.key.sort))
    })
}
