//! Projects whose stores do not answer wait longer each time, so that others flow.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clock::Clock;
use model::ProjectId;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
/// Most projects remembered; above it those that may go again are forgotten.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Backoff {
    /// Failures in a row, and the uptime from which the project may go again.
    waiting: Mutex<HashMap<ProjectId, (u32, Duration)>>,
}

impl Backoff {
    /// True while a project is left alone.
    pub(crate) fn is_waiting(&self, project: &ProjectId, clock: &dyn Clock) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get(project).is_some_and(|(_, until)| clock.uptime() < *until)
    }

    pub(crate) fn failed(&self, project: &ProjectId, clock: &dyn Clock) {
        let now = clock.uptime();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= REMEMBERED_MAX {
            waiting.retain(|_, (_, until)| now < *until);
        }
        let (failures, until) = waiting.entry(project.clone()).or_insert((0, now));
        *until = now + FIRST.saturating_mul(1 << (*failures).min(10)).min(LONGEST);
        *failures += 1;
    }

    pub(crate) fn answered(&self, project: &ProjectId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(project);
    }
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;

    use super::*;

    #[test]
    fn each_failure_waits_twice_as_long_up_to_five_minutes() {
        let (backoff, clock) = (Backoff::default(), ManualClock::new(0));
        let project = ProjectId::parse("shop").expect("an id");
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            backoff.failed(&project, &clock);
            clock.advance(Duration::from_secs(seconds) - Duration::from_micros(1));
            assert!(backoff.is_waiting(&project, &clock), "{seconds}");
            clock.advance(Duration::from_micros(1));
            assert!(!backoff.is_waiting(&project, &clock), "{seconds}");
        }
        backoff.answered(&project);
        backoff.failed(&project, &clock);
        clock.advance(FIRST);
        assert!(!backoff.is_waiting(&project, &clock));
    }
}
