//! A process of the world: any function may run in it. It has caches, a clock and doors of its own, and nothing that
//! outlives it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clock::{Clock, ManualClock, Sleep};
use compact::App as Compact;
use meta::keys::Keys;
use meta::projects::Projects;
use meta::quota::Quota;
use meta::{ItemStore, Ledger};
use model::Micros;
use object_store::ObjectStore;
use objects::Roots;
use query::Tables;
use url::Url;

use super::World;
use crate::doors::{StagedItems, StagedLogs, StagedObjects, StagedQueue};
use crate::stage::{ProcessId, Stage};

pub(crate) struct Process {
    pub id: ProcessId,
    pub clock: Arc<dyn Clock>,
    pub ingest: Router,
    pub compact: Arc<Compact>,
    pub tables: Arc<Tables>,
    /// As the process sees it.
    pub roots: Roots,
}

/// The world's clock, wrong by a constant. Time passes when the director says so.
struct SkewedClock {
    right: Arc<ManualClock>,
    stage: Arc<Stage>,
    ahead: Micros,
}

impl Clock for SkewedClock {
    fn now(&self) -> Micros {
        self.right.now() + self.ahead
    }

    fn uptime(&self) -> Duration {
        self.right.uptime()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        self.stage.sleep(time)
    }
}

/// Snapshots that readers keep are at most this old.
const SNAPSHOT_AGE_MAX: Duration = Duration::from_secs(300);

impl Process {
    /// `ahead`: by so much its wall clock is wrong.
    pub(crate) fn start(world: &World, id: ProcessId, ahead: Micros) -> Self {
        let (right, stage) = (Arc::clone(&world.clock), Arc::clone(&world.stage));
        let clock: Arc<dyn Clock> = Arc::new(SkewedClock { right, stage: Arc::clone(&stage), ahead });
        let items: Arc<dyn ItemStore> = Arc::new(StagedItems {
            inner: Arc::clone(&world.items),
            stage: Arc::clone(&stage),
            process: id,
            page: world.scope.page,
        });
        let objects = StagedObjects { shelf: Arc::clone(&world.shelf), stage: Arc::clone(&stage), process: id };
        let objects: Arc<dyn ObjectStore> = Arc::new(objects);
        let roots = Roots::new(objects, Url::parse("memory:///").expect("a url"));
        let logs = Arc::new(StagedLogs { inner: Arc::new(world.logs.clone()), stage: Arc::clone(&stage), process: id });
        let ledger = Ledger::new(Arc::clone(&items), Arc::clone(&clock), world.ids.clone());
        let projects = Arc::new(Projects::new(Arc::clone(&items), Arc::clone(&clock)));
        let doors = ingest::Doors {
            ledger: ledger.clone(),
            roots: roots.clone(),
            keys: Arc::new(Keys::new(Arc::clone(&items), Arc::clone(&clock), world.ids.clone())),
            projects: Arc::clone(&projects),
            quota: Arc::new(Quota::new(Arc::clone(&items), Arc::clone(&clock))),
            queue: Arc::new(StagedQueue { stage, process: id }),
            clock: Arc::clone(&clock),
            ids: world.ids.clone(),
        };
        // One landing at a time, so that the order of all calls is the director's.
        let settings = ingest::Settings { landings_max: 1, ..ingest::Settings::default() };
        let ingest = ingest::router(ingest::App::new(doors, ingest::Meters::default(), settings));
        let compact = Compact::new(
            ledger.clone(),
            roots.clone(),
            logs.clone(),
            projects,
            Arc::clone(&clock),
            world.ids.clone(),
            world.scope.settings.clone(),
        );
        let tables = Tables::new(logs, ledger, Arc::clone(&clock), SNAPSHOT_AGE_MAX);
        Self { id, clock, ingest, compact: Arc::new(compact), tables: Arc::new(tables), roots }
    }
}
