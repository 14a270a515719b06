//! What is counted, for `GET /metrics`.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::piece::{Kind, Shelf};

/// Where bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Memory,
    Disk,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTier {
    kind: &'static str,
    tier: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoom {
    room: &'static str,
    tier: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

type Count = Counter<u64, AtomicU64>;

/// Clones count together.
#[derive(Clone, Default)]
pub struct Meters {
    requests: Family<OfKind, Count>,
    hits: Family<OfTier, Count>,
    bytes: Family<OfTier, Count>,
    kept: Family<OfRoom, Gauge>,
    left_out: Family<OfReason, Count>,
}

/// Why something is not on the disk, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// More came than could be written.
    Busy,
    /// The disk has no room to give.
    NoRoom,
    Failed,
    /// It did not read as it was written.
    Damaged,
}

impl Meters {
    pub fn register(registry: &mut Registry) -> Self {
        let m = Self::default();
        let requests = "Pieces of objects that queries asked for";
        registry.register("plimsoll_cache_requests", requests, m.requests.clone());
        registry.register("plimsoll_cache_hits", "Those that were there, by where", m.hits.clone());
        let bytes = "Bytes that queries were given, by where they came from; those of the tier `store` were fetched";
        registry.register("plimsoll_cache_bytes", bytes, m.bytes.clone());
        registry.register("plimsoll_cache_kept_bytes", "Bytes that are kept", m.kept.clone());
        let left_out = "Pieces that are not kept on the disk, or no longer, by why";
        registry.register("plimsoll_cache_left_out", left_out, m.left_out.clone());
        m
    }

    pub fn hit(&self, kind: Kind, tier: Tier, bytes: u64) {
        let of = OfTier { kind: kind.name(), tier: tier.name() };
        self.requests.get_or_create(&OfKind { kind: kind.name() }).inc();
        self.hits.get_or_create(&of).inc();
        self.bytes.get_or_create(&of).inc_by(bytes);
    }

    pub fn missed(&self, kind: Kind, bytes: u64) {
        self.requests.get_or_create(&OfKind { kind: kind.name() }).inc();
        self.bytes.get_or_create(&OfTier { kind: kind.name(), tier: "store" }).inc_by(bytes);
    }

    pub(crate) fn kept(&self, shelf: Shelf, tier: Tier, bytes: u64) {
        let of = OfRoom { room: shelf.name(), tier: tier.name() };
        self.kept.get_or_create(&of).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn left_out(&self, why: LeftOut) {
        let reason = match why {
            LeftOut::Busy => "busy",
            LeftOut::NoRoom => "no_room",
            LeftOut::Failed => "failed",
            LeftOut::Damaged => "damaged",
        };
        self.left_out.get_or_create(&OfReason { reason }).inc();
    }

    #[cfg(test)]
    pub(crate) fn count_of_left_out(&self, reason: &'static str) -> u64 {
        self.left_out.get_or_create(&OfReason { reason }).get()
    }
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}
