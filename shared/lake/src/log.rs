//! A table's log, as the write path needs it: snapshot, app versions, commit.
//!
//! The real one is [`crate::DeltaLog`]; `testkit` has a model that a simulation can run and replay.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use model::Micros;

/// The app ids of our commits; kept few, since a log keeps them for ever.
pub const APP_COMPACT: &str = "plimsoll/compact";
pub const APP_VOID: &str = "plimsoll/void";
pub const APP_MERGE: &str = "plimsoll/merge";

/// One version of a table, all of it read at once.
#[derive(Clone)]
pub struct Snapshot {
    /// Version of the Delta log.
    pub version: u64,
    /// T: version of [`APP_COMPACT`]; 0: none yet.
    pub committed: u64,
    /// V: version of [`APP_VOID`]; 0: none yet.
    pub voided: u64,
    /// M: version of [`APP_MERGE`]; 0: none yet.
    pub merged: u64,
    pub files: Arc<Vec<DataFile>>,
    /// What the log that made it needs to commit on this very snapshot.
    pub base: Arc<dyn Any + Send + Sync>,
}

/// An active data file of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFile {
    /// Relative to the table's root, as in the log (not percent-encoded).
    pub path: String,
    pub bytes: u64,
    pub rows: u64,
    /// Values of the partition columns by name, as text.
    pub partition: BTreeMap<String, String>,
    /// Exact least and greatest `timestamp` in the file.
    pub time_min: Micros,
    pub time_max: Micros,
    /// How often its rows were rewritten by merging.
    pub rewrites: u32,
    /// Delta statistics as they stand in the log: `{"numRecords":..,"minValues":{..},"maxValues":{..},"nullCount":{..}}`.
    pub stats: Arc<str>,
    /// When it was written, by the log.
    pub modified_at: Micros,
}

/// A data file that a commit adds; it is durable before the commit.
pub type NewFile = DataFile;

/// What one commit changes.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub add: Vec<NewFile>,
    /// Paths of files of the base snapshot.
    pub remove: Vec<String>,
    /// App versions it carries: (app id, version).
    pub transactions: Vec<(&'static str, u64)>,
    /// Ids of the segments it takes in, for `repair`; into the commit's metadata.
    pub segments: Vec<String>,
    pub kind: CommitKind,
}

/// Why a commit is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommitKind {
    /// New rows, or a void: data changes.
    #[default]
    Append,
    /// The same rows in other files: `data_change = false`.
    Merge,
    /// Whole days dropped.
    Retention,
}

/// What went wrong, and whether it may have happened all the same.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Somebody else's commit since the base stands in the way; nothing was committed by this call.
    #[error("commit on version {base} of {table} conflicts with a later one")]
    Conflict {
        table: String,
        base: u64,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer that can be believed: read the log back before anything else.
    #[error("log of {table} did not answer while it was asked to {act}")]
    Unavailable {
        table: String,
        act: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The log of one table. Only a holder of the table's lease may commit.
#[async_trait]
pub trait TableLog: Send + Sync + 'static {
    /// The newest version; none if the table was never created.
    async fn snapshot(&self) -> Result<Option<Snapshot>, LogError>;

    /// Creates the table empty, by a commit of its own that is never retried; there already: no error.
    async fn create(&self) -> Result<(), LogError>;

    /// One commit on the very snapshot given: never refreshed, never none. Ok or error alike, the caller reads back
    /// what stands.
    async fn commit(&self, base: &Snapshot, commit: Commit) -> Result<(), LogError>;
}
