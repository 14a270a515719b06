//! Protobuf's own structs as OTLP/JSON, in each of the spellings that the specification allows.
//!
//! Written beside the transcoder's tables and from the specification, so that each checks the other: what a struct says, spelled as
//! JSON and transcoded, must come back as the same struct.

use std::cell::Cell;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use otlp::json::to_protobuf;
use otlp::view::common::VALUE_DEPTH_MAX;
use serde_json::{Map, Value, json};

use super::request::Request;

/// Which of the allowed spellings: one bit a choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelling(u8);

impl Spelling {
    const NUMBERS_AS_TEXT: u8 = 1;
    const UPPER_CASE_IDS: u8 = 2;
    const URL_SAFE_BASE64: u8 = 4;
    const ENUMS_BY_NAME: u8 = 8;
    const NULLS: u8 = 16;
    const UNKNOWN_FIELDS: u8 = 32;

    /// Chosen by the bytes that are checked.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)))
    }

    fn has(self, choice: u8) -> bool {
        self.0 & choice != 0
    }
}

/// The request, spelled as JSON and transcoded, says the same in every field.
pub(super) fn check_spelling(request: &Request, spelling: Spelling) {
    let speller = Speller { spelling, sayable: Cell::new(true) };
    let json = speller.request(request);
    if !speller.sayable.get() {
        return;
    }
    let text = json.to_string();
    let wire = to_protobuf(request.signal(), text.as_bytes()).unwrap_or_else(|error| panic!("{error} in {text}"));
    let back = Request::decode(request.signal(), &wire).unwrap_or_else(|error| panic!("{error} of {text}"));
    assert_eq!(format!("{back:?}"), format!("{request:?}"), "{spelling:?}: {text}");
}

struct Speller {
    spelling: Spelling,
    /// False once something was met that JSON bodies do not say: references into the dictionary of profiles, and values nested
    /// deeper than the transcoder follows.
    sayable: Cell<bool>,
}

impl Speller {
    fn request(&self, request: &Request) -> Value {
        let name = match request {
            Request::Traces(_) => "resourceSpans",
            Request::Logs(_) => "resourceLogs",
            Request::Metrics(_) => "resourceMetrics",
        };
        let groups = match request {
            Request::Traces(request) => self.list(&request.resource_spans, |group| {
                let scopes = self.list(&group.scope_spans, |scope| {
                    let spans = self.list(&scope.spans, |span| self.span(span));
                    self.scope_group(scope.scope.as_ref(), ("spans", spans), &scope.schema_url)
                });
                self.resource_group(group.resource.as_ref(), ("scopeSpans", scopes), &group.schema_url)
            }),
            Request::Logs(request) => self.list(&request.resource_logs, |group| {
                let scopes = self.list(&group.scope_logs, |scope| {
                    let records = self.list(&scope.log_records, |record| self.log(record));
                    self.scope_group(scope.scope.as_ref(), ("logRecords", records), &scope.schema_url)
                });
                self.resource_group(group.resource.as_ref(), ("scopeLogs", scopes), &group.schema_url)
            }),
            Request::Metrics(request) => self.list(&request.resource_metrics, |group| {
                let scopes = self.list(&group.scope_metrics, |scope| {
                    let metrics = self.list(&scope.metrics, |metric| self.metric(metric));
                    self.scope_group(scope.scope.as_ref(), ("metrics", metrics), &scope.schema_url)
                });
                self.resource_group(group.resource.as_ref(), ("scopeMetrics", scopes), &group.schema_url)
            }),
        };
        self.object([(name, groups)])
    }

    fn resource_group(&self, resource: Option<&Resource>, scopes: (&str, Value), schema_url: &str) -> Value {
        let resource = resource.map(|resource| {
            self.object([
                ("attributes", self.attributes(&resource.attributes, 0)),
                ("droppedAttributesCount", json!(resource.dropped_attributes_count)),
                ("entityRefs", self.list(&resource.entity_refs, |entity| self.entity(entity))),
            ])
        });
        self.object([("resource", json!(resource)), scopes, ("schemaUrl", json!(schema_url))])
    }

