//! Request bodies whose every record is known: made from who sends it and its number, so that nobody has to keep them.
//!
//! | column | what the soak keeps in it |
//! |---|---|
//! | `resource___service___name` | the producer |
//! | `attributes___thread___id` | the body's number, counted per producer |
//! | `attributes___messaging___message___id` | the record: producer, body and place |
//! | `attributes___http___response___body___size` | the record's weight; a body's weights add up to its checksum |

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use model::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::{Value as Json, json};
use testkit::telemetry::{attribute, text};

use super::dice::mixed;

const STEP_NANOS: u64 = 1_000;
/// Weights have 32 bits, so that the sum over any body is exact in a JSON number.
const WEIGHT_BITS: u32 = 32;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyOf<'a> {
    pub(super) producer: &'a str,
    pub(super) signal: Signal,
    pub(super) number: u64,
    pub(super) n_records: u32,
    /// Of its first record.
    pub(super) start_unix_nano: u64,
}

/// As which media type it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Protobuf,
    Json,
}

impl Media {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Media::Protobuf => "application/x-protobuf",
            Media::Json => "application/json",
        }
    }
}

/// As which content encoding: none, `gzip` or `zstd`.
pub(super) const ENCODINGS: [Option<&str>; 3] = [None, Some("gzip"), Some("zstd")];

pub(super) fn encoded(encoding: Option<&str>, raw: &[u8]) -> Vec<u8> {
    match encoding {
        Some("gzip") => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(raw).and_then(|()| encoder.finish()).expect("memory takes it")
        }
        Some("zstd") => zstd::encode_all(raw, 1).expect("memory takes it"),
        _ => raw.to_vec(),
    }
}

impl BodyOf<'_> {
    /// What the weights of all its records add up to.
    pub(super) fn checksum(&self) -> u64 {
        (0..self.n_records).map(|place| self.weight(place)).sum()
    }

    pub(super) fn bytes(&self, media: Media) -> Vec<u8> {
        match media {
            Media::Protobuf => self.protobuf(),
            Media::Json => serde_json::to_vec(&self.json()).expect("text and numbers"),
        }
    }

    fn id(&self, place: u32) -> String {
        format!("{}/{}/{place}", self.producer, self.number)
    }

    /// Depends on all that tells a record from the others.
    fn mixed(&self, place: u32) -> u64 {
        let producer = self.producer.bytes().fold(0, |all, byte| mixed(all ^ u64::from(byte)));
        mixed(mixed(producer ^ self.number) ^ u64::from(place)) | 1
    }

    fn weight(&self, place: u32) -> u64 {
        self.mixed(place) >> (u64::BITS - WEIGHT_BITS)
    }

    fn time(&self, place: u32) -> u64 {
        self.start_unix_nano + u64::from(place) * STEP_NANOS
    }

    fn trace_id(&self) -> [u8; 16] {
        (u128::from(self.mixed(u32::MAX)) << 64 | u128::from(self.number)).to_be_bytes()
    }

    fn note(&self, place: u32) -> String {
        format!("item {} of shelf {}", self.mixed(place) % 10_000, place % 7)
    }

    fn attributes(&self, place: u32) -> Vec<KeyValue> {
        vec![
            attribute("thread.id", Value::IntValue(self.number as i64)),
            attribute("messaging.message.id", text(self.id(place))),
            attribute("http.response.body.size", Value::IntValue(self.weight(place) as i64)),
            attribute("soak.note", text(self.note(place))),
        ]
    }

    fn protobuf(&self) -> Vec<u8> {
        let name = attribute("service.name", text(self.producer));
        let resource = Some(Resource { attributes: vec![name], ..Default::default() });
        let places = 0..self.n_records;
        match self.signal {
            Signal::Traces => {
                let spans = places.map(|place| self.span(place)).collect();
                let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
                let resource_spans = vec![ResourceSpans { resource, scope_spans, ..Default::default() }];
                ExportTraceServiceRequest { resource_spans }.encode_to_vec()
            }
            Signal::Logs => {
                let log_records = places.map(|place| self.log(place)).collect();
                let scope_logs = vec![ScopeLogs { log_records, ..Default::default() }];
                let resource_logs = vec![ResourceLogs { resource, scope_logs, ..Default::default() }];
                ExportLogsServiceRequest { resource_logs }.encode_to_vec()
            }
            Signal::Metrics => {
                let data = Data::Gauge(Gauge { data_points: places.map(|place| self.point(place)).collect() });
                let metrics = vec![Metric { name: "soak.weight".into(), data: Some(data), ..Default::default() }];
                let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
                let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..Default::default() }];
                ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
            }
        }
    }

    fn span(&self, place: u32) -> Span {
        Span {
            trace_id: self.trace_id().to_vec(),
            span_id: self.mixed(place).to_be_bytes().to_vec(),
            name: format!("GET /shelf/{}", place % 7),
            kind: 2,
            start_time_unix_nano: self.time(place),
            end_time_unix_nano: self.time(place) + self.weight(place),
            attributes: self.attributes(place),
            ..Default::default()
        }
    }

    fn log(&self, place: u32) -> LogRecord {
        LogRecord {
            time_unix_nano: self.time(place),
            severity_number: 9,
            body: Some(AnyValue { value: Some(text(self.note(place))) }),
            attributes: self.attributes(place),
            ..Default::default()
        }
    }

    fn point(&self, place: u32) -> NumberDataPoint {
        NumberDataPoint {
            time_unix_nano: self.time(place),
            attributes: self.attributes(place),
            value: Some(number_data_point::Value::AsInt(self.weight(place) as i64)),
            ..Default::default()
        }
    }

    fn json(&self) -> Json {
        let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": self.producer}}]});
        let records: Vec<Json> = (0..self.n_records).map(|place| self.json_record(place)).collect();
        match self.signal {
            Signal::Traces => json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": records}]}]}),
            Signal::Logs => json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}),
            Signal::Metrics => json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [
                {"name": "soak.weight", "gauge": {"dataPoints": records}}
            ]}]}]}),
        }
    }

    fn json_record(&self, place: u32) -> Json {
        let attributes = json!([
            {"key": "thread.id", "value": {"intValue": self.number.to_string()}},
            {"key": "messaging.message.id", "value": {"stringValue": self.id(place)}},
            {"key": "http.response.body.size", "value": {"intValue": self.weight(place)}},
            {"key": "soak.note", "value": {"stringValue": self.note(place)}},
        ]);
        let time = self.time(place).to_string();
        match self.signal {
            Signal::Traces => json!({
                "traceId": format!("{:032x}", u128::from_be_bytes(self.trace_id())),
                "spanId": format!("{:016x}", self.mixed(place)),
                "name": format!("GET /shelf/{}", place % 7),
                "kind": 2,
                "startTimeUnixNano": time,
                "endTimeUnixNano": (self.time(place) + self.weight(place)).to_string(),
                "attributes": attributes,
            }),
            Signal::Logs => json!({
                "timeUnixNano": time,
                "severityNumber": 9,
                "body": {"stringValue": self.note(place)},
                "attributes": attributes,
            }),
            Signal::Metrics => json!({
                "timeUnixNano": time,
                "asInt": self.weight(place).to_string(),
                "attributes": attributes,
            }),
        }
    }
}
