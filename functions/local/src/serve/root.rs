//! Where the objects of a data folder lie: in the folder itself, or in a bucket. Said by the first start, for good.
//!
//! | partition | sort key | item |
//! |---|---|---|
//! | `installation` | `root` | `{v: 1, root, endpoint?, probed_at}`; `root`: `folder`, or `s3://bucket/prefix` |
//!
//! Ledger and objects belong together: another root would have none of the objects that the ledger names. The other way round
//! a bucket says whose it is (`objects::owner`), so that no other ledger works on it.

use std::fmt;

use aws::S3Root;
use clock::Clock;
use meta::{Attributes, Condition, ItemKey, ItemStore, Operation, StoreError};
use model::Micros;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const FORMAT: u32 = 1;
const FOLDER: &str = "folder";
pub(crate) use meta::installation::PARTITION;
pub(crate) const SORT: &str = "root";

/// Where the objects lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Root {
    /// In `<data>/objects/`.
    #[default]
    Folder,
    S3(S3Root),
}

/// What an earlier start found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredRoot {
    v: u32,
    pub(crate) root: String,
    /// Where S3 was reached, if not at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// When it was shown to honour create-only PUTs.
    pub(crate) probed_at: Micros,
}

impl StoredRoot {
    pub(crate) fn new(root: &Root, endpoint: Option<&str>, clock: &dyn Clock) -> Self {
        let root = match root {
            Root::Folder => FOLDER.to_owned(),
            Root::S3(root) => root.to_string(),
        };
        Self { v: FORMAT, root, endpoint: endpoint.map(str::to_owned), probed_at: clock.now() }
    }

    /// From an item's attributes as text; none: nothing that this version reads.
    pub(crate) fn parse(attributes: &str) -> Option<Self> {
        serde_json::from_str(attributes).ok()
    }

    pub(crate) async fn read(items: &dyn ItemStore) -> Result<Option<Self>, StoreError> {
        let Some(item) = items.get(&key()).await? else { return Ok(None) };
        let stored = serde_json::from_value(Value::Object(item.attributes));
        stored
            .map(Some)
            .map_err(|error| StoreError::Invalid(format!("item {PARTITION} / {SORT} does not read: {error}")))
    }

    /// On condition that what stood was read: none, or one of the same root.
    pub(crate) async fn write(&self, items: &dyn ItemStore, stood: Option<&Self>) -> Result<(), StoreError> {
        let condition = match stood {
            None => Condition::Absent,
            Some(stood) => Condition::Equals("root", stood.root.clone().into()),
        };
        let attributes: Attributes = match serde_json::to_value(self) {
            Ok(Value::Object(attributes)) => attributes,
            _ => unreachable!("a struct of plain fields serialises to an object"),
        };
        items.write(Operation::put(key(), attributes).when(condition)).await.map(drop)
    }

    /// The same objects as `root` names.
    pub(crate) fn is(&self, root: &Root) -> bool {
        match root {
            Root::Folder => self.root == FOLDER,
            Root::S3(root) => self.root == root.to_string(),
        }
    }

    /// The argument by which it is served.
    pub(crate) fn told(&self) -> String {
        if self.root == FOLDER { "its own folder `objects`".to_owned() } else { self.root.clone() }
    }
}

impl Root {
    /// None: no bucket.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::Folder => None,
            Self::S3(root) => Some(root.bucket()),
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder => f.write_str("its own folder `objects`"),
            Self::S3(root) => fmt::Display::fmt(root, f),
        }
    }
}

fn key() -> ItemKey {
    ItemKey::new(PARTITION, SORT)
}
