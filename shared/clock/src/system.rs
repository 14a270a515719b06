//! The machine's own clocks.

use std::time::Duration;

use model::Micros;
use rustix::time::{ClockId, clock_gettime};

use crate::Clock;

/// `CLOCK_REALTIME` and `CLOCK_BOOTTIME`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        let t = clock_gettime(ClockId::Realtime);
        t.tv_sec * 1_000_000 + t.tv_nsec / 1_000
    }

    fn uptime(&self) -> Duration {
        let t = clock_gettime(ClockId::Boottime);
        Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
    }
}
