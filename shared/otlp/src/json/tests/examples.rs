//! Requests shaped like the four examples of the specification (a trace, metrics, logs, an event), field by field.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use super::*;

const TRACE_ID: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const SPAN_ID: u64 = 0x00f0_67aa_0ba9_02b7;
/// The times in the examples.
const START: u64 = 1_795_166_400_000_000_000;
const MINUTE: u64 = 60_000_000_000;

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn resource(service: &str) -> Option<Resource> {
    Some(Resource { attributes: vec![text("service.name", service)], ..Default::default() })
}

fn scope(name: &str) -> Option<InstrumentationScope> {
    let attributes = vec![text("scope.note", "of the scope")];
    Some(InstrumentationScope { name: name.into(), version: "2.1.0".into(), attributes, ..Default::default() })
}

fn decoded<M: Message + Default>(signal: Signal, json: &str) -> M {
    let wire = to_protobuf(signal, json.as_bytes()).expect("valid JSON");
    M::decode(&wire[..]).expect("valid protobuf")
}

#[test]
fn a_trace() {
    let span = Span {
        trace_id: TRACE_ID.to_be_bytes().to_vec(),
        span_id: SPAN_ID.to_be_bytes().to_vec(),
        parent_span_id: (SPAN_ID - 1).to_be_bytes().to_vec(),
        name: "POST /orders".into(),
        start_time_unix_nano: START,
        end_time_unix_nano: START + 250_000_000,
        kind: 2,
        attributes: vec![pair("order.items", Value::IntValue(3))],
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans { scope: scope("shop.http"), spans: vec![span], ..Default::default() }];
    let resource_spans = vec![ResourceSpans { resource: resource("checkout"), scope_spans, ..Default::default() }];
    let found: ExportTraceServiceRequest = decoded(Signal::Traces, include_str!("trace.json"));
    assert_eq!(found, ExportTraceServiceRequest { resource_spans });
}

#[test]
fn metrics() {
    let metric = |name: &str, unit: &str, description: &str, data: Data| Metric {
        name: name.into(),
        unit: unit.into(),
        description: description.into(),
        data: Some(data),
        ..Default::default()
    };
    let (start_time_unix_nano, time_unix_nano) = (START, START + MINUTE);
    let order = NumberDataPoint {
        start_time_unix_nano,
        time_unix_nano,
        value: Some(number_data_point::Value::AsDouble(5.0)),
        attributes: vec![text("currency", "EUR")],
        ..Default::default()
    };
    let cart =
        NumberDataPoint { time_unix_nano, value: Some(number_data_point::Value::AsInt(10)), ..Default::default() };
    let wait = HistogramDataPoint {
        start_time_unix_nano,
        time_unix_nano,
        count: 2,
        sum: Some(2.0),
        bucket_counts: vec![1, 1],
        explicit_bounds: vec![1.0],
        min: Some(0.0),
        max: Some(2.0),
        ..Default::default()
    };
    let size = ExponentialHistogramDataPoint {
        start_time_unix_nano,
        time_unix_nano,
        count: 3,
        sum: Some(10.0),
        zero_count: 1,
        positive: Some(Buckets { offset: 1, bucket_counts: vec![0, 2] }),
        min: Some(0.0),
        max: Some(5.0),
        ..Default::default()
    };
    let delta = 1;
    let sum = Sum { data_points: vec![order], aggregation_temporality: delta, is_monotonic: true };
    let histogram = Histogram { data_points: vec![wait], aggregation_temporality: delta };
    let exponential = ExponentialHistogram { data_points: vec![size], aggregation_temporality: delta };
    let metrics = vec![
        metric("orders", "1", "Orders paid", Data::Sum(sum)),
        metric("carts", "1", "Carts that are open", Data::Gauge(Gauge { data_points: vec![cart] })),
        metric("wait", "s", "How long a payment took", Data::Histogram(histogram)),
        metric("size", "By", "How large an order was", Data::ExponentialHistogram(exponential)),
    ];
    let scope_metrics = vec![ScopeMetrics { scope: scope("shop.meters"), metrics, ..Default::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: resource("checkout"), scope_metrics, ..Default::default() }];
    let found: ExportMetricsServiceRequest = decoded(Signal::Metrics, include_str!("metrics.json"));
    assert_eq!(found, ExportMetricsServiceRequest { resource_metrics });
}

fn logs(service: &str, scope: Option<InstrumentationScope>, record: LogRecord) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs { scope, log_records: vec![record], ..Default::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: resource(service), scope_logs, ..Default::default() }],
    }
}

#[test]
fn logs_with_a_value_of_each_type() {
    let any = |text: &str| AnyValue { value: Some(Value::StringValue(text.into())) };
    let record = LogRecord {
        time_unix_nano: START,
        observed_time_unix_nano: START + 1,
        severity_number: 10,
        severity_text: "Information".into(),
        trace_id: TRACE_ID.to_be_bytes().to_vec(),
        span_id: SPAN_ID.to_be_bytes().to_vec(),
        body: Some(any("order paid")),
        attributes: vec![
            text("text", "some text"),
            pair("flag", Value::BoolValue(true)),
            pair("int", Value::IntValue(10)),
            pair("double", Value::DoubleValue(42.125)),
            pair("bytes", Value::BytesValue(vec![0xde, 0xad, 0xbe, 0xef])),
            pair("list", Value::ArrayValue(ArrayValue { values: vec![any("two"), any("values")] })),
            pair("map", Value::KvlistValue(KeyValueList { values: vec![text("inner", "value")] })),
        ],
        ..Default::default()
    };
    let found: ExportLogsServiceRequest = decoded(Signal::Logs, include_str!("logs.json"));
    assert_eq!(found, logs("checkout", scope("shop.log"), record));
}

#[test]
fn an_event() {
    let url = text("url", "https://shop.example/cart");
    let body = KeyValueList { values: vec![pair("type", Value::IntValue(0)), url] };
    let record = LogRecord {
        time_unix_nano: START,
        observed_time_unix_nano: START,
        severity_number: 9,
        event_name: "browser.page_view".into(),
        body: Some(AnyValue { value: Some(Value::KvlistValue(body)) }),
        ..Default::default()
    };
    let browser = InstrumentationScope { name: "shop.browser".into(), version: "2.1.0".into(), ..Default::default() };
    let found: ExportLogsServiceRequest = decoded(Signal::Logs, include_str!("event.json"));
    assert_eq!(found, logs("storefront", Some(browser), record));
}

#[test]
fn a_map_as_a_bare_list_is_refused_with_its_name() {
    // So in earlier editions of the event example.
    let json = include_str!("event.json");
    let start = json.find("{\n                  \"values\": [").expect("the body's map");
    let bare = json[start..].replacen("{\n                  \"values\": [", "[", 1);
    let bare = format!("{}{}", &json[..start], bare.replacen("]\n                }", "]", 1));
    let error = to_protobuf(Signal::Logs, bare.as_bytes()).expect_err("a list");
    assert_eq!(error.message, "`kvlistValue` of AnyValue must be an object, found a list");
}
