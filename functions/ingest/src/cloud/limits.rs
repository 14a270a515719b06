//! How much of a request fits the memory that Lambda gives a process.

use std::time::Duration;

use crate::{Settings, SmallRequests};

/// What Lambda takes as one event. Binary bodies come in base64, so they are a quarter smaller.
const EVENT_BYTES_MAX: usize = 6 << 20;
/// The process itself, with its connections.
const PROCESS_BYTES: usize = 48 << 20;
/// An event is there as JSON, as text and as bytes before its body is read.
const EVENT_COPIES: usize = 3;
/// Of the memory for bodies, what one may take inflated: it, its rows and their segment are there together, and a JSON
/// body as protobuf besides.
const BODY_SHARE: usize = 6;
const BODY_BYTES_MAX: usize = 64 << 20;
/// With less a function could not take what an ordinary sender sends.
const BODY_BYTES_MIN: usize = 4 << 20;

/// For a process that takes one request at a time.
pub(super) fn settings(memory_bytes: usize, cors_origins: Vec<String>) -> Settings {
    let for_bodies = memory_bytes.saturating_sub(PROCESS_BYTES + EVENT_COPIES * EVENT_BYTES_MAX);
    let body_bytes_max = (for_bodies / BODY_SHARE).clamp(BODY_BYTES_MIN, BODY_BYTES_MAX);
    Settings {
        wire_bytes_max: EVENT_BYTES_MAX,
        body_bytes_max,
        // A request that was stopped may still hold its share when the next one comes.
        in_flight_bytes_max: (body_bytes_max * BODY_SHARE).max(for_bodies),
        decoders_max: 1,
        company_wait: Duration::ZERO,
        small_requests: SmallRequests::Told,
        cors_origins,
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_body_follows_from_the_memory() {
        for (memory_mb, body_mb) in [(128, 10), (256, 31), (512, 64), (1024, 64), (10_240, 64)] {
            let settings = settings(memory_mb << 20, Vec::new());
            assert_eq!(settings.body_bytes_max >> 20, body_mb, "{memory_mb} MB");
            let largest = settings.wire_bytes_max + settings.body_bytes_max * 3;
            assert!(settings.in_flight_bytes_max >= largest, "the largest body gets its share with {memory_mb} MB");
        }
    }
}
