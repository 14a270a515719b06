//! A table's log, as the write path needs it: snapshot, app versions, commit.
//!
//! The real one is [`crate::DeltaLog`]; a simulation may put a model in its place.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use model::{Micros, TableId};

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
    /// How the table's columns stand to those that we write.
    pub schema: SchemaFit,
    /// What the log that made it needs to commit on this very snapshot.
    pub base: Arc<dyn Any + Send + Sync>,
}

/// How a table's columns stand to those of `rows::schema`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaFit {
    /// Every column that we write is there, with its type. The table may have more.
    Fits,
    /// These columns are to be added, under the lease, before anything is appended.
    Lacks(Vec<String>),
    /// A column has another type, or the table is partitioned otherwise: nothing can be appended. The text says what.
    Differs(String),
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
    /// Exact least and greatest `timestamp` in the file. Of a file that is not ours: all times.
    pub time_min: Micros,
    pub time_max: Micros,
    /// How often its rows were rewritten by merging.
    pub rewrites: u32,
    /// Delta statistics as they stand in the log: `{"numRecords":..,"minValues":{..},"maxValues":{..},"nullCount":{..}}`.
    pub stats: Arc<str>,
    /// [`rollup::Directory`] of the file; none: it has no rollups.
    pub rollups: Option<Arc<str>>,
    /// When it was written, by the log.
    pub modified_at: Micros,
}

/// A data file that a commit adds; it is durable before the commit.
pub type NewFile = DataFile;

/// A data file that is no longer part of the table, and may still be in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedFile {
    /// As in [`DataFile::path`].
    pub path: String,
    /// When the commit that removed it was made, by its writer's clock; unknown: 0.
    pub removed_at: Micros,
}

/// A commit that carries no marker of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignCommit {
    pub version: u64,
    /// What its writer says it did.
    pub operation: String,
}

/// One commit of [`APP_COMPACT`] as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenIn {
    /// Version of the log.
    pub version: u64,
    /// The version of [`APP_COMPACT`] that it carries.
    pub seq: u64,
    /// Ids of the segments it took in; empty: a void.
    pub segments: Vec<String>,
    /// When it was made, by its writer's clock.
    pub at: Micros,
}

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
    /// When it is made, by our clock: the horizon of removed files counts from here.
    pub at: Micros,
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
    /// The columns that [`SchemaFit::Lacks`] names are added.
    AddColumns,
}

impl CommitKind {
    pub fn as_str(self) -> &'static str {
        match self {
            CommitKind::Append => "append",
            CommitKind::Merge => "merge",
            CommitKind::Retention => "retention",
            CommitKind::AddColumns => "add columns",
        }
    }
}

/// What went wrong, and whether it may have happened all the same.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Somebody's commit since the base stands in the way: another's, or our own whose reply was lost.
    #[error("commit on version {base} of {table} conflicts with a later one")]
    Conflict {
        table: String,
        base: u64,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer that can be believed: read the log back before anything else.
    #[error("failed to {act} in the log of {table}")]
    Unavailable {
        table: String,
        act: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store answers, and an object of the log is damaged: the source names it. Asking again does not help.
    #[error("failed to {act} in the log of {table}")]
    Damaged {
        table: String,
        act: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The log of one table. Only a holder of the table's lease may change it.
#[async_trait]
pub trait TableLog: Send + Sync + 'static {
    /// The newest version, asked of the store each time; none if the table was never created.
    async fn snapshot(&self) -> Result<Option<Snapshot>, LogError>;

    /// Creates the table empty, by a commit of its own that is never retried; there already: no error.
    async fn create(&self) -> Result<(), LogError>;

    /// One commit on the very snapshot given: never refreshed, never none. Ok or error alike, the caller reads back
    /// what stands.
    async fn commit(&self, base: &Snapshot, commit: Commit) -> Result<(), LogError>;

    /// The files that were removed from the table, as far back as the log tells: at least two days.
    async fn removed(&self, base: &Snapshot) -> Result<Vec<RemovedFile>, LogError>;

    /// A commit that somebody else made, if the log holds one up to this snapshot.
    async fn foreign_commit(&self, base: &Snapshot) -> Result<Option<ForeignCommit>, LogError>;

    /// The commits that took segments in, oldest first, as far back as the log tells: at least two dedup windows.
    async fn taken_in(&self, base: &Snapshot) -> Result<Vec<TakenIn>, LogError>;

    /// Version of the newest checkpoint; none: there is none yet.
    async fn last_checkpoint(&self) -> Result<Option<u64>, LogError>;

    /// Writes a checkpoint of the newest version and reads it back. Its version.
    async fn checkpoint(&self) -> Result<u64, LogError>;

    /// Deletes log entries that are older than a time, by the store's clock, and lie below a checkpoint that was read
    /// back just before. How many.
    async fn clean_log(&self, older_than: Micros) -> Result<usize, LogError>;
}

/// Opens the log of any table.
pub trait LogOpener: Send + Sync + 'static {
    fn open(&self, table: &TableId) -> Arc<dyn TableLog>;
}
