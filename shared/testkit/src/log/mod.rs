//! The model of a Delta log, in memory: behaves as [`lake::DeltaLog`] does, replays exactly, and can be looked into.
//!
//! It passes the contract suite of the real log. All processes of a simulated world share one [`ModelLogs`]; time comes
//! from nothing but its clock. What it does not model: the bytes of the entries, columns ([`lake::SchemaFit::Fits`] always),
//! and what a real log's caches make of a table that was put back under a running process.

mod door;
mod entry;
mod state;
mod table;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Clock;
use lake::{DataFile, LogOpener, RemovedFile, TableLog};
use model::{Micros, TableId};

pub use self::entry::{Entry, Origin};
use self::table::Table;

/// The logs of all tables of a world. Clones share them: what one process commits, every other sees at once.
#[derive(Clone)]
pub struct ModelLogs {
    clock: Arc<dyn Clock>,
    tables: Arc<Mutex<BTreeMap<TableId, Arc<Mutex<Table>>>>>,
    loses_reply: Arc<AtomicBool>,
}

/// The log of one table.
pub struct ModelLog {
    /// Names the table in errors.
    id: TableId,
    clock: Arc<dyn Clock>,
    table: Arc<Mutex<Table>>,
    /// Shared by all logs of the world.
    loses_reply: Arc<AtomicBool>,
}

/// What [`lake::Snapshot::base`] holds.
struct Base {
    /// The log that made it.
    table: Arc<Mutex<Table>>,
    version: u64,
    /// The checkpoint that it was read from.
    checkpoint: Option<u64>,
}

impl ModelLogs {
    /// No table yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tables: Arc::default(), loses_reply: Arc::default() }
    }

    /// The log of a table, to work with or to look into.
    pub fn log(&self, table: &TableId) -> Arc<ModelLog> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(ModelLog {
            id: table.clone(),
            clock: Arc::clone(&self.clock),
            table: Arc::clone(tables.entry(table.clone()).or_default()),
            loses_reply: Arc::clone(&self.loses_reply),
        })
    }

    /// The next entry that any of the logs writes stands, and its writer is told that there was no answer.
    pub fn lose_next_reply(&self) {
        self.loses_reply.store(true, Ordering::SeqCst);
    }
}

impl LogOpener for ModelLogs {
    fn open(&self, table: &TableId) -> Arc<dyn TableLog> {
        self.log(table)
    }
}

/// What a simulation does to a log, and sees of it, beside the door.
impl ModelLog {
    /// The newest version; none: there is no table.
    pub fn version(&self) -> Option<u64> {
        self.table().newest().map(|newest| newest.version)
    }

    /// Every entry that is still there, oldest first.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.table().entries().cloned().collect()
    }

    /// Somebody else commits onto the newest version, without a marker of ours. The version that it makes.
    ///
    /// # Panics
    /// If there is no table.
    pub fn append_foreign(&self, operation: &str, add: Vec<DataFile>, remove: &[&str]) -> u64 {
        let at = self.clock.now();
        let mut table = self.table();
        assert!(table.newest().is_some(), "{} was never created", self.id);
        let version = table.next_version();
        table.append(Entry {
            version,
            add,
            remove: remove
                .iter()
                .map(|path| RemovedFile { path: (*path).to_owned(), removed_at: whole_millis(at) })
                .collect(),
            transactions: Vec::new(),
            origin: Origin::Foreign { operation: operation.to_owned() },
            at,
            written_at: at,
        });
        version
    }

    /// The table is restored to an older version: later entries and checkpoints vanish.
    ///
    /// # Panics
    /// If that version was never there, or its entries were cleaned away.
    pub fn put_back(&self, version: u64) {
        if let Err(lacking) = self.table().put_back(version) {
            panic!("version {version} of {} cannot be read without entry {lacking}", self.id);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Times in a Delta log are in milliseconds.
fn whole_millis(time: Micros) -> Micros {
    time.div_euclid(1_000) * 1_000
}
