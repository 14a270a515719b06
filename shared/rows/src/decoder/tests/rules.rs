//! The rules of design section 3, one by one, where the oracle might share a mistake with the decoder.

use model::{MICROS_PER_DAY, Signal};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Summary,
    SummaryDataPoint, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::*;

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn string(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn int(key: &str, value: i64) -> KeyValue {
    pair(key, Value::IntValue(value))
}

fn span(kind: i32, attributes: Vec<KeyValue>) -> Row {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        kind,
        start_time_unix_nano: NOW as u64 * 1_000,
        attributes,
        ..Default::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans { spans: vec![span], ..Default::default() }],
            ..Default::default()
        }],
    };
    decode(Signal::Traces, &request.encode_to_vec()).expect("valid").0.remove(0)
}

const SERVER: i32 = 2;
const CLIENT: i32 = 3;

#[test]
fn attributes_go_to_their_column_or_stay_in_the_json() {
    const STATUS: &str = "attributes___http___response___status_code";
    const METHOD: &str = "attributes___http___request___method";
    let code = "http.response.status_code";
    type Case = (Vec<KeyValue>, &'static str, Option<Cell>, Option<&'static str>);
    let cases: Vec<Case> = vec![
        (vec![int(code, 200)], STATUS, Some(Cell::Int(200)), None),
        (vec![string(code, "200")], STATUS, Some(Cell::Int(200)), Some(r#"{"http.response.status_code":"200"}"#)),
        (
            vec![pair(code, Value::DoubleValue(200.0))],
            STATUS,
            Some(Cell::Int(200)),
            Some(r#"{"http.response.status_code":200.0}"#),
        ),
        (vec![string(code, "2xx")], STATUS, None, Some(r#"{"http.response.status_code":"2xx"}"#)),
        (vec![int("http.request.method", 7)], METHOD, Some(text("7")), Some(r#"{"http.request.method":7}"#)),
        // Older spellings.
        (vec![int("http.status_code", 404)], STATUS, Some(Cell::Int(404)), Some(r#"{"http.status_code":404}"#)),
        (vec![string("http.status_code", "404")], STATUS, Some(Cell::Int(404)), Some(r#"{"http.status_code":"404"}"#)),
        (
            vec![int("http.status_code", 404), int(code, 200)],
            STATUS,
            Some(Cell::Int(200)),
            Some(r#"{"http.status_code":404}"#),
        ),
        (
            vec![int(code, 200), int("http.status_code", 404)],
            STATUS,
            Some(Cell::Int(200)),
            Some(r#"{"http.status_code":404}"#),
        ),
        // Twice the same key: the first counts, the second is kept.
        (
            vec![int(code, 200), int(code, 201)],
            STATUS,
            Some(Cell::Int(200)),
            Some(r#"{"http.response.status_code":201}"#),
        ),
    ];
    for (attributes, column, cell, json) in cases {
        let row = span(CLIENT, attributes.clone());
        assert_eq!(row.get(column), cell.as_ref(), "{attributes:?}");
        assert_eq!(row.get("attributes"), json.map(text).as_ref(), "{attributes:?}");
    }
}

#[test]
fn the_peer_is_the_server_for_a_client_and_the_client_for_a_server() {
    let attributes =
        || vec![string("net.peer.name", "peer"), int("net.peer.port", 1), string("http.target", "/a/b?q=1?2")];
    let client = span(CLIENT, attributes());
    assert_eq!(client["attributes___server___address"], text("peer"));
    assert_eq!(client["attributes___server___port"], Cell::Int(1));
    assert!(!client.contains_key("attributes___client___address"));
    let server = span(SERVER, attributes());
    assert_eq!(server["attributes___client___address"], text("peer"));
    assert!(!server.contains_key("attributes___server___address"));
    for row in [client, server] {
        assert_eq!(row["attributes___url___path"], text("/a/b"));
        assert_eq!(row["attributes___url___query"], text("q=1?2"));
    }
}

#[test]
fn times_are_exact_and_dates_are_those_of_utc() {
    let row = span(CLIENT, Vec::new());
    assert_eq!(row["timestamp"], Cell::Int(NOW));
    assert_eq!(row["time_unix_nano"], Cell::Int(NOW * 1_000));
    assert_eq!(row["date"], Cell::Int(NOW / MICROS_PER_DAY));
    assert_eq!(row["kind"], text("client"));
    assert_eq!(row["id"], text("0202020202020202"));
    assert!(!row.contains_key("duration"), "no end");
}

#[test]
fn flags_keep_all_their_bits_and_times_past_2262_their_number() {
    const HUGE: u64 = 1 << 63;
    let now = NOW as u64 * 1_000;
    for (end, flags) in [(HUGE, 1 << 31), (u64::MAX, u32::MAX)] {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            start_time_unix_nano: now,
            end_time_unix_nano: end,
            flags,
            ..Default::default()
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans { spans: vec![span], ..Default::default() }],
                ..Default::default()
            }],
        };
        let row = decode(Signal::Traces, &request.encode_to_vec()).expect("valid").0.remove(0);
        assert_eq!(row["context___trace_flags"], Cell::Int(flags.into()));
        assert_eq!(row["attributes"], text(format!(r#"{{"otel.end_time_unix_nano":{end}}}"#)));
        assert!(!row.contains_key("duration") && !row.contains_key("end_time"), "{row:?}");
        let log = LogRecord { time_unix_nano: now, observed_time_unix_nano: end, flags, ..Default::default() };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs { log_records: vec![log], ..Default::default() }],
                ..Default::default()
            }],
        };
        let row = decode(Signal::Logs, &request.encode_to_vec()).expect("valid").0.remove(0);
        assert_eq!(row["context___trace_flags"], Cell::Int(flags.into()));
        assert_eq!(row["attributes"], text(format!(r#"{{"otel.observed_time_unix_nano":{end}}}"#)));
        assert!(!row.contains_key("observed_timestamp"), "{row:?}");
    }
    let point = NumberDataPoint { start_time_unix_nano: HUGE, time_unix_nano: now, ..Default::default() };
    let row = point_row(Data::Gauge(Gauge { data_points: vec![point] }));
    assert_eq!(row["attributes"], text(r#"{"otel.start_time_unix_nano":9223372036854775808}"#));
}

fn point_row(data: Data) -> Row {
    let metric = Metric { name: "m".into(), data: Some(data), ..Default::default() };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }],
            ..Default::default()
        }],
    };
    decode(Signal::Metrics, &request.encode_to_vec()).expect("valid").0.remove(0)
}

#[test]
fn a_value_that_the_flags_deny_is_kept_but_not_as_a_value() {
    let time_unix_nano = NOW as u64 * 1_000;
    let number = |value| {
        let point = NumberDataPoint { time_unix_nano, flags: 1, value, ..Default::default() };
        Data::Gauge(Gauge { data_points: vec![point] })
    };
    let histogram = |count, sum, bucket_counts| {
        let point = HistogramDataPoint { time_unix_nano, flags: 1, count, sum, bucket_counts, ..Default::default() };
        Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 2 })
    };
    let summary = SummaryDataPoint { time_unix_nano, flags: 1, ..Default::default() };
    let cases = [
        (number(None), None),
        (number(Some(number_data_point::Value::AsInt(0))), Some(r#"{"otel.value":0}"#)),
        (number(Some(number_data_point::Value::AsDouble(-1.5))), Some(r#"{"otel.value":-1.5}"#)),
        (histogram(0, None, vec![]), None),
        (
            histogram(u64::MAX, Some(0.0), vec![0, 7]),
            Some(r#"{"otel.value":{"count":18446744073709551615,"sum":0.0,"bucket_counts":[0,7]}}"#),
        ),
        (Data::Summary(Summary { data_points: vec![summary] }), None),
    ];
    for (data, json) in cases {
        let row = point_row(data.clone());
        assert_eq!(row.get("attributes"), json.map(text).as_ref(), "{data:?}");
        assert!(
            ["value", "value_int", "count", "sum", "bucket_counts"].iter().all(|c| !row.contains_key(*c)),
            "{row:?}"
        );
    }
}

fn gauge(name: &str, resource: Vec<KeyValue>, attributes: Vec<KeyValue>) -> String {
    let point = NumberDataPoint { attributes, time_unix_nano: NOW as u64 * 1_000, ..Default::default() };
    let metric =
        Metric { name: name.into(), data: Some(Data::Gauge(Gauge { data_points: vec![point] })), ..Default::default() };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes: resource, ..Default::default() }),
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }],
            ..Default::default()
        }],
    };
    match &decode(Signal::Metrics, &request.encode_to_vec()).expect("valid").0[0]["series_id"] {
        Cell::Text(id) => id.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_series_is_its_name_resource_scope_and_attributes_in_any_order() {
    let service = || vec![string("service.name", "shop"), string("host.name", "h")];
    let nested = |keys: [&str; 2]| {
        let values = keys.map(|key| int(key, 1)).to_vec();
        pair("map", Value::KvlistValue(KeyValueList { values }))
    };
    let own = gauge("m", service(), vec![int("a", 1), string("b", "x"), nested(["p", "q"])]);
    assert_eq!(
        own,
        gauge("m", service().into_iter().rev().collect(), vec![nested(["q", "p"]), string("b", "x"), int("a", 1)])
    );
    let list = |items: &[i64]| {
        let values = items.iter().map(|n| AnyValue { value: Some(Value::IntValue(*n)) }).collect();
        pair("a", Value::ArrayValue(ArrayValue { values }))
    };
    let ids = [
        own,
        gauge("n", service(), vec![int("a", 1), string("b", "x"), nested(["p", "q"])]),
        gauge("m", vec![string("service.name", "shop")], vec![int("a", 1), string("b", "x"), nested(["p", "q"])]),
        gauge("m", service(), vec![int("a", 1)]),
        gauge("m", service(), vec![int("a", 2)]),
        gauge("m", service(), vec![string("a", "1")]),
        gauge("m", service(), vec![pair("a", Value::DoubleValue(1.0))]),
        gauge("m", service(), vec![list(&[1, 2])]),
        gauge("m", service(), vec![list(&[2, 1])]),
        gauge("m", service(), vec![]),
    ];
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    // Stored: must not move.
    assert_eq!(ids[3], "3e519f1f7dadf9e6");
}

#[test]
fn an_outcome_says_why_records_were_refused() {
    let good = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: NOW as u64 * 1_000,
        ..Default::default()
    };
    let spans = vec![
        good.clone(),
        Span { trace_id: vec![1; 15], ..good.clone() },
        Span { trace_id: vec![], ..good.clone() },
        Span { span_id: vec![0; 8], ..good.clone() },
        Span { parent_span_id: vec![1], ..good.clone() },
        Span { start_time_unix_nano: 1, ..good.clone() },
        Span { start_time_unix_nano: 0, ..good },
    ];
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans { spans, ..Default::default() }],
            ..Default::default()
        }],
    };
    let (rows, outcome) = decode(Signal::Traces, &request.encode_to_vec()).expect("valid");
    assert_eq!((rows.len(), outcome.rows, outcome.rejected, outcome.records_without_time), (2, 2, 5, 1));
    assert_eq!((outcome.time_min, outcome.time_max), (NOW, NOW));
    assert_eq!(
        outcome.rejected_message,
        "2 rejected: the trace id is not 16 bytes, or missing where there must be one; \
         1 rejected: the span id is not 8 bytes, or missing where there must be one; \
         1 rejected: the parent span id is not 8 bytes; \
         1 rejected: the time is outside the accepted range from 2026-10-21T09:20:00.000000Z to 2026-11-21T09:20:00.000000Z"
    );
    assert!(outcome.warnings.is_empty(), "a count of its own says it: {:?}", outcome.warnings);
}

#[test]
fn a_body_without_records_is_an_empty_batch() {
    for signal in Signal::ALL {
        let (rows, outcome) = decode(signal, &[]).expect("an empty request");
        assert_eq!((rows.len(), outcome.rows, outcome.rejected), (0, 0, 0));
        assert!(outcome.time_min > outcome.time_max);
    }
}
