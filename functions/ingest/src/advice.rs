//! A word to senders of many small requests: in the cloud each request costs as much as a large one.
//!
//! Said as a warning in a 200, which exporters log; not more than once an hour by a process, and never to a trickle.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::ProjectId;

/// So many requests in so short a time are worth a word ...
const REQUESTS: u32 = 200;
const WITHIN: Duration = Duration::from_secs(600);
/// ... if on average they have fewer bytes, decompressed.
const SMALL_BYTES: u64 = 16 << 10;
const NOT_AGAIN_FOR: Duration = Duration::from_secs(3600);
/// Above this many projects the memory is wiped: one more word, at worst.
const PROJECTS_MAX: usize = 10_000;

/// Whether small requests are worth a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmallRequests {
    /// A request costs nothing but the work it makes.
    Fine,
    /// Every request is paid for.
    Told,
}

/// What each project sent lately.
#[derive(Default)]
pub(crate) struct Advice {
    projects: Mutex<HashMap<ProjectId, Lately>>,
}

/// Times are [`clock::Clock::uptime`].
struct Lately {
    since: Duration,
    requests: u32,
    bytes: u64,
    told_at: Option<Duration>,
}

impl Advice {
    /// Counts a request of so many decompressed bytes; what its sender should hear, if anything.
    pub(crate) fn after(&self, project: &ProjectId, bytes: u64, now: Duration) -> Option<String> {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        if projects.len() >= PROJECTS_MAX && !projects.contains_key(project) {
            projects.clear();
        }
        let fresh = Lately { since: now, requests: 0, bytes: 0, told_at: None };
        projects.entry(project.clone()).or_insert(fresh).after(bytes, now)
    }
}

impl Lately {
    fn after(&mut self, bytes: u64, now: Duration) -> Option<String> {
        if now.saturating_sub(self.since) > WITHIN {
            (self.since, self.requests, self.bytes) = (now, 0, 0);
        }
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.requests < REQUESTS {
            return None;
        }
        let average = self.bytes / u64::from(self.requests);
        (self.since, self.requests, self.bytes) = (now, 0, 0);
        let is_fresh = self.told_at.is_some_and(|told_at| now.saturating_sub(told_at) < NOT_AGAIN_FOR);
        if average >= SMALL_BYTES || is_fresh {
            return None;
        }
        self.told_at = Some(now);
        Some(format!(
            "the last {REQUESTS} requests had {average} bytes on average, and each costs as much as one of a megabyte: \
             let exporters wait longer and send more at once"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_small_requests_is_told_once_an_hour_and_nobody_else_is() {
        let shop = ProjectId::parse("shop").expect("an id");
        // Bytes of a request, milliseconds between two, requests, words said.
        for (bytes, apart_ms, requests, said) in [
            (500, 10, 199, 0),
            (500, 10, 200, 1),
            (500, 10, 5_000, 1),
            (500, 1_000, 8_000, 3),
            (500, 10_000, 5_000, 0),
            (64 << 10, 10, 5_000, 0),
        ] {
            let advice = Advice::default();
            let times = (0..requests).map(|n| Duration::from_millis(n * apart_ms));
            let told = times.filter_map(|now| advice.after(&shop, bytes, now)).count();
            assert_eq!(told, said, "{requests} requests of {bytes} bytes every {apart_ms} ms");
        }
    }
}
