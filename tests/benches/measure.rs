//! Time, medians and percentiles.

use std::time::Duration;

use clock::{Clock, SystemClock};
use rustix::time::{ClockId, clock_gettime};

/// Runs from when it is made.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Duration);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(SystemClock.uptime())
    }

    pub(crate) fn elapsed(self) -> Duration {
        SystemClock.uptime() - self.0
    }
}

/// CPU time of this thread: what others do on the same cores is not in it.
pub(crate) fn thread_cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), t.tv_nsec as u32)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value that `percent` of all are not above; NaN of none.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    sorted[(percent / 100.0 * last as f64).round() as usize]
}

/// Half the distance between the quartiles, in percent of the median: how far runs of the same thing were apart.
pub(crate) fn spread_percent(values: &[f64]) -> f64 {
    (percentile(values, 75.0) - percentile(values, 25.0)) / 2.0 / median(values) * 100.0
}
