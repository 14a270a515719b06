//! The system's clock, and as much later as a test wants.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clock::{Clock, SystemClock};
use model::Micros;

/// Runs on by itself, and jumps ahead when told.
#[derive(Debug, Default)]
pub struct LaterClock {
    ahead: AtomicI64,
}

impl LaterClock {
    pub fn jump(&self, by: Duration) {
        self.ahead.fetch_add(micros(by), Ordering::SeqCst);
    }
}

impl Clock for LaterClock {
    fn now(&self) -> Micros {
        SystemClock.now() + self.ahead.load(Ordering::SeqCst)
    }

    fn uptime(&self) -> Duration {
        let ahead = u64::try_from(self.ahead.load(Ordering::SeqCst)).expect("only forward");
        SystemClock.uptime() + Duration::from_micros(ahead)
    }
}

fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).expect("a test waits less than 292,000 years")
}
