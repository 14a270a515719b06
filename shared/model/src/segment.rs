//! A segment: one landed Arrow file, and the line of the ledger that names it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BodyHash, Micros};

/// `<body hash>-<fresh id>`: the file name of a segment without its ending. Never used twice.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentId(String);

impl SegmentId {
    pub fn new(hash: &BodyHash, fresh: &str) -> Self {
        Self(format!("{hash}-{fresh}"))
    }

    /// Takes a text as stored in the ledger or read from a file name.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the ledger holds of a live segment.
///
/// Stored as JSON in `live#<segment id>`; `format` lets an old binary hand back what a newer one wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub id: SegmentId,
    /// Object key below the project's root.
    pub key: String,
    /// Length of the object in bytes.
    pub bytes: u64,
    /// BLAKE3 of the whole object, 64 hex digits.
    pub checksum: String,
    pub rows: u64,
    /// Least and greatest `timestamp`, microseconds since 1970 UTC.
    pub time_min: Micros,
    pub time_max: Micros,
    /// When it was recorded, by the writer's clock.
    pub recorded_at: Micros,
    /// Version of the segment's layout; see [`Segment::FORMAT`].
    pub format: u32,
}

impl Segment {
    /// 1: Arrow IPC file, LZ4, the table's columns without those that are all null; footer key `plimsoll.bodies` lists body hashes,
    /// `plimsoll.body_rows` the rows of each.
    pub const FORMAT: u32 = 1;
}
