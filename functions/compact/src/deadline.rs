//! When a call must be over.

use std::time::Duration;

use clock::Clock;

/// A moment of [`Clock::uptime`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Duration);

impl Deadline {
    pub fn after(clock: &dyn Clock, time: Duration) -> Self {
        Self(clock.uptime().saturating_add(time))
    }

    pub fn remaining(self, clock: &dyn Clock) -> Duration {
        self.0.saturating_sub(clock.uptime())
    }

    /// True if less than `margin` is left.
    pub fn is_near(self, clock: &dyn Clock, margin: Duration) -> bool {
        self.remaining(clock) < margin
    }
}
