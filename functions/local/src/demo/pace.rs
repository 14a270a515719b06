//! How busy the shop is, and when.

use model::{MICROS_PER_DAY, Micros};

/// How much happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Spans on an average day, with the rhythm of day and week: quiet at 3 h UTC, busy at 15 h, more on weekends.
    SpansPerDay(f64),
    /// Visits a second, the same at any hour. Each is a trace; an order makes a second one when it is shipped.
    TracesPerSecond(f64),
}

/// Spans of an average visit, with what follows from it; a test holds it to what the shop really makes.
const SPANS_PER_VISIT: f64 = 11.0;

const SECONDS_PER_DAY: f64 = 86_400.0;
/// How far the day swings around its mean, and the hour (UTC) when it is quietest.
const SWING: f64 = 0.7;
const QUIETEST_HOUR: f64 = 3.0;
/// Factors of Monday to Sunday; their mean is 1.
const WEEK: [f64; 7] = [0.88, 0.88, 0.90, 0.92, 0.97, 1.20, 1.25];

impl Scale {
    /// Traces that start, on average, in the second at `at`.
    pub(super) fn traces_per_second(self, at: Micros) -> f64 {
        match self {
            Self::SpansPerDay(spans) => spans / SPANS_PER_VISIT / SECONDS_PER_DAY * rhythm(at),
            Self::TracesPerSecond(traces) => traces,
        }
    }
}

/// How busy it is at `at`; 1 on average over a week.
pub(super) fn rhythm(at: Micros) -> f64 {
    let hour = (at.rem_euclid(MICROS_PER_DAY)) as f64 / 3.6e9;
    let day = 1.0 - SWING * ((hour - QUIETEST_HOUR) / 24.0 * std::f64::consts::TAU).cos();
    day * WEEK[weekday(at)]
}

/// 0 is Monday.
fn weekday(at: Micros) -> usize {
    // 1970-01-01 was a Thursday.
    usize::try_from((at.div_euclid(MICROS_PER_DAY) + 3).rem_euclid(7)).expect("a remainder of 7 is in 0..7")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Micros = 60_000_000;

    #[test]
    fn a_week_is_one_on_average_and_its_days_and_nights_differ() {
        let mean = (0..7 * 24 * 60).map(|minute| rhythm(minute * MINUTE)).sum::<f64>() / (7.0 * 24.0 * 60.0);
        assert!((mean - 1.0).abs() < 1e-3, "{mean}");
        let (night, noon) = (rhythm(3 * 60 * MINUTE), rhythm(15 * 60 * MINUTE));
        assert!(noon > 5.0 * night, "{noon} at 15 h, {night} at 3 h");
        let (thursday, sunday) = (rhythm(0), rhythm(3 * MICROS_PER_DAY));
        assert!(sunday > 1.3 * thursday);
    }

    #[test]
    fn spans_a_day_become_traces_a_second() {
        let day: f64 =
            (0..86_400).map(|second| Scale::SpansPerDay(110_000.0).traces_per_second(second * 1_000_000)).sum::<f64>()
                * SPANS_PER_VISIT;
        assert!((day - 110_000.0 * WEEK[3]).abs() < 10.0, "{day}");
        assert_eq!(Scale::TracesPerSecond(20.0).traces_per_second(7), 20.0);
    }
}
