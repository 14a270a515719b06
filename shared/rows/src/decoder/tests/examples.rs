//! The JSON examples of the OTLP specification give the same rows as their protobuf.
//!
//! From opentelemetry-proto, folder `examples` (Apache-2.0), with white space taken out and the times moved into the accepted
//! range.

use model::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::{Row, decode, text};

const TIME: u64 = 1_795_000_000_300_000_000;

const RESOURCE_AND_SCOPE: &str =
    r#""resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}]}"#;
const SCOPE: &str = r#""scope":{"name":"my.library","version":"1.0.0","attributes":[{"key":"my.scope.attribute","value":{"stringValue":"some scope attribute"}}]}"#;

/// The rows of JSON and of protobuf, which must be the same.
fn same_rows(signal: Signal, json: &str, request: &impl Message) -> Vec<Row> {
    let wire = otlp::json::to_protobuf(signal, json.as_bytes()).expect("valid JSON");
    let (rows, _) = decode(signal, &wire).expect("valid protobuf");
    let (wanted, _) = decode(signal, &request.encode_to_vec()).expect("valid protobuf");
    assert_eq!(rows, wanted);
    rows
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn string(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn resource() -> Option<Resource> {
    Some(Resource { attributes: vec![string("service.name", "my.service")], ..Default::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "my.library".into(),
        version: "1.0.0".into(),
        attributes: vec![string("my.scope.attribute", "some scope attribute")],
        ..Default::default()
    })
}

fn id(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn traces() {
    let json = format!(
        r#"{{"resourceSpans":[{{{RESOURCE_AND_SCOPE},"scopeSpans":[{{{SCOPE},"spans":[{{
            "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","parentSpanId":"EEE19B7EC3C1B173",
            "name":"I'm a server span","startTimeUnixNano":"1795000000300000000","endTimeUnixNano":"1795000001300000000",
            "kind":2,"attributes":[{{"key":"my.span.attr","value":{{"stringValue":"some value"}}}}]}}]}}]}}]}}"#
    );
    let span = Span {
        trace_id: id("5B8EFFF798038103D269B633813FC60C"),
        span_id: id("EEE19B7EC3C1B174"),
        parent_span_id: id("EEE19B7EC3C1B173"),
        name: "I'm a server span".into(),
        start_time_unix_nano: TIME,
        end_time_unix_nano: TIME + 1_000_000_000,
        kind: 2,
        attributes: vec![string("my.span.attr", "some value")],
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans { scope: scope(), spans: vec![span], ..Default::default() }];
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: resource(), scope_spans, ..Default::default() }],
    };
    let rows = same_rows(Signal::Traces, &json, &request);
    assert_eq!(rows[0]["context___trace_id"], text("5b8efff798038103d269b633813fc60c"));
    assert_eq!(rows[0]["parent_id"], text("eee19b7ec3c1b173"));
    assert_eq!(rows[0]["resource"], text(r#"{"otel.scope.attributes":{"my.scope.attribute":"some scope attribute"}}"#));
}

#[test]
fn logs_and_events() {
    let json = format!(
        r#"{{"resourceLogs":[{{{RESOURCE_AND_SCOPE},"scopeLogs":[{{{SCOPE},"logRecords":[
        {{"timeUnixNano":"1795000000300000000","observedTimeUnixNano":"1795000000300000000","severityNumber":10,
          "severityText":"Information","traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
          "body":{{"stringValue":"Example log record"}},"attributes":[
            {{"key":"string.attribute","value":{{"stringValue":"some string"}}}},
            {{"key":"boolean.attribute","value":{{"boolValue":true}}}},
            {{"key":"int.attribute","value":{{"intValue":"10"}}}},
            {{"key":"double.attribute","value":{{"doubleValue":637.704}}}},
            {{"key":"array.attribute","value":{{"arrayValue":{{"values":[{{"stringValue":"many"}},{{"stringValue":"values"}}]}}}}}},
            {{"key":"map.attribute","value":{{"kvlistValue":{{"values":[{{"key":"some.map.key","value":{{"stringValue":"some value"}}}}]}}}}}}]}},
        {{"eventName":"browser.page_view","timeUnixNano":"1795000000300000000","observedTimeUnixNano":"1795000000300000000",
          "severityNumber":9,"severityText":"test severity text",
          "attributes":[{{"key":"event.attribute","value":{{"stringValue":"some event attribute"}}}}],
          "body":{{"kvlistValue":{{"values":[{{"key":"type","value":{{"intValue":"0"}}}},
            {{"key":"url","value":{{"stringValue":"https://www.guidgenerator.com/online-guid-generator.aspx"}}}}]}}}}}}]}}]}}]}}"#
    );
    let values = ["many", "values"].map(|item| AnyValue { value: Some(Value::StringValue(item.into())) }).to_vec();
    let record = LogRecord {
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME,
        severity_number: 10,
        severity_text: "Information".into(),
        trace_id: id("5B8EFFF798038103D269B633813FC60C"),
        span_id: id("EEE19B7EC3C1B174"),
        body: Some(AnyValue { value: Some(Value::StringValue("Example log record".into())) }),
        attributes: vec![
            string("string.attribute", "some string"),
            pair("boolean.attribute", Value::BoolValue(true)),
            pair("int.attribute", Value::IntValue(10)),
            pair("double.attribute", Value::DoubleValue(637.704)),
            pair("array.attribute", Value::ArrayValue(ArrayValue { values })),
            pair(
                "map.attribute",
                Value::KvlistValue(KeyValueList { values: vec![string("some.map.key", "some value")] }),
            ),
        ],
        ..Default::default()
    };
    let url = "https://www.guidgenerator.com/online-guid-generator.aspx";
    let body = KeyValueList { values: vec![pair("type", Value::IntValue(0)), string("url", url)] };
    let event = LogRecord {
        event_name: "browser.page_view".into(),
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME,
        severity_number: 9,
        severity_text: "test severity text".into(),
        attributes: vec![string("event.attribute", "some event attribute")],
        body: Some(AnyValue { value: Some(Value::KvlistValue(body)) }),
        ..Default::default()
    };
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records: vec![record, event], ..Default::default() }];
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: resource(), scope_logs, ..Default::default() }],
    };
    let rows = same_rows(Signal::Logs, &json, &request);
    assert_eq!(rows[0]["body"], text("Example log record"));
    assert_eq!(
        rows[0]["attributes"],
        text(
            r#"{"string.attribute":"some string","boolean.attribute":true,"int.attribute":10,"double.attribute":637.704,"array.attribute":["many","values"],"map.attribute":{"some.map.key":"some value"}}"#
        )
    );
    assert_eq!(rows[1]["name"], text("browser.page_view"));
    assert_eq!(rows[1]["body"], text(format!(r#"{{"type":0,"url":"{url}"}}"#)));
}

#[test]
fn metrics() {
    let times = r#""startTimeUnixNano":"1795000000300000000","timeUnixNano":"1795000000300000000""#;
    let attribute = r#""attributes":[{"key":"my.attr","value":{"stringValue":"some value"}}]"#;
    let json = format!(
        r#"{{"resourceMetrics":[{{{RESOURCE_AND_SCOPE},"scopeMetrics":[{{{SCOPE},"metrics":[
        {{"name":"my.counter","unit":"1","description":"I am a Counter","sum":{{"aggregationTemporality":1,"isMonotonic":true,
          "dataPoints":[{{"asDouble":5,{times},{attribute}}}]}}}},
        {{"name":"my.gauge","unit":"1","description":"I am a Gauge","gauge":{{"dataPoints":[{{"asDouble":10,{times},{attribute}}}]}}}},
        {{"name":"my.histogram","unit":"1","description":"I am a Histogram","histogram":{{"aggregationTemporality":1,
          "dataPoints":[{{{times},"count":"2","sum":2,"bucketCounts":["1","1"],"explicitBounds":[1],"min":0,"max":2,{attribute}}}]}}}},
        {{"name":"my.exponential.histogram","unit":"1","description":"I am an Exponential Histogram","exponentialHistogram":{{
          "aggregationTemporality":1,"dataPoints":[{{{times},"count":"3","sum":10,"scale":0,"zeroCount":"1",
          "positive":{{"offset":1,"bucketCounts":["0","2"]}},"min":0,"max":5,"zeroThreshold":0,{attribute}}}]}}}}]}}]}}]}}"#
    );
    let attributes = || vec![string("my.attr", "some value")];
    let number = |value| NumberDataPoint {
        value: Some(number_data_point::Value::AsDouble(value)),
        start_time_unix_nano: TIME,
        time_unix_nano: TIME,
        attributes: attributes(),
        ..Default::default()
    };
    let histogram = HistogramDataPoint {
        start_time_unix_nano: TIME,
        time_unix_nano: TIME,
        count: 2,
        sum: Some(2.0),
        bucket_counts: vec![1, 1],
        explicit_bounds: vec![1.0],
        min: Some(0.0),
        max: Some(2.0),
        attributes: attributes(),
        ..Default::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        start_time_unix_nano: TIME,
        time_unix_nano: TIME,
        count: 3,
        sum: Some(10.0),
        zero_count: 1,
        positive: Some(Buckets { offset: 1, bucket_counts: vec![0, 2] }),
        min: Some(0.0),
        max: Some(5.0),
        attributes: attributes(),
        ..Default::default()
    };
    let metric = |name: &str, description: &str, data| Metric {
        name: name.into(),
        unit: "1".into(),
        description: description.into(),
        data: Some(data),
        ..Default::default()
    };
    let metrics = vec![
        metric(
            "my.counter",
            "I am a Counter",
            Data::Sum(Sum { aggregation_temporality: 1, is_monotonic: true, data_points: vec![number(5.0)] }),
        ),
        metric("my.gauge", "I am a Gauge", Data::Gauge(Gauge { data_points: vec![number(10.0)] })),
        metric(
            "my.histogram",
            "I am a Histogram",
            Data::Histogram(Histogram { aggregation_temporality: 1, data_points: vec![histogram] }),
        ),
        metric(
            "my.exponential.histogram",
            "I am an Exponential Histogram",
            Data::ExponentialHistogram(ExponentialHistogram {
                aggregation_temporality: 1,
                data_points: vec![exponential],
            }),
        ),
    ];
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..Default::default() }];
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource: resource(), scope_metrics, ..Default::default() }],
    };
    let rows = same_rows(Signal::Metrics, &json, &request);
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[2]["bucket_counts"], super::Cell::Ints(vec![1, 1]));
}
