//! What ingest works with.

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids};
use meta::keys::Keys;
use meta::projects::Projects;
use meta::quota::Quota;
use meta::{Ledger, Queue};
use objects::Roots;
use tokio::sync::Semaphore;

use crate::Meters;
use crate::advice::{Advice, SmallRequests};
use crate::announced::Announced;
use crate::body::Budget;
use crate::group::Groups;

/// Limits of one process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Largest body as sent.
    pub wire_bytes_max: usize,
    /// Largest body after decompression.
    pub body_bytes_max: usize,
    /// Most records of one request.
    pub records_max: usize,
    /// All bodies in flight together.
    pub in_flight_bytes_max: usize,
    /// Bodies inflated and decoded at once.
    pub decoders_max: usize,
    /// Landings under way at once, per table.
    pub landings_max: usize,
    /// How long a landing waits for company that is on its way.
    pub company_wait: Duration,
    /// Decompressed bytes of the bodies that share a segment, unless one alone is larger. Large bodies gain nothing from
    /// company: to put their rows together costs more than a segment of their own.
    pub segment_bytes_max: usize,
    pub small_requests: SmallRequests,
    /// Browser origins that may send; `*` alone means any.
    pub cors_origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wire_bytes_max: 64 << 20,
            body_bytes_max: 64 << 20,
            records_max: 1_000_000,
            in_flight_bytes_max: 512 << 20,
            decoders_max: 4,
            landings_max: 2,
            company_wait: Duration::from_millis(2),
            segment_bytes_max: 4 << 20,
            small_requests: SmallRequests::Fine,
            cors_origins: Vec::new(),
        }
    }
}

/// The doors and the memory of one process.
pub struct App {
    pub(crate) ledger: Ledger,
    pub(crate) roots: Roots,
    pub(crate) keys: Arc<Keys>,
    pub(crate) projects: Arc<Projects>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) meters: Meters,
    pub(crate) settings: Settings,
    pub(crate) groups: Groups,
    pub(crate) announced: Announced,
    pub(crate) advice: Advice,
    pub(crate) budget: Budget,
    pub(crate) decoders: Semaphore,
}

/// The doors that ingest goes through.
pub struct Doors {
    pub ledger: Ledger,
    pub roots: Roots,
    pub keys: Arc<Keys>,
    pub projects: Arc<Projects>,
    pub quota: Arc<Quota>,
    pub queue: Arc<dyn Queue>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

impl App {
    pub fn new(doors: Doors, meters: Meters, settings: Settings) -> Arc<Self> {
        let Doors { ledger, roots, keys, projects, quota, queue, clock, ids } = doors;
        Arc::new(Self {
            budget: Budget::new(settings.in_flight_bytes_max),
            decoders: Semaphore::new(settings.decoders_max),
            groups: Groups::default(),
            announced: Announced::default(),
            advice: Advice::default(),
            ledger,
            roots,
            keys,
            projects,
            quota,
            queue,
            clock,
            ids,
            meters,
            settings,
        })
    }
}
