//! Time as the tables hold it: microseconds since 1970 UTC.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01 UTC.
pub type Micros = i64;

pub const MICROS_PER_HOUR: Micros = 3_600_000_000;
pub const MICROS_PER_DAY: Micros = 24 * MICROS_PER_HOUR;

/// From `start` (inside) to `end` (outside), microseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    pub start: Micros,
    pub end: Micros,
}

impl TimeRange {
    pub fn new(start: Micros, end: Micros) -> Self {
        Self { start, end }
    }

    pub fn contains(&self, at: Micros) -> bool {
        (self.start..self.end).contains(&at)
    }

    /// True if some time from `min` to `max`, both inside, lies in the range.
    pub fn touches(&self, min: Micros, max: Micros) -> bool {
        min < self.end && max >= self.start
    }
}

/// Days since 1970-01-01 UTC, as Arrow's Date32 counts.
pub fn day_of(at: Micros) -> i32 {
    i32::try_from(at.div_euclid(MICROS_PER_DAY)).unwrap_or(if at < 0 { i32::MIN } else { i32::MAX })
}

/// `2026-11-20T09`: the folder of a landing object's hour of arrival.
pub fn hour_path(at: Micros) -> String {
    DateTime::from_timestamp_micros(at).unwrap_or_default().format("%Y-%m-%dT%H").to_string()
}

/// RFC 3339 in UTC with six decimals: `2026-11-20T09:15:00.000001Z`.
pub fn rfc3339(at: Micros) -> String {
    DateTime::from_timestamp_micros(at).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_before_1970_round_down() {
        assert_eq!(day_of(-1), -1);
        assert_eq!(day_of(0), 0);
        assert_eq!(day_of(MICROS_PER_DAY - 1), 0);
        assert_eq!(rfc3339(1), "1970-01-01T00:00:00.000001Z");
        assert_eq!(hour_path(MICROS_PER_DAY + MICROS_PER_HOUR), "1970-01-02T01");
    }

    #[test]
    fn a_range_ends_before_its_end() {
        let range = TimeRange::new(10, 20);
        assert!(range.touches(5, 10) && range.touches(19, 30) && !range.touches(20, 30) && !range.touches(0, 9));
    }
}
