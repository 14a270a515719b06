//! What an operator sets per project.

use serde::{Deserialize, Serialize};

use crate::{MICROS_PER_DAY, Micros, TableName};

/// Settings of one project; absent fields take the defaults, so that old items still read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectSettings {
    /// Days that logs and spans are kept.
    pub retention_days_logs_and_spans: u32,
    /// Days that metrics are kept.
    pub retention_days_metrics: u32,
    /// OTLP requests a second, over all keys; above it 429.
    pub requests_per_second_max: u32,
    /// Decompressed OTLP bytes a UTC day; above it 429.
    pub bytes_per_day_max: u64,
}

impl Default for ProjectSettings {
    fn default() -> Self {
        Self {
            retention_days_logs_and_spans: 30,
            retention_days_metrics: 90,
            requests_per_second_max: 2_000,
            bytes_per_day_max: 1 << 40,
        }
    }
}

impl ProjectSettings {
    pub fn retention_days(&self, table: TableName) -> u32 {
        match table {
            TableName::LogsAndSpans => self.retention_days_logs_and_spans,
            TableName::Metrics => self.retention_days_metrics,
        }
    }

    /// The accepted times of a record that arrives at `now`: from `now` - retention to `now` + 24 h.
    pub fn accepted(&self, table: TableName, now: Micros) -> crate::TimeRange {
        let kept = Micros::from(self.retention_days(table)) * MICROS_PER_DAY;
        crate::TimeRange::new(now - kept, now + MICROS_PER_DAY)
    }
}
