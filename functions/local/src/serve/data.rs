//! The data folder: everything that `plimsoll serve` keeps.
//!
//! ```text
//! <data>/objects/          one folder a project: landing objects and Delta tables; not if the root is a bucket
//! <data>/metadata.db       projects, keys, the ledger (SQLite)
//! <data>/queue.db          triggers (SQLite; may be deleted)
//! <data>/cache/            what was read of objects in a bucket, for the next queries; may be deleted while nothing serves
//! <data>/spill/            what queries put on disk; emptied at every start
//! <data>/credentials.json  the keys of project `default`, readable by the owner only
//! ```

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws::{S3Root, Service};
use clock::{Clock, Ids, RandomIds};
use embedded::{DurableDisk, SqliteItems, SqliteQueue};
use meta::{Installation, ItemStore, Queue};
use object_store::ObjectStore;
use objects::{ProbeError, Roots, Trouble, probe_create_only};
use url::Url;

use super::owner;
use super::root::{Root, StoredRoot};
use super::server::ServeConfig;

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
    pub installation: Arc<Installation>,
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
    #[error("{root} cannot be used: {source}")]
    Cloud {
        root: String,
        #[source]
        source: aws::CloudError,
    },
    #[error("{source}")]
    Bucket {
        #[source]
        source: aws::S3StoreError,
    },
    #[error("{root} cannot be served from: {}; {}", .trouble.what, .trouble.advice)]
    ProbeBucket { root: String, trouble: Trouble },
    #[error("{root} is not this installation's: {}; {}", .trouble.what, .trouble.advice)]
    Owner { root: String, trouble: Trouble },
    #[error(
        "{path} was first served with its objects in {first}, and its ledger names objects there; serve it so{}, or serve {asked} \
         with another data folder", .argument.as_deref().unwrap_or_default()
    )]
    OtherRoot { path: PathBuf, first: String, asked: String, argument: Option<String> },
    #[error("cannot read or write where the objects of {path} lie: {source}")]
    StoredRoot {
        path: PathBuf,
        #[source]
        source: meta::StoreError,
    },
    #[error("{path} cannot be written as a URL")]
    Url { path: PathBuf },
}

impl DataFolder {
    /// Makes what is missing, takes the folder for this process, and proves that its root honours create-only PUTs, and is
    /// nobody else's if it is a bucket.
    pub(super) async fn open(config: &ServeConfig) -> Result<Self, DataError> {
        let path = make(&config.data)?;
        let clock = Arc::clone(&config.clock);
        let ids: Arc<dyn Ids> = Arc::new(RandomIds);
        let open = |name: &str| path.join(name);
        let items = SqliteItems::open(open("metadata.db"), Arc::clone(&clock))
            .map_err(|source| DataError::Metadata { path: open("metadata.db"), source })?;
        let queue = SqliteQueue::open(open("queue.db"), Arc::clone(&clock))
            .map_err(|source| DataError::Metadata { path: open("queue.db"), source })?;
        let items: Arc<dyn ItemStore> = Arc::new(items);
        let installation = Installation::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids));
        let stood = same_root(&path, items.as_ref(), &config.root).await?;
        let opened = match &config.root {
            Root::Folder => folder_root(&open("objects"), config, ids.as_ref()).await?,
            Root::S3(root) => {
                let opened = bucket_root(root, config, stood.as_ref(), ids.as_ref()).await?;
                owner::claim(root, opened.roots.base(), &installation, &path, config).await?;
                opened
            }
        };
        if let Some(found) = opened.found {
            let written = found.write(items.as_ref(), stood.as_ref()).await;
            written.map_err(|source| DataError::StoredRoot { path: path.clone(), source })?;
        }
        empty_spill(&open("spill"))?;
        let (queue, installation) = (Arc::new(queue), Arc::new(installation));
        Ok(Self { items, queue, roots: opened.roots, clock, ids, installation, path })
    }

    pub fn spill(&self) -> PathBuf {
        self.path.join("spill")
    }

    pub fn credentials(&self) -> PathBuf {
        self.path.join("credentials.json")
    }
}

/// Where the objects lie, and what is to be remembered of it.
struct OpenedRoot {
    roots: Roots,
    /// None: it stands as it was found before.
    found: Option<StoredRoot>,
}

/// What stands of the root, which is the one that is asked for.
async fn same_root(path: &Path, items: &dyn ItemStore, asked: &Root) -> Result<Option<StoredRoot>, DataError> {
    let failed = |source| DataError::StoredRoot { path: path.to_owned(), source };
    let stood = StoredRoot::read(items).await.map_err(failed)?;
    let other = |first: String, argument: Option<String>| {
        Err(DataError::OtherRoot { path: path.to_owned(), first, asked: asked.to_string(), argument })
    };
    match &stood {
        Some(stored) if !stored.is(asked) => {
            let argument = (!stored.is(&Root::Folder)).then(|| format!(" (`--root {}`)", stored.root));
            other(stored.told(), argument)
        }
        // Versions that knew no other root did not write it down.
        None if *asked != Root::Folder && path.join("objects").exists() => other(Root::Folder.to_string(), None),
        _ => Ok(stood),
    }
}

async fn folder_root(objects: &Path, config: &ServeConfig, ids: &dyn Ids) -> Result<OpenedRoot, DataError> {
    let clock = config.clock.as_ref();
    let disk =
        DurableDisk::open(objects, clock).map_err(|source| DataError::Objects { path: objects.to_owned(), source })?;
    let base = (config.objects_layer)(Arc::new(disk));
    // At every start: the folder may have been moved to another file system.
    probe_create_only(&base, ids).await.map_err(|source| DataError::Probe { path: objects.to_owned(), source })?;
    let url = Url::from_directory_path(objects).map_err(|()| DataError::Url { path: objects.to_owned() })?;
    Ok(OpenedRoot { roots: Roots::new(base, url), found: Some(StoredRoot::new(&Root::Folder, None, clock)) })
}

/// Probed when it is first served, and whenever S3 is reached elsewhere.
async fn bucket_root(
    root: &S3Root,
    config: &ServeConfig,
    stood: Option<&StoredRoot>,
    ids: &dyn Ids,
) -> Result<OpenedRoot, DataError> {
    let cloud = config.aws.cloud().await;
    let cloud = cloud.map_err(|source| DataError::Cloud { root: root.to_string(), source })?;
    let base = cloud.root_store(root).map_err(|source| DataError::Bucket { source })?;
    let base = (config.objects_layer)(base);
    let endpoint = cloud.endpoint(Service::S3);
    let found = if stood.is_some_and(|stored| stored.endpoint.as_deref() == endpoint) {
        None
    } else {
        let probed = probe_create_only(&base, ids).await;
        probed.map_err(|error| DataError::ProbeBucket { root: root.to_string(), trouble: error.trouble() })?;
        Some(StoredRoot::new(&Root::S3(root.clone()), endpoint, config.clock.as_ref()))
    };
    let url = Url::parse(&format!("{root}/")).expect("bucket names and prefixes need no escapes in a URL");
    Ok(OpenedRoot { roots: Roots::new(base, url), found })
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
