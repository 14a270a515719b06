//! Calm or not, and for how long the server let us wait while it was calm.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clock::{Clock, SystemClock};

/// What producers and readers know of the plan.
#[derive(Debug, Default)]
pub(super) struct Weather {
    /// Uptime at which the last spell ended; none while there is one.
    calm_since: Mutex<Option<Duration>>,
    load_is_over: AtomicBool,
    all_is_over: AtomicBool,
}

impl Weather {
    pub(super) fn calm(&self) {
        *self.calm_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(SystemClock.uptime());
    }

    pub(super) fn rough(&self) {
        *self.calm_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// No new bodies from now on.
    pub(super) fn end_load(&self) {
        self.load_is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn load_is_over(&self) -> bool {
        self.load_is_over.load(Ordering::SeqCst)
    }

    /// No reads either.
    pub(super) fn end(&self) {
        self.all_is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.all_is_over.load(Ordering::SeqCst)
    }
}

/// For how long somebody got nothing but errors in calm weather.
#[derive(Debug, Default)]
pub(super) struct Patience {
    last_good: Duration,
    pub(super) longest: Duration,
    pub(super) n_good: u64,
    pub(super) n_failed: u64,
}

impl Patience {
    pub(super) fn good(&mut self) {
        self.last_good = SystemClock.uptime();
        self.n_good += 1;
    }

    pub(super) fn failed(&mut self, weather: &Weather) {
        self.n_failed += 1;
        if let Some(calm_since) = *weather.calm_since.lock().unwrap_or_else(PoisonError::into_inner) {
            let waited = SystemClock.uptime().saturating_sub(self.last_good.max(calm_since));
            self.longest = self.longest.max(waited);
        }
    }

    /// Of several that wait for the same.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            last_good: self.last_good.max(other.last_good),
            longest: self.longest.max(other.longest),
            n_good: self.n_good + other.n_good,
            n_failed: self.n_failed + other.n_failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_in_calm_weather_are_waiting_and_an_answer_ends_it() {
        let (weather, mut patience) = (Weather::default(), Patience::default());
        patience.good();
        patience.failed(&weather);
        assert_eq!(patience.longest, Duration::ZERO, "a spell goes on");
        weather.calm();
        patience.failed(&weather);
        let first = patience.longest;
        assert!(first > Duration::ZERO);
        patience.failed(&weather);
        assert!(patience.longest > first, "still no answer");
        patience.last_good = SystemClock.uptime() + Duration::from_secs(1);
        let longest = patience.longest;
        patience.failed(&weather);
        assert_eq!(patience.longest, longest, "there was an answer since");
        assert_eq!((patience.n_good, patience.n_failed), (1, 4));
    }
}
