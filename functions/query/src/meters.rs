//! What queries count, for `GET /metrics`.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use model::ProjectId;

use crate::meter::Reading;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProject {
    project: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

type ByProject = Family<OfProject, Counter<u64, AtomicU64>>;

/// Counters by project, and how long queries took.
#[derive(Clone)]
pub struct Meters {
    queries: ByProject,
    bytes: ByProject,
    lookups_failed: ByProject,
    outcomes: Family<OfOutcome, Counter<u64, AtomicU64>>,
    seconds: Histogram,
    pub(crate) cache: cache::Meters,
}

/// How a query ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// The asker's error.
    Refused,
    /// A limit, a store, or a bug.
    Failed,
}

impl Default for Meters {
    fn default() -> Self {
        const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
        Self {
            queries: Family::default(),
            bytes: Family::default(),
            lookups_failed: Family::default(),
            outcomes: Family::default(),
            seconds: Histogram::new(SECONDS),
            cache: cache::Meters::default(),
        }
    }
}

impl Meters {
    pub fn register(registry: &mut Registry) -> Self {
        let m = Self { cache: cache::Meters::register(registry), ..Self::default() };
        registry.register("plimsoll_queries", "Queries begun", m.queries.clone());
        registry.register("plimsoll_query_scanned_bytes", "Bytes read from the object store", m.bytes.clone());
        let about = "Look-up indexes that could not be read: files were opened instead";
        registry.register("plimsoll_query_lookup_indexes_passed_over", about, m.lookups_failed.clone());
        registry.register("plimsoll_query_outcomes", "Queries ended", m.outcomes.clone());
        registry.register("plimsoll_query_seconds", "Time from request to the last row", m.seconds.clone());
        m
    }

    pub(crate) fn ended(&self, project: &ProjectId, outcome: Outcome, took: Duration, reading: &Reading) {
        let of = OfProject { project: project.to_string() };
        self.queries.get_or_create(&of).inc();
        self.bytes.get_or_create(&of).inc_by(reading.bytes_scanned);
        if reading.lookups_failed > 0 {
            self.lookups_failed.get_or_create(&of).inc_by(reading.lookups_failed);
        }
        let outcome = match outcome {
            Outcome::Answered => "answered",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        };
        self.outcomes.get_or_create(&OfOutcome { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}
