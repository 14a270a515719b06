//! A table's log on the library `deltalake`: one file per act.
//!
//! The library is used with every automatism off: no hooks after a commit, no retries. What it answers to a commit is
//! never proof; callers read back. Needs Tokio's multi-thread runtime.

mod blame;
mod checkpoint;
mod clean;
mod commit;
mod create;
mod file;
mod history;
mod load;
mod schema;

use std::sync::Arc;

use async_trait::async_trait;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake::{DeltaResult, DeltaTableError};
use model::safeguard::carried;
use model::{Micros, TableName};
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use objects::{ProjectRoot, table_path};
use tokio::sync::Mutex;
use url::Url;

use self::history::Vetted;
use self::load::Loaded;
use crate::log::{Commit, ForeignCommit, LogError, RemovedFile, Snapshot, TableLog, TakenIn};

/// The log of one table below a project's root.
pub struct DeltaLog {
    table: TableName,
    /// Knows where the table lies.
    root: ProjectRoot,
    log_store: LogStoreRef,
    /// What was loaded last; only ever a head start for the next load, which asks the store.
    loaded: Mutex<Option<Loaded>>,
    /// How far the entries were seen to be ours.
    vetted: Vetted,
}

impl DeltaLog {
    /// Touches nothing yet.
    pub fn open(root: ProjectRoot, table: TableName) -> Self {
        Self {
            table,
            log_store: log_store(Arc::clone(&root.store), table_path(table)),
            root,
            loaded: Mutex::new(None),
            vetted: Vetted::default(),
        }
    }

    /// The same, with an error that says of which table it is.
    async fn told<T>(&self, act: &'static str, done: DeltaResult<T>) -> Result<T, LogError> {
        match done {
            Ok(done) => Ok(done),
            Err(source) => Err(self.unavailable(act, source).await),
        }
    }

    async fn unavailable(&self, act: &'static str, source: DeltaTableError) -> LogError {
        let table = self.root.table_name(self.table).await;
        match source {
            DeltaTableError::GenericError { source } if blame::is_damage(source.as_ref()) => {
                LogError::Damaged { table, act, source }
            }
            source => LogError::Unavailable { table, act, source: source.into() },
        }
    }

    /// Runs an act of the library that blocks inside, away from the threads that serve others.
    async fn aside<T, F>(act: F) -> DeltaResult<T>
    where
        T: Send + 'static,
        F: Future<Output = DeltaResult<T>> + Send + 'static,
    {
        let runtime = tokio::runtime::Handle::current();
        let act = carried(act);
        match tokio::task::spawn_blocking(move || runtime.block_on(act)).await {
            Ok(result) => result,
            Err(died) => Err(DeltaTableError::GenericError { source: died.into() }),
        }
    }
}

/// The library's door to a table in a folder of a root.
///
/// To the library the root is the root of all, whatever it lies on. It sorts the listings of stores with such a name itself,
/// as it does for S3 directory buckets; a disk, for one, promises no order.
fn log_store(root: Arc<dyn ObjectStore>, folder: Path) -> LogStoreRef {
    let location = Url::parse(&format!("plimsoll://root--x-s3/{folder}/")).expect("folders are plain words");
    let below = Arc::new(PrefixStore::new(Arc::clone(&root), folder));
    default_logstore(below, root, &location, &StorageConfig::default())
}

#[async_trait]
impl TableLog for DeltaLog {
    async fn snapshot(&self) -> Result<Option<Snapshot>, LogError> {
        let mut held = self.loaded.lock().await;
        match load::newest(&self.log_store, self.table, held.clone()).await {
            Ok(newest) => *held = newest,
            Err(source) => {
                *held = None;
                return Err(self.unavailable("load its newest version", source).await);
            }
        }
        Ok(held.as_ref().map(|loaded| loaded.snapshot.clone()))
    }

    async fn create(&self) -> Result<(), LogError> {
        let created = create::create(&self.log_store, self.table).await;
        // There already, or a lost reply: what counts is whether a table can be read.
        match (created, self.snapshot().await?) {
            (_, Some(_)) => Ok(()),
            (Err(source), None) => Err(self.unavailable("create the table", source).await),
            (Ok(()), None) => {
                let source = DeltaTableError::Generic("it was created and cannot be read".to_owned());
                Err(self.unavailable("create the table", source).await)
            }
        }
    }

    async fn commit(&self, base: &Snapshot, commit: Commit) -> Result<(), LogError> {
        match commit::commit(&self.log_store, self.table, base, commit).await {
            Ok(()) => Ok(()),
            Err(source) => {
                // What stands now is loaded from nothing but the store.
                *self.loaded.lock().await = None;
                let table = self.root.table_name(self.table).await;
                Err(commit::classify(table, base.version, source))
            }
        }
    }

    async fn removed(&self, base: &Snapshot) -> Result<Vec<RemovedFile>, LogError> {
        let removed = history::removed(&self.log_store, base).await;
        self.told("list removed files", removed).await
    }

    async fn foreign_commit(&self, base: &Snapshot) -> Result<Option<ForeignCommit>, LogError> {
        let foreign = history::foreign_commit(&self.log_store, base.version, &self.vetted).await;
        self.told("read its entries", foreign).await
    }

    async fn taken_in(&self, base: &Snapshot) -> Result<Vec<TakenIn>, LogError> {
        let taken_in = history::taken_in(&self.log_store, base.version).await;
        self.told("read its entries", taken_in).await
    }

    async fn last_checkpoint(&self) -> Result<Option<u64>, LogError> {
        let last = checkpoint::last(&self.log_store).await;
        self.told("find the newest checkpoint", last).await
    }

    async fn checkpoint(&self) -> Result<u64, LogError> {
        let log_store = Arc::clone(&self.log_store);
        let written = Self::aside(async move { checkpoint::write(&log_store).await }).await;
        self.told("write a checkpoint", written).await
    }

    async fn clean_log(&self, older_than: Micros) -> Result<usize, LogError> {
        let cleaned = clean::clean(&self.log_store, older_than).await;
        self.told("delete old entries", cleaned).await
    }
}
