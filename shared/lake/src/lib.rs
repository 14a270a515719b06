//! Delta tables: open, snapshot, commit, and the layout of their Parquet files.
//!
//! - [`log`]: what the write path needs of a table's log; [`DeltaLog`] is the real one, [`DeltaLogs`] opens and keeps them.
//! - [`names`]: how data files are called, and what a name tells.
//! - [`layout`]: encodings, row groups, statistics: what a reader can count on.
//! - [`lookup`]: the index of a day's files by ids, beside them.
//! - [`FileReader`]: the bytes of a data file, for the Parquet reader.
//! - [`writer`]: one sorted data file, from batches to a durable object with its statistics.
//!
//! Who may commit is decided elsewhere: only a holder of the table's lease (`meta::ledger`).

mod delta;
pub mod layout;
pub mod log;
pub mod lookup;
pub mod names;
mod opener;
mod reader;
pub mod writer;

pub use delta::DeltaLog;
pub use layout::{SORT_COLUMN, sort_key_index};
pub use log::{
    APP_COMPACT, APP_MERGE, APP_VOID, Commit, CommitKind, DataFile, ForeignCommit, LogError, LogOpener, NewFile,
    RemovedFile, SchemaFit, Snapshot, TableLog, TakenIn,
};
pub use names::FileName;
pub use opener::DeltaLogs;
pub use reader::FileReader;
pub use writer::{FileWriter, WriteError};
