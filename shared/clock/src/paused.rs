//! The clock of a machine that is stopped between two calls without being told, as Lambda's are.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::Micros;

use crate::{Clock, SystemClock};

/// What the wall clock gains on the machine's uptime by more than this is time that the machine stood still.
const PAUSE_MIN_US: i64 = 1_000_000;

/// As [`SystemClock`], with pauses counted into `uptime` by the wall clock: whoever remembers something for a minute does
/// not remember it for an hour of pauses. A wall clock that is set forward ages what is remembered, and does no harm.
#[derive(Debug, Default)]
pub struct PausedClock {
    seen: Mutex<Option<Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    wall: Micros,
    /// Of the machine.
    uptime: Duration,
    paused: Duration,
}

impl PausedClock {
    fn uptime_at(&self, wall: Micros, uptime: Duration) -> Duration {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.get_or_insert(Seen { wall, uptime, paused: Duration::ZERO });
        let ran_us = i64::try_from(uptime.saturating_sub(last.uptime).as_micros()).unwrap_or(i64::MAX);
        let gained_us = wall.saturating_sub(last.wall).saturating_sub(ran_us);
        // Less than a second may add up; a wall clock that was set back is a new start.
        if gained_us.abs() >= PAUSE_MIN_US {
            let gained = Duration::from_micros(u64::try_from(gained_us).unwrap_or(0));
            *last = Seen { wall, uptime, paused: last.paused + gained };
        }
        uptime + last.paused
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Micros {
        SystemClock.now()
    }

    fn uptime(&self) -> Duration {
        self.uptime_at(SystemClock.now(), SystemClock.uptime())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_count_and_uptime_never_goes_back() {
        let clock = PausedClock::default();
        let (s, ms) = (1_000_000, 1_000);
        // Wall clock in us, the machine's uptime in ms, ours in ms.
        for (wall, uptime_ms, ours_ms) in [
            (0, 500, 500),
            (10 * s, 10_500, 10_500),
            // 0.4 s of pause, three times: counted when they are more than a second.
            (11 * s, 11_100, 11_100),
            (12 * s, 11_700, 11_700),
            (13 * s, 12_300, 13_500),
            // An hour of pause.
            (3_613 * s + 5 * ms, 12_305, 3_613_505),
            // Set back, and on from there.
            (600 * s, 13_305, 3_614_505),
            (601 * s, 14_305, 3_615_505),
        ] {
            let ours = clock.uptime_at(wall, Duration::from_millis(uptime_ms));
            assert_eq!(ours, Duration::from_millis(ours_ms), "{wall}");
        }
        assert!(clock.uptime() <= clock.uptime());
    }
}
