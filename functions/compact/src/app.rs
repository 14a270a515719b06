//! Everything that compaction works with.

use std::sync::Arc;

use clock::{Clock, Ids};
use lake::{LogOpener, TableLog};
use meta::Ledger;
use meta::projects::Projects;
use model::TableId;
use objects::{ProjectRoot, Roots};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::backoff::Backoff;
use crate::beyond::Beyond;
use crate::{Counters, Settings};

const MIB: u64 = 1 << 20;

/// One per process; shared by all tables that are worked on side by side.
pub struct App {
    pub ledger: Ledger,
    pub roots: Roots,
    pub logs: Arc<dyn LogOpener>,
    /// Asked for retention.
    pub projects: Arc<Projects>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub settings: Settings,
    pub counters: Counters,
    pub(crate) backoff: Backoff,
    pub(crate) beyond: Beyond,
    /// In MiB.
    memory: Arc<Semaphore>,
}

impl App {
    pub fn new(
        ledger: Ledger,
        roots: Roots,
        logs: Arc<dyn LogOpener>,
        projects: Arc<Projects>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        settings: Settings,
    ) -> Self {
        let memory = Arc::new(Semaphore::new(permits(settings.memory_bytes).max(1) as usize));
        let (counters, backoff, beyond) = (Counters::default(), Backoff::default(), Beyond::default());
        Self { ledger, roots, logs, projects, clock, ids, settings, counters, backoff, beyond, memory }
    }

    pub(crate) fn log(&self, table: &TableId) -> Arc<dyn TableLog> {
        self.logs.open(table)
    }

    pub(crate) fn root(&self, table: &TableId) -> ProjectRoot {
        self.roots.open(&table.project)
    }

    /// Waits for a share of the memory budget; more than there is counts as all of it.
    pub(crate) async fn reserve(&self, bytes: u64) -> OwnedSemaphorePermit {
        let wanted = permits(bytes).clamp(1, permits(self.settings.memory_bytes).max(1));
        let permit = Arc::clone(&self.memory).acquire_many_owned(wanted).await;
        permit.expect("the semaphore is never closed")
    }
}

fn permits(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX)
}
