//! What ingest counts, for `GET /metrics`.

use std::sync::atomic::AtomicU64;

use model::{ProjectId, Signal};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::Refusal;
use crate::land::Landed;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProject {
    project: String,
    signal: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRefusal {
    /// Empty: nobody's, since no key was known.
    project: String,
    signal: &'static str,
    reason: &'static str,
}

type ByProject = Family<OfProject, Counter<u64, AtomicU64>>;

/// Counters by project and signal.
#[derive(Clone, Default)]
pub struct Meters {
    requests: ByProject,
    duplicates: ByProject,
    records: ByProject,
    rejected: ByProject,
    bytes: ByProject,
    refused: Family<OfRefusal, Counter<u64, AtomicU64>>,
}

impl Meters {
    pub fn register(registry: &mut Registry) -> Self {
        let m = Self::default();
        let mut add = |name: &str, help: &str, metric: &ByProject| registry.register(name, help, metric.clone());
        add("plimsoll_ingest_requests", "OTLP requests acknowledged, duplicates included", &m.requests);
        add("plimsoll_ingest_duplicate_requests", "OTLP requests whose body was recorded before", &m.duplicates);
        add("plimsoll_ingest_accepted_records", "Records acknowledged, without those of duplicates", &m.records);
        add("plimsoll_ingest_rejected_records", "Records rejected in a partial success", &m.rejected);
        add("plimsoll_ingest_bytes", "Decompressed bytes of acknowledged requests", &m.bytes);
        registry.register("plimsoll_ingest_refused_requests", "OTLP requests refused", m.refused.clone());
        m
    }

    pub(crate) fn accepted(
        &self,
        project: &ProjectId,
        signal: Signal,
        landed: Landed,
        records: u64,
        rejected: u64,
        bytes: u64,
    ) {
        let of = OfProject { project: project.to_string(), signal: signal.as_str() };
        self.requests.get_or_create(&of).inc();
        self.bytes.get_or_create(&of).inc_by(bytes);
        match landed {
            Landed::Recorded => {
                self.records.get_or_create(&of).inc_by(records);
                self.rejected.get_or_create(&of).inc_by(rejected);
            }
            Landed::Duplicate => {
                self.duplicates.get_or_create(&of).inc();
            }
        }
    }

    pub(crate) fn refused(&self, project: Option<&ProjectId>, signal: Signal, refusal: &Refusal) {
        let project = project.map(ProjectId::to_string).unwrap_or_default();
        self.refused.get_or_create(&OfRefusal { project, signal: signal.as_str(), reason: refusal.reason() }).inc();
    }
}