    fn entity(&self, entity: &EntityRef) -> Value {
        self.object([
            ("schemaUrl", json!(entity.schema_url)),
            ("type", json!(entity.r#type)),
            ("idKeys", json!(entity.id_keys)),
            ("descriptionKeys", json!(entity.description_keys)),
        ])
    }

    fn scope_group(&self, scope: Option<&InstrumentationScope>, records: (&str, Value), schema_url: &str) -> Value {
        let scope = scope.map(|scope| {
            self.object([
                ("name", json!(scope.name)),
                ("version", json!(scope.version)),
                ("attributes", self.attributes(&scope.attributes, 0)),
                ("droppedAttributesCount", json!(scope.dropped_attributes_count)),
            ])
        });
        self.object([("scope", json!(scope)), records, ("schemaUrl", json!(schema_url))])
    }

    fn span(&self, span: &Span) -> Value {
        let status = span.status.as_ref().map(|Status { message, code }| {
            let code = self.named(*code, StatusCode::try_from(*code).ok().map(|code| code.as_str_name()));
            self.object([("message", json!(message)), ("code", code)])
        });
        self.object([
            ("traceId", self.id(&span.trace_id)),
            ("spanId", self.id(&span.span_id)),
            ("traceState", json!(span.trace_state)),
            ("parentSpanId", self.id(&span.parent_span_id)),
            ("flags", json!(span.flags)),
            ("name", json!(span.name)),
            ("kind", self.named(span.kind, SpanKind::try_from(span.kind).ok().map(|kind| kind.as_str_name()))),
            ("startTimeUnixNano", self.unsigned(span.start_time_unix_nano)),
            ("endTimeUnixNano", self.unsigned(span.end_time_unix_nano)),
            ("attributes", self.attributes(&span.attributes, 0)),
            ("droppedAttributesCount", json!(span.dropped_attributes_count)),
            ("events", self.list(&span.events, |event| self.event(event))),
            ("droppedEventsCount", json!(span.dropped_events_count)),
            ("links", self.list(&span.links, |link| self.link(link))),
            ("droppedLinksCount", json!(span.dropped_links_count)),
            ("status", json!(status)),
        ])
    }

    fn event(&self, event: &Event) -> Value {
        self.object([
            ("timeUnixNano", self.unsigned(event.time_unix_nano)),
            ("name", json!(event.name)),
            ("attributes", self.attributes(&event.attributes, 0)),
            ("droppedAttributesCount", json!(event.dropped_attributes_count)),
        ])
    }

    fn link(&self, link: &Link) -> Value {
        self.object([
            ("traceId", self.id(&link.trace_id)),
            ("spanId", self.id(&link.span_id)),
            ("traceState", json!(link.trace_state)),
            ("attributes", self.attributes(&link.attributes, 0)),
            ("droppedAttributesCount", json!(link.dropped_attributes_count)),
            ("flags", json!(link.flags)),
        ])
    }

    fn log(&self, log: &LogRecord) -> Value {
        let severity = SeverityNumber::try_from(log.severity_number).ok().map(|number| number.as_str_name());
        self.object([
            ("timeUnixNano", self.unsigned(log.time_unix_nano)),
            ("observedTimeUnixNano", self.unsigned(log.observed_time_unix_nano)),
            ("severityNumber", self.named(log.severity_number, severity)),
            ("severityText", json!(log.severity_text)),
            ("body", json!(log.body.as_ref().map(|body| self.any(body, 0)))),
            ("attributes", self.attributes(&log.attributes, 0)),
            ("droppedAttributesCount", json!(log.dropped_attributes_count)),
            ("flags", json!(log.flags)),
            ("traceId", self.id(&log.trace_id)),
            ("spanId", self.id(&log.span_id)),
            ("eventName", json!(log.event_name)),
        ])
    }

    fn metric(&self, metric: &Metric) -> Value {
        let points = |points| ("dataPoints", points);
        let data = match &metric.data {
            None => ("gauge", Value::Null),
            Some(Data::Gauge(gauge)) => {
                ("gauge", self.object([points(self.list(&gauge.data_points, |point| self.number_point(point)))]))
            }
            Some(Data::Sum(sum)) => {
                let fields = [
                    points(self.list(&sum.data_points, |point| self.number_point(point))),
                    self.temporality(sum.aggregation_temporality),
                    ("isMonotonic", json!(sum.is_monotonic)),
                ];
                ("sum", self.object(fields))
            }
            Some(Data::Histogram(histogram)) => {
                let fields = [
                    points(self.list(&histogram.data_points, |point| self.histogram_point(point))),
                    self.temporality(histogram.aggregation_temporality),
                ];
                ("histogram", self.object(fields))
            }
            Some(Data::ExponentialHistogram(histogram)) => {
                let fields = [
                    points(self.list(&histogram.data_points, |point| self.exponential_point(point))),
                    self.temporality(histogram.aggregation_temporality),
                ];
                ("exponentialHistogram", self.object(fields))
            }
            Some(Data::Summary(summary)) => {
                ("summary", self.object([points(self.list(&summary.data_points, |point| self.summary_point(point)))]))
            }
        };
        self.object([
            ("name", json!(metric.name)),
            ("description", json!(metric.description)),
            ("unit", json!(metric.unit)),
            data,
            ("metadata", self.attributes(&metric.metadata, 0)),
        ])
    }

    fn temporality(&self, number: i32) -> (&'static str, Value) {
        let name = AggregationTemporality::try_from(number).ok().map(|temporality| temporality.as_str_name());
        ("aggregationTemporality", self.named(number, name))
    }

    fn number_point(&self, point: &NumberDataPoint) -> Value {
        self.object([
            ("attributes", self.attributes(&point.attributes, 0)),
            ("startTimeUnixNano", self.unsigned(point.start_time_unix_nano)),
            ("timeUnixNano", self.unsigned(point.time_unix_nano)),
            match point.value {
                None => ("asInt", Value::Null),
                Some(number_data_point::Value::AsInt(number)) => ("asInt", self.signed(number)),
                Some(number_data_point::Value::AsDouble(number)) => ("asDouble", self.double(number)),
            },
            ("exemplars", self.list(&point.exemplars, |exemplar| self.exemplar(exemplar))),
            ("flags", json!(point.flags)),
        ])
    }

    fn histogram_point(&self, point: &HistogramDataPoint) -> Value {
        self.object([
            ("attributes", self.attributes(&point.attributes, 0)),
            ("startTimeUnixNano", self.unsigned(point.start_time_unix_nano)),
            ("timeUnixNano", self.unsigned(point.time_unix_nano)),
            ("count", self.unsigned(point.count)),
            ("sum", self.maybe_double(point.sum)),
            ("bucketCounts", self.list(&point.bucket_counts, |count| self.unsigned(*count))),
            ("explicitBounds", self.list(&point.explicit_bounds, |bound| self.double(*bound))),
            ("exemplars", self.list(&point.exemplars, |exemplar| self.exemplar(exemplar))),
            ("flags", json!(point.flags)),
            ("min", self.maybe_double(point.min)),
            ("max", self.maybe_double(point.max)),
        ])
    }

    fn exponential_point(&self, point: &ExponentialHistogramDataPoint) -> Value {
        self.object([
            ("attributes", self.attributes(&point.attributes, 0)),
            ("startTimeUnixNano", self.unsigned(point.start_time_unix_nano)),
            ("timeUnixNano", self.unsigned(point.time_unix_nano)),
            ("count", self.unsigned(point.count)),
            ("sum", self.maybe_double(point.sum)),
            ("scale", json!(point.scale)),
            ("zeroCount", self.unsigned(point.zero_count)),
            ("positive", json!(point.positive.as_ref().map(|buckets| self.buckets(buckets)))),
            ("negative", json!(point.negative.as_ref().map(|buckets| self.buckets(buckets)))),
            ("flags", json!(point.flags)),
            ("exemplars", self.list(&point.exemplars, |exemplar| self.exemplar(exemplar))),
            ("min", self.maybe_double(point.min)),
            ("max", self.maybe_double(point.max)),
            ("zeroThreshold", self.double(point.zero_threshold)),
        ])
    }

    fn buckets(&self, buckets: &Buckets) -> Value {
        let counts = self.list(&buckets.bucket_counts, |count| self.unsigned(*count));
        self.object([("offset", json!(buckets.offset)), ("bucketCounts", counts)])
    }

    fn summary_point(&self, point: &SummaryDataPoint) -> Value {
        let quantiles = self.list(&point.quantile_values, |at| {
            self.object([("quantile", self.double(at.quantile)), ("value", self.double(at.value))])
        });
        self.object([
            ("attributes", self.attributes(&point.attributes, 0)),
            ("startTimeUnixNano", self.unsigned(point.start_time_unix_nano)),
            ("timeUnixNano", self.unsigned(point.time_unix_nano)),
            ("count", self.unsigned(point.count)),
            ("sum", self.double(point.sum)),
            ("quantileValues", quantiles),
            ("flags", json!(point.flags)),
        ])
    }

    fn exemplar(&self, exemplar: &Exemplar) -> Value {
        self.object([
            ("filteredAttributes", self.attributes(&exemplar.filtered_attributes, 0)),
            ("timeUnixNano", self.unsigned(exemplar.time_unix_nano)),
            match exemplar.value {
                None => ("asDouble", Value::Null),
                Some(exemplar::Value::AsInt(number)) => ("asInt", self.signed(number)),
                Some(exemplar::Value::AsDouble(number)) => ("asDouble", self.double(number)),
            },
            ("spanId", self.id(&exemplar.span_id)),
            ("traceId", self.id(&exemplar.trace_id)),
        ])
    }

    fn attributes(&self, pairs: &[KeyValue], depth: usize) -> Value {
        self.list(pairs, |pair| {
            self.sayable.set(self.sayable.get() && pair.key_strindex == 0);
            let value = pair.value.as_ref().map(|value| self.any(value, depth));
            self.object([("key", json!(pair.key)), ("value", json!(value))])
        })
    }

    fn any(&self, any: &AnyValue, depth: usize) -> Value {
        if depth > VALUE_DEPTH_MAX {
            self.sayable.set(false);
            return Value::Null;
        }
        let field = match &any.value {
            None => ("stringValue", Value::Null),
            Some(Any::StringValue(text)) => ("stringValue", json!(text)),
            Some(Any::BoolValue(flag)) => ("boolValue", json!(flag)),
            Some(Any::IntValue(number)) => ("intValue", self.signed(*number)),
            Some(Any::DoubleValue(number)) => ("doubleValue", self.double(*number)),
            Some(Any::ArrayValue(list)) => {
                ("arrayValue", self.object([("values", self.list(&list.values, |item| self.any(item, depth + 1)))]))
            }
            Some(Any::KvlistValue(list)) => {
                ("kvlistValue", self.object([("values", self.attributes(&list.values, depth + 1))]))
            }
            Some(Any::BytesValue(bytes)) => ("bytesValue", json!(self.base64(bytes))),
            Some(Any::StringValueStrindex(_)) => {
                self.sayable.set(false);
                ("stringValue", Value::Null)
            }
        };
        self.object([field])
    }

    /// Fields that are null are left out, or not: both say the default.
    fn object<const N: usize>(&self, fields: [(&str, Value); N]) -> Value {
        let mut object = Map::new();
        if self.spelling.has(Spelling::UNKNOWN_FIELDS) {
            object.insert("unknown".to_owned(), json!([{"name": null}, 1, ["x"]]));
            object.insert("time_unix_nano".to_owned(), json!("the name in the .proto file is no name in JSON"));
        }
        for (name, value) in fields {
            if !value.is_null() || self.spelling.has(Spelling::NULLS) {
                object.insert(name.to_owned(), value);
            }
        }
        Value::Object(object)
    }

    fn list<T>(&self, items: &[T], spell: impl Fn(&T) -> Value) -> Value {
        items.iter().map(spell).collect()
    }

    fn unsigned(&self, number: u64) -> Value {
        if self.spelling.has(Spelling::NUMBERS_AS_TEXT) { json!(number.to_string()) } else { json!(number) }
    }

    fn signed(&self, number: i64) -> Value {
        if self.spelling.has(Spelling::NUMBERS_AS_TEXT) { json!(number.to_string()) } else { json!(number) }
    }

    fn double(&self, number: f64) -> Value {
        match number {
            number if number.is_nan() => json!("NaN"),
            f64::INFINITY => json!("Infinity"),
            f64::NEG_INFINITY => json!("-Infinity"),
            number if self.spelling.has(Spelling::NUMBERS_AS_TEXT) => json!(format!("{number:?}")),
            number => json!(number),
        }
    }

    fn maybe_double(&self, number: Option<f64>) -> Value {
        number.map_or(Value::Null, |number| self.double(number))
    }

    fn named(&self, number: i32, name: Option<&str>) -> Value {
        match name {
            Some(name) if self.spelling.has(Spelling::ENUMS_BY_NAME) => json!(name),
            _ => json!(number),
        }
    }

    fn id(&self, bytes: &[u8]) -> Value {
        let upper = self.spelling.has(Spelling::UPPER_CASE_IDS);
        let digits = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        Value::String(bytes.iter().map(digits).collect())
    }

    /// Standard and padded, or URL-safe and not.
    fn base64(&self, bytes: &[u8]) -> String {
        let is_url_safe = self.spelling.has(Spelling::URL_SAFE_BASE64);
        let (last_two, pad) = if is_url_safe { (b"-_", "") } else { (b"+/", "=") };
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
            for n in 0..4 {
                let digit = (bits >> (18 - 6 * n) & 0x3f) as u8;
                match digit {
                    _ if n > three.len() => text.push_str(pad),
                    0..26 => text.push(char::from(b'A' + digit)),
                    26..52 => text.push(char::from(b'a' + digit - 26)),
                    52..62 => text.push(char::from(b'0' + digit - 52)),
                    62.. => text.push(char::from(last_two[usize::from(digit - 62)])),
                }
            }
        }
        text
    }
}
