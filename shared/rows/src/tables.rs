//! The columns that every row has by itself; the promoted ones are in `promoted`, put together in `schema`.

use arrow_array::types::{Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::column::{Coded, Fixed, Flag, Known, NumberList, Text, TextList, table};

pub(crate) type Time = Fixed<TimestampMicrosecondType>;
pub(crate) type Int = Fixed<Int64Type>;
pub(crate) type ShortInt = Fixed<Int32Type>;
pub(crate) type Double = Fixed<Float64Type>;
pub(crate) type Date = Fixed<Date32Type>;

table! {
    /// `otel_logs_and_spans`.
    struct LogsAndSpans {
        project_id: Coded = "project_id",
        /// Of `timestamp`, UTC.
        date: Date = "date",
        /// `log` or `span`.
        signal: Known<codes::Signals> = "signal",
        /// Span start; log time, else observed time; else arrival.
        timestamp: Time = "timestamp",
        observed_timestamp: Time = "observed_timestamp",
        start_time: Time = "start_time",
        end_time: Time = "end_time",
        /// `timestamp` to the nanosecond.
        time_unix_nano: Int = "time_unix_nano",
        /// The span's id; for a log a UUID made from the body's hash and the record's place in it.
        id: Text = "id",
        parent_id: Text = "parent_id",
        /// The span's name; a log's event name.
        name: Text = "name",
        /// log, internal, server, client, producer, consumer, unspecified.
        kind: Known<codes::Kinds> = "kind",
        /// OK, ERROR, UNSET; null for logs.
        status_code: Known<codes::Statuses> = "status_code",
        status_message: Text = "status_message",
        /// TRACE, DEBUG, INFO, WARN, ERROR, FATAL.
        level: Known<codes::Levels> = "level",
        severity_text: Text = "severity___severity_text",
        severity_number: ShortInt = "severity___severity_number",
        /// A log's body; JSON text unless it is a string.
        body: Text = "body",
        /// Nanoseconds, spans only; null if the span has no start or no end, or ends past 2262.
        duration: Int = "duration",
        /// `err:<16 hex>` for each exception in the record.
        hashes: TextList = "hashes",
        trace_id: Text = "context___trace_id",
        span_id: Text = "context___span_id",
        trace_state: Text = "context___trace_state",
        /// All 32 bits as sent; the W3C trace flags are the low 8.
        trace_flags: Int = "context___trace_flags",
        /// JSON, as `links`.
        events: Text = "events",
        links: Text = "links",
        /// Bytes of the record on the wire; stands last in the table.
        message_size_bytes: Int = "message_size_bytes",
    }
}

table! {
    /// `otel_metrics`: a row per data point.
    struct Metrics {
        project_id: Coded = "project_id",
        date: Date = "date",
        /// Point time, else arrival.
        timestamp: Time = "timestamp",
        start_timestamp: Time = "start_timestamp",
        time_unix_nano: Int = "time_unix_nano",
        metric_name: Coded = "metric_name",
        /// gauge, sum, histogram, exponential_histogram, summary.
        metric_type: Known<codes::MetricTypes> = "metric_type",
        unit: Coded = "unit",
        description: Coded = "description",
        /// delta, cumulative, unspecified; null for gauges and summaries.
        temporality: Known<codes::Temporalities> = "temporality",
        /// Sums only.
        is_monotonic: Flag = "is_monotonic",
        /// 16 hex digits over name, resource, scope and attributes.
        series_id: Text = "series_id",
        /// Gauges and sums; set for integer points too.
        value: Double = "value",
        /// Gauges and sums sent as integers.
        value_int: Int = "value_int",
        count: Int = "count",
        sum: Double = "sum",
        min: Double = "min",
        max: Double = "max",
        bucket_counts: NumberList<Int64Type> = "bucket_counts",
        explicit_bounds: NumberList<Float64Type> = "explicit_bounds",
        scale: ShortInt = "scale",
        zero_count: Int = "zero_count",
        zero_threshold: Double = "zero_threshold",
        positive_offset: ShortInt = "positive_offset",
        positive_counts: NumberList<Int64Type> = "positive_counts",
        negative_offset: ShortInt = "negative_offset",
        negative_counts: NumberList<Int64Type> = "negative_counts",
        quantiles: NumberList<Float64Type> = "quantiles",
        quantile_values: NumberList<Float64Type> = "quantile_values",
        /// JSON.
        exemplars: Text = "exemplars",
        flags: Int = "flags",
    }
}

/// The values of the columns that can hold only a few, and their codes.
pub(crate) mod codes {
    use std::sync::{Arc, LazyLock};

    use arrow_array::{ArrayRef, StringArray};
    use otlp::view::metrics::MetricType;

    use crate::column::Words;

    /// Columns that hold one of a few words: `Column = WORDS`, made an array once.
    macro_rules! words {
        ($($column:ident = $words:ident,)*) => {$(
            pub(crate) enum $column {}

            impl Words for $column {
                fn words() -> ArrayRef {
                    static WORDS: LazyLock<ArrayRef> = LazyLock::new(|| Arc::new(StringArray::from($words.to_vec())));
                    Arc::clone(&WORDS)
                }
            }
        )*};
    }

    words! {
        Signals = SIGNALS,
        Kinds = KINDS,
        Statuses = STATUSES,
        Levels = LEVELS,
        MetricTypes = METRIC_TYPES,
        Temporalities = TEMPORALITIES,
    }

    pub(crate) const SIGNALS: [&str; 2] = ["span", "log"];
    pub(crate) const SIGNAL_SPAN: i32 = 0;
    pub(crate) const SIGNAL_LOG: i32 = 1;

    /// By the number of the span kind; a log's kind stands last.
    pub(crate) const KINDS: [&str; 7] = ["unspecified", "internal", "server", "client", "producer", "consumer", "log"];
    pub(crate) const KIND_UNSPECIFIED: i32 = 0;
    pub(crate) const KIND_LOG: i32 = 6;

    pub(crate) fn kind(span_kind: i32) -> i32 {
        if (1..KIND_LOG).contains(&span_kind) { span_kind } else { KIND_UNSPECIFIED }
    }

    /// By the number of the status code.
    pub(crate) const STATUSES: [&str; 3] = ["UNSET", "OK", "ERROR"];
    pub(crate) const STATUS_UNSET: i32 = 0;

    pub(crate) fn status(status_code: i32) -> i32 {
        if (1..=2).contains(&status_code) { status_code } else { STATUS_UNSET }
    }

    pub(crate) const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

    /// The level of a severity number, else of a severity text.
    pub(crate) fn level(number: i32, text: &[u8]) -> Option<i32> {
        if (1..=24).contains(&number) {
            return Some((number - 1) / 4);
        }
        const WORDS: [(&str, i32); 18] = [
            ("trace", 0),
            ("verbose", 0),
            ("debug", 1),
            ("info", 2),
            ("information", 2),
            ("informational", 2),
            ("notice", 2),
            ("warn", 3),
            ("warning", 3),
            ("error", 4),
            ("err", 4),
            ("severe", 4),
            ("fatal", 5),
            ("critical", 5),
            ("crit", 5),
            ("alert", 5),
            ("emergency", 5),
            ("panic", 5),
        ];
        let text = text.trim_ascii();
        WORDS.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(text)).map(|(_, level)| *level)
    }

    pub(crate) const METRIC_TYPES: [&str; 5] = ["gauge", "sum", "histogram", "exponential_histogram", "summary"];

    pub(crate) fn metric_type(kind: MetricType) -> i32 {
        match kind {
            MetricType::Gauge => 0,
            MetricType::Sum => 1,
            MetricType::Histogram => 2,
            MetricType::ExponentialHistogram => 3,
            MetricType::Summary => 4,
        }
    }

    /// By the number of the aggregation temporality.
    pub(crate) const TEMPORALITIES: [&str; 3] = ["unspecified", "delta", "cumulative"];
    pub(crate) const TEMPORALITY_UNSPECIFIED: i32 = 0;

    pub(crate) fn temporality(temporality: i32) -> i32 {
        if (1..=2).contains(&temporality) { temporality } else { TEMPORALITY_UNSPECIFIED }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_level_comes_from_the_number_else_from_the_text() {
            let cases: [(i32, &str, Option<&str>); 14] = [
                (1, "", Some("TRACE")),
                (4, "", Some("TRACE")),
                (5, "", Some("DEBUG")),
                (9, "ERROR", Some("INFO")),
                (16, "", Some("WARN")),
                (17, "", Some("ERROR")),
                (24, "", Some("FATAL")),
                (25, "", None),
                (0, "Information", Some("INFO")),
                (-1, " warning ", Some("WARN")),
                (0, "CRITICAL", Some("FATAL")),
                (0, "err", Some("ERROR")),
                (0, "loud", None),
                (0, "", None),
            ];
            for (number, text, expected) in cases {
                assert_eq!(
                    level(number, text.as_bytes()).map(|code| LEVELS[code as usize]),
                    expected,
                    "{number} {text}"
                );
            }
        }
    }
}
