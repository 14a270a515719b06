//! What queries work with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache::Cache;
use clock::{Clock, Ids};
use lake::LogOpener;
use meta::Ledger;
use meta::keys::Keys;
use objects::Roots;

use crate::Meters;
use crate::admission::Admission;
use crate::session::Sessions;
use crate::settings::Settings;
use crate::table::{FileCaches, SegmentCache, Tables};
use crate::workers::Workers;

/// The doors and the memory of one process.
pub struct App {
    pub(crate) roots: Roots,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) settings: Settings,
    pub(crate) meters: Meters,
    pub(crate) tables: Arc<Tables>,
    pub(crate) files: FileCaches,
    pub(crate) segments: SegmentCache,
    pub(crate) sessions: Sessions,
    pub(crate) admission: Admission,
    pub(crate) workers: Workers,
}

/// The doors that queries go through.
#[derive(Clone)]
pub struct Doors {
    pub ledger: Ledger,
    pub roots: Roots,
    pub logs: Arc<dyn LogOpener>,
    pub keys: Arc<Keys>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

/// Why queries cannot be answered at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot use {dir} for intermediate data")]
    SpillDir {
        dir: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot start the threads that queries run on")]
    Threads(#[source] std::io::Error),
    #[error("DataFusion cannot be set up")]
    Session(#[source] datafusion::common::DataFusionError),
}

impl App {
    /// Makes an empty folder for intermediate data, which must be this process's alone, and starts the threads that queries run on.
    pub fn new(doors: Doors, meters: Meters, settings: Settings) -> Result<Arc<Self>, StartError> {
        let Doors { ledger, roots, logs, keys, clock, ids } = doors;
        make_room(&settings.spill_dir)
            .map_err(|source| StartError::SpillDir { dir: settings.spill_dir.clone(), source })?;
        let cache = Cache::new(roots.url().as_str(), &settings.cache, meters.cache.clone());
        Ok(Arc::new(Self {
            tables: Arc::new(Tables::new(logs, ledger, Arc::clone(&clock), settings.snapshot_age_max)),
            segments: SegmentCache::new(settings.cache.segment_bytes(), cache.clone()),
            files: FileCaches::new(settings.cache.footer_bytes(), cache),
            sessions: Sessions::new(&settings).map_err(StartError::Session)?,
            admission: Admission::new(&settings),
            workers: Workers::start(settings.threads).map_err(StartError::Threads)?,
            roots,
            keys,
            clock,
            ids,
            settings,
            meters,
        }))
    }
}

/// Creates the folder, and removes what queries of a process that was killed left in it.
fn make_room(spill_dir: &Path) -> std::io::Result<()> {
    /// What DataFusion's `DiskManager` calls the folder of a query.
    const OF_A_QUERY: &str = "datafusion-";
    std::fs::create_dir_all(spill_dir)?;
    for entry in std::fs::read_dir(spill_dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(OF_A_QUERY) {
            match std::fs::remove_dir_all(entry.path()) {
                // Another process that starts has done it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}
