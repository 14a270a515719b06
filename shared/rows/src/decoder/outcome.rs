//! What became of the records of a body.

use model::{Micros, rfc3339};
use otlp::view::common::VALUE_DEPTH_MAX;

use super::BodyContext;

/// What became of one body; empty texts and lists where there is nothing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyOutcome {
    /// Rows added.
    pub rows: usize,
    /// Records refused; each is a span, a log record or a data point.
    pub rejected: u64,
    /// Why, with a count for each reason.
    pub rejected_message: String,
    /// What the sender should know of the records that were taken, besides `records_without_time`.
    pub warnings: Vec<String>,
    /// Records taken that have no time of their own: a retry of the same body stores them again.
    pub records_without_time: u64,
    /// Least and greatest `timestamp` of the rows; with no rows `time_min` is `Micros::MAX` and `time_max` `Micros::MIN`.
    pub time_min: Micros,
    pub time_max: Micros,
}

/// Why a record is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    TraceId,
    SpanId,
    ParentSpanId,
    Time,
    TooDeep,
    TooMany,
    TooLarge,
}

impl Refusal {
    const ALL: [Refusal; 7] = [
        Refusal::TraceId,
        Refusal::SpanId,
        Refusal::ParentSpanId,
        Refusal::Time,
        Refusal::TooDeep,
        Refusal::TooMany,
        Refusal::TooLarge,
    ];

    /// Whether part of the record may stand in the columns already.
    pub(super) fn comes_late(self) -> bool {
        self == Refusal::TooDeep
    }

    fn message(self, context: &BodyContext<'_>) -> String {
        match self {
            Refusal::TraceId => "the trace id is not 16 bytes, or missing where there must be one".to_owned(),
            Refusal::SpanId => "the span id is not 8 bytes, or missing where there must be one".to_owned(),
            Refusal::ParentSpanId => "the parent span id is not 8 bytes".to_owned(),
            Refusal::Time => {
                let (start, end) = (rfc3339(context.accepted.start), rfc3339(context.accepted.end));
                format!("the time is outside the accepted range from {start} to {end}")
            }
            Refusal::TooDeep => format!("a value is nested deeper than {VALUE_DEPTH_MAX} levels"),
            Refusal::TooMany => format!("a request may have {} records", context.records_max),
            Refusal::TooLarge => {
                "what the records share (resource, scope, metadata of a metric), repeated for each of them, would take \
                 too much room in the table"
                    .to_owned()
            }
        }
    }
}

/// Counts along the way.
#[derive(Debug)]
pub(super) struct Tally {
    refused: [u64; Refusal::ALL.len()],
    without_time: u64,
    time_min: Micros,
    time_max: Micros,
}

impl Default for Tally {
    fn default() -> Self {
        Self { refused: [0; Refusal::ALL.len()], without_time: 0, time_min: Micros::MAX, time_max: Micros::MIN }
    }
}

impl Tally {
    pub(super) fn refuse(&mut self, reason: Refusal, n_records: u64) {
        self.refused[reason as usize] += n_records;
    }

    #[inline]
    pub(super) fn take(&mut self, at: Micros, has_time: HasTime) {
        self.time_min = self.time_min.min(at);
        self.time_max = self.time_max.max(at);
        self.without_time += u64::from(has_time == HasTime::No);
    }

    pub(super) fn outcome(&self, rows: usize, n_lossy: u64, context: &BodyContext<'_>) -> BodyOutcome {
        let reasons = Refusal::ALL.iter().zip(self.refused).filter(|(_, n)| *n > 0);
        let messages: Vec<String> =
            reasons.map(|(reason, n)| format!("{n} rejected: {}", reason.message(context))).collect();
        BodyOutcome {
            rows,
            rejected: self.refused.iter().sum(),
            rejected_message: messages.join("; "),
            warnings: self.warnings(n_lossy),
            records_without_time: self.without_time,
            time_min: self.time_min,
            time_max: self.time_max,
        }
    }

    fn warnings(&self, n_lossy: u64) -> Vec<String> {
        let mut warnings = Vec::new();
        if n_lossy > 0 {
            warnings.push(format!("{n_lossy} texts were not UTF-8; what was broken in them is replaced by U+FFFD"));
        }
        warnings
    }
}

/// Whether a record brought its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HasTime {
    Yes,
    No,
}
