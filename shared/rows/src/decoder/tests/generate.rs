//! Random OTLP messages: mostly what SDKs send, with every oddity that the decoder has a rule for.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{DAY, NOW};
use crate::promoted::{Place, promoted};

/// Draws messages; the same seed draws the same.
pub(super) struct Generator(StdRng);

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.random_range(0..n)
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn some<T>(&mut self, max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(max + 1)).map(|_| make(self)).collect()
    }

    pub(super) fn traces(&mut self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: self.some(3, |g| ResourceSpans {
                resource: g.resource(),
                scope_spans: g.some(3, |g| ScopeSpans {
                    scope: g.scope(),
                    spans: g.some(6, Self::span),
                    schema_url: g.url(),
                }),
                schema_url: g.url(),
            }),
        }
    }

    pub(super) fn logs(&mut self) -> ExportLogsServiceRequest {
        ExportLogsServiceRequest {
            resource_logs: self.some(3, |g| ResourceLogs {
                resource: g.resource(),
                scope_logs: g.some(3, |g| ScopeLogs {
                    scope: g.scope(),
                    log_records: g.some(6, Self::log),
                    schema_url: g.url(),
                }),
                schema_url: g.url(),
            }),
        }
    }

    pub(super) fn metrics(&mut self) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest {
            resource_metrics: self.some(3, |g| ResourceMetrics {
                resource: g.resource(),
                scope_metrics: g.some(3, |g| ScopeMetrics {
                    scope: g.scope(),
                    metrics: g.some(4, Self::metric),
                    schema_url: g.url(),
                }),
                schema_url: g.url(),
            }),
        }
    }

    fn resource(&mut self) -> Option<Resource> {
        if self.one_in(6) {
            return None;
        }
        Some(Resource {
            attributes: self.attributes(Place::Resource),
            dropped_attributes_count: self.dropped(),
            entity_refs: if self.one_in(4) {
                self.some(2, |g| EntityRef {
                    schema_url: g.url(),
                    r#type: g.word(),
                    id_keys: g.some(2, Self::word),
                    description_keys: g.some(2, Self::word),
                })
            } else {
                Vec::new()
            },
        })
    }

    fn scope(&mut self) -> Option<InstrumentationScope> {
        if self.one_in(6) {
            return None;
        }
        Some(InstrumentationScope {
            name: self.word(),
            version: self.one_of(&["", "1.0"]).to_owned(),
            attributes: if self.one_in(3) { self.attributes(Place::Attributes) } else { Vec::new() },
            dropped_attributes_count: self.dropped(),
        })
    }

    fn span(&mut self) -> Span {
        let start = self.time();
        Span {
            trace_id: self.id(16),
            span_id: self.id(8),
            trace_state: self.one_of(&["", "a=b"]).to_owned(),
            parent_span_id: self.optional_id(8),
            flags: self.one_of(&[0, 1, 0x101, 0x301, u32::MAX]),
            name: self.word(),
            kind: self.one_of(&[0, 1, 2, 2, 2, 3, 3, 4, 5, 6, 99, -1]),
            start_time_unix_nano: start,
            end_time_unix_nano: match self.below(6) {
                0 => 0,
                1 => start.saturating_sub(5),
                2 => u64::MAX,
                _ => start.saturating_add(self.below(1_000_000_000) as u64),
            },
            attributes: self.attributes(Place::Attributes),
            dropped_attributes_count: self.dropped(),
            events: if self.one_in(3) {
                self.some(3, |g| Event {
                    time_unix_nano: g.one_of(&[0, 1, NOW as u64 * 1_000 + 7]),
                    name: g.one_of(&["", "exception", "retry"]).to_owned(),
                    attributes: g.attributes(Place::Attributes),
                    dropped_attributes_count: g.dropped(),
                })
            } else {
                Vec::new()
            },
            dropped_events_count: self.dropped(),
            links: if self.one_in(3) {
                self.some(2, |g| Link {
                    trace_id: g.optional_id(16),
                    span_id: g.optional_id(8),
                    trace_state: g.word(),
                    attributes: g.attributes(Place::Attributes),
                    dropped_attributes_count: g.dropped(),
                    flags: g.one_of(&[0, 1, 0x300]),
                })
            } else {
                Vec::new()
            },
            dropped_links_count: self.dropped(),
            status: if self.one_in(3) {
                None
            } else {
                Some(Status { message: self.word(), code: self.one_of(&[0, 1, 2, 3]) })
            },
        }
    }

    fn log(&mut self) -> LogRecord {
        LogRecord {
            time_unix_nano: self.time(),
            observed_time_unix_nano: self.time(),
            severity_number: self.one_of(&[0, 1, 9, 13, 17, 24, 25, -3]),
            severity_text: self.one_of(&["", "INFO", "Warning", "loud"]).to_owned(),
            body: if self.one_in(5) { None } else { Some(self.any(0)) },
            attributes: self.attributes(Place::Attributes),
            dropped_attributes_count: self.dropped(),
            flags: self.one_of(&[0, 1, 1 << 31, u32::MAX]),
            trace_id: self.optional_id(16),
            span_id: self.optional_id(8),
            event_name: self.one_of(&["", "browser.page_view"]).to_owned(),
        }
    }

    fn metric(&mut self) -> Metric {
        let aggregation_temporality = self.one_of(&[0, 1, 2, 7]);
        let data = match self.below(6) {
            0 => Some(Data::Gauge(Gauge { data_points: self.some(4, Self::number_point) })),
            1 => Some(Data::Sum(Sum {
                data_points: self.some(4, Self::number_point),
                aggregation_temporality,
                is_monotonic: self.one_in(2),
            })),
            2 => Some(Data::Histogram(Histogram {
                data_points: self.some(4, Self::histogram_point),
                aggregation_temporality,
            })),
            3 => Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points: self.some(4, Self::exponential_point),
                aggregation_temporality,
            })),
            4 => Some(Data::Summary(Summary { data_points: self.some(4, Self::summary_point) })),
            _ => None,
        };
        Metric {
            name: self.word(),
            description: self.word(),
            unit: self.one_of(&["", "ms", "1"]).to_owned(),
            metadata: if self.one_in(4) { self.attributes(Place::Attributes) } else { Vec::new() },
            data,
        }
    }

    fn number_point(&mut self) -> NumberDataPoint {
        NumberDataPoint {
            attributes: self.attributes(Place::Attributes),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            exemplars: self.exemplars(),
            flags: self.point_flags(),
            value: match self.below(5) {
                0 => None,
                1 | 2 => Some(number_data_point::Value::AsInt(self.int())),
                _ => Some(number_data_point::Value::AsDouble(self.double())),
            },
        }
    }

    fn histogram_point(&mut self) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: self.attributes(Place::Attributes),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.count(),
            sum: self.maybe_double(),
            bucket_counts: self.some(4, Self::count),
            explicit_bounds: self.some(3, Self::double),
            exemplars: self.exemplars(),
            flags: self.point_flags(),
            min: self.maybe_double(),
            max: self.maybe_double(),
        }
    }

    fn exponential_point(&mut self) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            attributes: self.attributes(Place::Attributes),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.count(),
            sum: self.maybe_double(),
            scale: self.one_of(&[0, 3, -3, i32::MIN]),
            zero_count: self.count(),
            positive: self.buckets(),
            negative: self.buckets(),
            flags: self.point_flags(),
            exemplars: self.exemplars(),
            min: self.maybe_double(),
            max: self.maybe_double(),
            zero_threshold: self.one_of(&[0.0, 0.5]),
        }
    }

    fn summary_point(&mut self) -> SummaryDataPoint {
        SummaryDataPoint {
            attributes: self.attributes(Place::Attributes),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.count(),
            sum: self.double(),
            quantile_values: self.some(3, |g| ValueAtQuantile { quantile: g.double(), value: g.double() }),
            flags: self.point_flags(),
        }
    }

    fn buckets(&mut self) -> Option<Buckets> {
        self.one_in(2).then(|| Buckets { offset: self.one_of(&[0, -5, 100]), bucket_counts: self.some(4, Self::count) })
    }

    fn exemplars(&mut self) -> Vec<Exemplar> {
        if !self.one_in(4) {
            return Vec::new();
        }
        self.some(2, |g| Exemplar {
            filtered_attributes: g.attributes(Place::Attributes),
            time_unix_nano: g.one_of(&[0, NOW as u64 * 1_000]),
            span_id: g.optional_id(8),
            trace_id: g.optional_id(16),
            value: match g.below(3) {
                0 => None,
                1 => Some(exemplar::Value::AsInt(g.int())),
                _ => Some(exemplar::Value::AsDouble(g.double())),
            },
        })
    }

    /// Keys without repeats: promoted ones, older spellings, others.
    fn attributes(&mut self, place: Place) -> Vec<KeyValue> {
        let mut attributes: Vec<KeyValue> = Vec::new();
        for _ in 0..self.below(7) {
            let known = &promoted(place)[self.below(promoted(place).len())];
            let key = match self.below(4) {
                0 | 1 => known.key.to_owned(),
                2 if !known.older.is_empty() => known.older[self.below(known.older.len())].key.to_owned(),
                _ if self.one_in(6) => self
                    .one_of(&["exception.type", "exception.message", "exception.stacktrace", "service.name"])
                    .to_owned(),
                _ => self.word(),
            };
            if attributes.iter().all(|other| other.key != key) {
                let value = if self.one_in(12) { None } else { Some(self.any(0)) };
                attributes.push(KeyValue { key, value, ..KeyValue::default() });
            }
        }
        attributes
    }

    fn any(&mut self, depth: usize) -> AnyValue {
        let value = match self.below(if depth < 3 { 12 } else { 9 }) {
            0 => None,
            1 => Some(Value::BoolValue(self.one_in(2))),
            2 | 3 => Some(Value::IntValue(self.int())),
            4 => Some(Value::DoubleValue(self.double())),
            5 => Some(Value::BytesValue(self.some(5, |g| g.below(256) as u8))),
            6..=9 => Some(Value::StringValue(self.word())),
            10 => Some(Value::ArrayValue(ArrayValue { values: self.some(3, |g| g.any(depth + 1)) })),
            _ => Some(Value::KvlistValue(KeyValueList {
                values: self.some(3, |g| KeyValue {
                    key: g.word(),
                    value: if g.one_in(6) { None } else { Some(g.any(depth + 1)) },
                    ..KeyValue::default()
                }),
            })),
        };
        AnyValue { value }
    }

    fn word(&mut self) -> String {
        const WORDS: [&str; 18] = [
            "",
            "a",
            "GET",
            "200",
            "-7",
            "1.5",
            "true",
            "false",
            "/search?q=1&r=?",
            "/path",
            "línea\n\"quoted\"\\ \u{1}",
            "🦀",
            "a rather long text that goes on for more than thirty-two bytes",
            "app.custom.key",
            "99999999999999999999",
            "NaN",
            "+5",
            "Traceback (most recent call last):\n  File \"/app/x.py\", line 3, in f\nE: x",
        ];
        self.one_of(&WORDS).to_owned()
    }

    fn url(&mut self) -> String {
        self.one_of(&["", "", "https://opentelemetry.io/schemas/1.26.0"]).to_owned()
    }

    fn int(&mut self) -> i64 {
        self.one_of(&[0, 1, -1, 200, 443, 1 << 53, (1 << 53) + 1, i64::MAX, i64::MIN])
    }

    fn double(&mut self) -> f64 {
        self.one_of(&[
            0.0,
            -0.0,
            1.0,
            200.0,
            0.1,
            -1e300,
            5e-324,
            9_007_199_254_740_993.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ])
    }

    fn maybe_double(&mut self) -> Option<f64> {
        self.one_in(2).then(|| self.double())
    }

    fn count(&mut self) -> u64 {
        self.one_of(&[0, 1, 5, 300, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX])
    }

    fn point_flags(&mut self) -> u32 {
        self.one_of(&[0, 0, 0, 1, 2, u32::MAX])
    }

    fn dropped(&mut self) -> u32 {
        self.one_of(&[0, 0, 0, 1, 300, u32::MAX])
    }

    /// Mostly accepted; sometimes none, sometimes outside.
    fn time(&mut self) -> u64 {
        let nanos = |micros: i64| micros as u64 * 1_000;
        match self.below(12) {
            0 => 0,
            1 => nanos(NOW - 31 * DAY),
            2 => self.one_of(&[1, nanos(NOW + 2 * DAY), u64::MAX, i64::MAX as u64 + 1]),
            3 => self.one_of(&[nanos(NOW - 30 * DAY), nanos(NOW + DAY) - 1, nanos(NOW + DAY)]),
            _ => nanos(NOW - self.below(1_000_000_000) as i64) + self.below(1_000) as u64,
        }
    }

    fn id(&mut self, length: usize) -> Vec<u8> {
        match self.below(15) {
            0 => self.some(20, |g| g.below(256) as u8),
            1 => vec![0; length],
            _ => (0..length).map(|_| self.below(256) as u8).collect(),
        }
    }

    fn optional_id(&mut self, length: usize) -> Vec<u8> {
        if self.one_in(3) { Vec::new() } else { self.id(length) }
    }
}
