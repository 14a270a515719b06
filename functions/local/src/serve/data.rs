//! The data folder: everything that `plimsoll serve` keeps.
//!
//! ```text
//! <data>/objects/          one folder a project: landing objects and Delta tables
//! <data>/metadata.db       projects, keys, the ledger (SQLite)
//! <data>/queue.db          triggers (SQLite; may be deleted)
//! <data>/spill/            what queries put on disk; emptied at every start
//! <data>/credentials.json  the keys of project `default`, readable by the owner only
//! ```

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::{Clock, Ids, RandomIds};
use embedded::{DurableDisk, SqliteItems, SqliteQueue};
use meta::{ItemStore, Queue};
use object_store::ObjectStore;
use objects::{ProbeError, Roots, probe_create_only};
use url::Url;

/// What is put between everything and the objects on the disk: nothing here, delays and failures in tests.
pub type ObjectsLayer = Arc<dyn Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> + Send + Sync>;

/// An open data folder. A second process that opens it is turned away.
pub struct DataFolder {
    pub path: PathBuf,
    pub items: Arc<dyn ItemStore>,
    pub queue: Arc<dyn Queue>,
    pub roots: Roots,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

/// Why a data folder cannot be used; each is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot make the data folder {path}: {source}")]
    Make {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot open {path}: {source}")]
    Metadata {
        path: PathBuf,
        #[source]
        source: embedded::OpenError,
    },
    #[error("cannot open the object folder {path}: {source}")]
    Objects {
        path: PathBuf,
        #[source]
        source: object_store::Error,
    },
    #[error("the object folder {path} is not fit for Delta tables: {source}{}", cause(.source))]
    Probe {
        path: PathBuf,
        #[source]
        source: ProbeError,
    },
    #[error("{path} cannot be written as a URL")]
    Url { path: PathBuf },
}

impl DataFolder {
    /// Makes what is missing, takes the folder for this process, and proves that its disk honours create-only PUTs.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>, layer: &ObjectsLayer) -> Result<Self, DataError> {
        let path = make(path)?;
        let ids: Arc<dyn Ids> = Arc::new(RandomIds);
        let open = |name: &str| path.join(name);
        let items = SqliteItems::open(open("metadata.db"), Arc::clone(&clock))
            .map_err(|source| DataError::Metadata { path: open("metadata.db"), source })?;
        let queue = SqliteQueue::open(open("queue.db"), Arc::clone(&clock))
            .map_err(|source| DataError::Metadata { path: open("queue.db"), source })?;
        let objects = open("objects");
        let disk = DurableDisk::open(&objects, clock.as_ref())
            .map_err(|source| DataError::Objects { path: objects.clone(), source })?;
        let base = layer(Arc::new(disk));
        probe_create_only(&base, ids.as_ref())
            .await
            .map_err(|source| DataError::Probe { path: objects.clone(), source })?;
        empty_spill(&open("spill"))?;
        let url = Url::from_directory_path(&objects).map_err(|()| DataError::Url { path: objects })?;
        Ok(Self { items: Arc::new(items), queue: Arc::new(queue), roots: Roots::new(base, url), clock, ids, path })
    }

    pub fn spill(&self) -> PathBuf {
        self.path.join("spill")
    }

    pub fn credentials(&self) -> PathBuf {
        self.path.join("credentials.json")
    }
}

/// The folder itself, absolute.
fn make(path: &Path) -> Result<PathBuf, DataError> {
    let failed = |source| DataError::Make { path: path.to_owned(), source };
    // Nobody else on the machine reads telemetry or the metadata store.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    path.canonicalize().map_err(failed)
}

fn empty_spill(path: &Path) -> Result<(), DataError> {
    let failed = |source| DataError::Make { path: path.to_owned(), source };
    if path.exists() {
        std::fs::remove_dir_all(path).map_err(failed)?;
    }
    std::fs::create_dir_all(path).map_err(failed)
}

/// The cause of an error on the same line, since the operator sees only one.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(|source| format!(": {source}")).unwrap_or_default()
}
