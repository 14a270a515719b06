//! Where the look-up index of a day lies. Nothing depends on these items: a reader who finds none, or one that names what is
//! gone, opens files.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::safeguard::{Safeguard, holds};
use model::{Micros, TableId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Lease, Ledger, attributes, named_key, parse, partition};
use crate::{Condition, ItemKey, Operation, SortRange, StoreError, query_all};

const PREFIX: &str = "lookup#";
/// Most files that an item lists, so that it stays well below the store's limit.
pub const LOOKED_AT_MAX: usize = 16_384;
/// Bytes of a file's short name.
const SHORT: usize = 8;

/// Stored in `lookup#<date>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupIndex {
    /// As partitions spell it.
    pub date: String,
    /// Of the object, below the project's root. Objects never change, so whoever holds an old item reads what it says.
    pub key: String,
    pub bytes: u64,
    /// `lake::lookup::Layout` as text.
    pub layout: String,
    /// Short names of the files that were looked at when it was made, most of which it names, in base64.
    pub files: String,
    pub made_at: Micros,
    /// Version of this layout; 1.
    pub format: u32,
}

/// Files by their short names.
#[derive(Clone, Debug, Default)]
pub struct LookedAt(HashSet<[u8; SHORT]>);

impl LookupIndex {
    pub const FORMAT: u32 = 1;

    /// For [`Self::files`].
    pub fn pack(files: impl IntoIterator<Item = [u8; SHORT]>) -> String {
        let bytes: Vec<u8> = files.into_iter().take(LOOKED_AT_MAX).flatten().collect();
        STANDARD.encode(bytes)
    }

    /// The short names of the files that were looked at. What does not read names none: then the index is made anew.
    pub fn looked_at(&self) -> LookedAt {
        let bytes = STANDARD.decode(&self.files).unwrap_or_default();
        LookedAt(bytes.chunks_exact(SHORT).filter_map(|short| short.try_into().ok()).collect())
    }
}

impl LookedAt {
    pub fn contains(&self, file: [u8; SHORT]) -> bool {
        self.0.contains(&file)
    }

    /// For readers: false if the file is to be opened, since the index says nothing of it.
    pub fn may_say_of(&self, file: [u8; SHORT]) -> bool {
        self.contains(file) || !holds(Safeguard::UnnamedFilesOpened)
    }
}

impl Ledger {
    /// The indexes of the days from one to another, both inside. What a newer version wrote is left out.
    pub async fn lookup_indexes(&self, table: &TableId, from: &str, to: &str) -> Result<Vec<LookupIndex>, StoreError> {
        let range = SortRange::Between(format!("{PREFIX}{from}"), format!("{PREFIX}{to}"));
        let items = query_all(self.store.as_ref(), &partition(table), &range).await?;
        let indexes = items.iter().map(parse::<LookupIndex>);
        Ok(indexes.filter_map(Result::ok).filter(|index| index.format == LookupIndex::FORMAT).collect())
    }

    /// Says where the index of a day lies from now on, under the fence. Its object is durable.
    pub async fn put_lookup(&self, table: &TableId, lease: &Lease, index: &LookupIndex) -> Result<(), StoreError> {
        let put = Operation::put(lookup_key(table, &index.date), attributes(index));
        self.store.transact(vec![put, ours(table, lease)]).await
    }

    /// Forgets an index, under the fence; another that is there by now stays.
    pub async fn drop_lookup(&self, table: &TableId, lease: &Lease, index: &LookupIndex) -> Result<(), StoreError> {
        let same = Condition::Equals("key", json!(index.key));
        let delete = Operation::delete(lookup_key(table, &index.date)).when(same);
        self.store.transact(vec![delete, ours(table, lease)]).await
    }
}

fn ours(table: &TableId, lease: &Lease) -> Operation {
    lease.still_ours(Operation::check(named_key(table, "lease")))
}

fn lookup_key(table: &TableId, date: &str) -> ItemKey {
    named_key(table, &format!("{PREFIX}{date}"))
}
