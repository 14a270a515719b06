//! What the transcoder makes of the specification's examples and of everything around them; protobuf's own decoder reads it back.

mod examples;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{exemplar, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::*;

fn traces(json: &str) -> ExportTraceServiceRequest {
    let wire = to_protobuf(Signal::Traces, json.as_bytes()).expect("valid JSON");
    let request = ExportTraceServiceRequest::decode(&wire[..]).expect("valid protobuf");
    assert_eq!(request.encoded_len(), wire.len(), "as long as what an encoder would have sent");
    request
}

/// A request with one span, whose fields are `fields`.
fn span_json(fields: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#)
}

fn span(fields: &str) -> Span {
    traces(&span_json(fields)).resource_spans.remove(0).scope_spans.remove(0).spans.remove(0)
}

fn value(json: &str) -> Option<Value> {
    span(&format!(r#""attributes":[{{"key":"k","value":{json}}}]"#))
        .attributes
        .remove(0)
        .value
        .and_then(|any| any.value)
}

fn error(fields: &str) -> JsonError {
    to_protobuf(Signal::Traces, span_json(fields).as_bytes()).expect_err(fields)
}

#[test]
fn an_empty_body_is_an_empty_request() {
    for empty in ["", "  \n", "{}", "null", r#"{"resourceSpans":null}"#, r#"{"resourceSpans":[]}"#] {
        for signal in Signal::ALL {
            assert_eq!(to_protobuf(signal, empty.as_bytes()), Ok(Vec::new()), "{empty}");
        }
    }
}

#[test]
fn a_span_keeps_every_field() {
    let span = span(
        r#""traceId":"5B8EFFF798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","traceState":"a=b",
           "parentSpanId":"EEE19B7EC3C1B173","flags":257,"name":"I'm a \"server\" span","kind":2,
           "startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,
           "droppedAttributesCount":1,"droppedEventsCount":"2","droppedLinksCount":3,
           "events":[{"timeUnixNano":"1544712660500000000","name":"e","attributes":[{"key":"a","value":{"boolValue":false}}]}],
           "links":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b175","flags":1}],
           "status":{"code":2,"message":"no"},"unknown":{"a":[1,{"b":null}]},"start_time_unix_nano":7"#,
    );
    assert_eq!(span.trace_id, b"\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c");
    assert_eq!(span.span_id, b"\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74");
    assert_eq!(span.parent_span_id, b"\xee\xe1\x9b\x7e\xc3\xc1\xb1\x73");
    assert_eq!((span.trace_state.as_str(), span.flags, span.name.as_str()), ("a=b", 257, "I'm a \"server\" span"));
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (1544712660000000000, 1544712661000000000));
    assert_eq!(
        (span.kind, span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count),
        (2, 1, 2, 3)
    );
    assert_eq!(span.events[0].attributes[0].value, Some(AnyValue { value: Some(Value::BoolValue(false)) }));
    assert_eq!((span.links[0].span_id.len(), span.links[0].flags), (8, 1));
    let status = span.status.expect("set");
    assert_eq!((status.code, status.message.as_str()), (2, "no"));
}

#[test]
fn values_of_every_type() {
    let cases = [
        (r#"{"stringValue":""}"#, Some(Value::StringValue(String::new()))),
        (r#"{"stringValue":"ü\n"}"#, Some(Value::StringValue("ü\n".into()))),
        (r#"{"boolValue":false}"#, Some(Value::BoolValue(false))),
        (r#"{"intValue":"-9223372036854775808"}"#, Some(Value::IntValue(i64::MIN))),
        (r#"{"intValue":0}"#, Some(Value::IntValue(0))),
        (r#"{"intValue":1e3}"#, Some(Value::IntValue(1000))),
        (r#"{"doubleValue":637.704}"#, Some(Value::DoubleValue(637.704))),
        (r#"{"doubleValue":5}"#, Some(Value::DoubleValue(5.0))),
        (r#"{"doubleValue":-0.0}"#, Some(Value::DoubleValue(-0.0))),
        (r#"{"doubleValue":"-Infinity"}"#, Some(Value::DoubleValue(f64::NEG_INFINITY))),
        (r#"{"doubleValue":"1.5"}"#, Some(Value::DoubleValue(1.5))),
        (r#"{"doubleValue":7.038531e-26}"#, Some(Value::DoubleValue(7.038531e-26))),
        (r#"{"bytesValue":"AP8="}"#, Some(Value::BytesValue(vec![0, 255]))),
        (r#"{"bytesValue":"_-8"}"#, Some(Value::BytesValue(vec![255, 239]))),
        (r#"{"arrayValue":{}}"#, Some(Value::ArrayValue(ArrayValue { values: vec![] }))),
        (
            r#"{"kvlistValue":{"values":[{"key":"a","value":{"intValue":1}},{"key":"b"}]}}"#,
            Some(Value::KvlistValue(KeyValueList {
                values: vec![
                    KeyValue {
                        key: "a".into(),
                        value: Some(AnyValue { value: Some(Value::IntValue(1)) }),
                        ..Default::default()
                    },
                    KeyValue { key: "b".into(), ..Default::default() },
                ],
            })),
        ),
        ("{}", None),
        ("null", None),
        (r#"{"stringValue":null}"#, None),
        (r#"{"string_value":"a"}"#, None),
    ];
    for (json, expected) in cases {
        assert_eq!(value(json), expected, "{json}");
    }
    assert!(matches!(value(r#"{"doubleValue":"NaN"}"#), Some(Value::DoubleValue(nan)) if nan.is_nan()));
}

#[test]
fn ids_that_are_none_get_a_length_that_none_has() {
    let lengths = [
        ("", 0),
        ("5b8efff798038103", 8),
        ("5b8efff798038103d269b633813fc60c00", 17),
        ("5b8efff798038103d269b633813fc60", 31),
        ("zzzzzzzzzzzzzzzz", 17),
        ("zz", 2),
    ];
    for (id, length) in lengths {
        assert_eq!(span(&format!(r#""traceId":"{id}","name":"n""#)).trace_id.len(), length, "{id}");
    }
}

#[test]
fn enums_come_as_numbers_and_are_taken_by_name_too() {
    let cases = [("3", 3), ("\"3\"", 3), ("\"SPAN_KIND_CLIENT\"", 3), ("99", 99), ("null", 0)];
    for (json, expected) in cases {
        assert_eq!(span(&format!(r#""kind":{json},"name":"n""#)).kind, expected, "{json}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let cases = [
        (r#""name":5"#, "`name` of Span must be text, found 5"),
        (r#""kind":"server""#, "`kind` of Span must be the number of an enum value, found \"server\""),
        (
            r#""startTimeUnixNano":-1"#,
            "`startTimeUnixNano` of Span must be an unsigned 64-bit integer, as text or number, found -1",
        ),
        (r#""startTimeUnixNano":1.5"#, "found 1.5"),
        (r#""droppedEventsCount":4294967296"#, "an unsigned 32-bit integer, found 4294967296"),
        (r#""attributes":{}"#, "`attributes` of Span must be a list, each element an object, found an object"),
        (r#""attributes":[5]"#, "expected an object (KeyValue)"),
        (r#""status":[]"#, "`status` of Span must be an object, found a list"),
        (r#""status":"OK""#, "`status` of Span must be an object, found \"OK\""),
        (r#""attributes":[{"key":"a","value":{"bytesValue":"*"}}]"#, "`bytesValue` of AnyValue must be base64 text"),
        (r#""attributes":[{"key":"a","value":{"doubleValue":"inf"}}]"#, "`doubleValue` of AnyValue must be a number"),
        (r#""attributes":[{"key":"a","value":{"doubleValue":true}}]"#, "found true"),
        (r#""name":"a" "kind":1"#, "expected `,` or `}`"),
    ];
    for (fields, message) in cases {
        let error = error(fields);
        assert!(error.message.contains(message), "{fields}: {error}");
        assert!(error.line == 1 && error.column > 40 && !error.message.contains("at line"), "{error}");
    }
    let error = to_protobuf(Signal::Logs, b"{\"resourceLogs\":[\n{\"schemaUrl\":1}]}").expect_err("a number");
    assert_eq!((error.line, error.column), (2, 14), "{error}");
    assert!(to_protobuf(Signal::Logs, b"{} {}").is_err());
    assert!(to_protobuf(Signal::Logs, b"[]").is_err());
    assert!(to_protobuf(Signal::Logs, b"{\"resourceLogs\":[{\"schemaUrl\":\"\xff\"}]}").is_err());
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(depth);
        format!(r#""attributes":[{{"key":"k","value":{open}{}}}]"#, "]}}".repeat(depth))
    };
    let depth_of = |mut value: Option<Value>| {
        let mut depth = 0;
        while let Some(Value::ArrayValue(mut list)) = value {
            depth += 1;
            value = list.values.pop().and_then(|any| any.value);
        }
        depth
    };
    let max = crate::view::common::VALUE_DEPTH_MAX;
    for (depth, expected) in [(1, 1), (max, max), (max + 1, max + 1), (10_000, max + 1)] {
        let value = span(&nested(depth)).attributes.remove(0).value.and_then(|any| any.value);
        assert_eq!(depth_of(value), expected);
    }
}

#[test]
fn lists_of_numbers_are_packed_and_null_is_zero() {
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[
            {"count":"3","sum":1.5,"min":0,"bucketCounts":["1",2,null],"explicitBounds":[0.1,"Infinity"],
             "exemplars":[{"asInt":"-5","timeUnixNano":"1","spanId":"eee19b7ec3c1b174"}]}]}},
        {"name":"e","exponentialHistogram":{"dataPoints":[
            {"scale":-3,"zeroThreshold":0.25,"positive":{"offset":-1,"bucketCounts":["300",0]},"negative":{}}]}},
        {"name":"g","gauge":{"dataPoints":[{"asInt":"0"},{"asDouble":0}]}},
        {"name":"s","sum":{"isMonotonic":true,"dataPoints":[]}},
        {"name":"q","summary":{"dataPoints":[{"quantileValues":[{"quantile":0.5,"value":2}]}]}}]}]}]}"#;
    let wire = to_protobuf(Signal::Metrics, json.as_bytes()).expect("valid JSON");
    let request = ExportMetricsServiceRequest::decode(&wire[..]).expect("valid protobuf");
    assert_eq!(request.encoded_len(), wire.len());
    let data: Vec<_> = request.resource_metrics[0].scope_metrics[0]
        .metrics
        .iter()
        .map(|metric| metric.data.clone().expect("set"))
        .collect();
    let Data::Histogram(histogram) = &data[0] else { panic!("{data:?}") };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum, point.min, point.max), (3, Some(1.5), Some(0.0), None));
    assert_eq!((&point.bucket_counts[..], &point.explicit_bounds[..]), (&[1, 2, 0][..], &[0.1, f64::INFINITY][..]));
    assert_eq!(point.exemplars[0].value, Some(exemplar::Value::AsInt(-5)));
    let Data::ExponentialHistogram(exponential) = &data[1] else { panic!("{data:?}") };
    let point = &exponential.data_points[0];
    let positive = point.positive.as_ref().expect("set");
    assert_eq!((point.scale, positive.offset, &positive.bucket_counts[..]), (-3, -1, &[300, 0][..]));
    assert!(point.negative.is_some());
    let Data::Gauge(gauge) = &data[2] else { panic!("{data:?}") };
    assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsInt(0)));
    assert_eq!(gauge.data_points[1].value, Some(number_data_point::Value::AsDouble(0.0)));
}

#[test]
fn a_metric_has_data_of_one_type() {
    let metric = |data: &str| {
        format!("{{\"resourceMetrics\":[{{\"scopeMetrics\":[{{\"metrics\":[\n{{{data}}},{{\"sum\":{{}}}}]}}]}}]}}")
    };
    for data in
        [r#""gauge":{},"sum":null"#, r#""summary":null,"gauge":{"dataPoints":[{}]}"#, r#""gauge":{},"gauge":{}"#]
    {
        to_protobuf(Signal::Metrics, metric(data).as_bytes()).expect(data);
    }
    let error = to_protobuf(Signal::Metrics, metric(r#""gauge":{},"name":"m","sum":{}"#).as_bytes()).expect_err("two");
    assert_eq!(error.message, "Metric has both `gauge` and `sum`");
    assert!(error.line == 2 && error.column > 20, "{error}");
}

#[test]
fn a_log_record_keeps_its_body_and_times() {
    let json = r#"{"resourceLogs":[{"resource":{"attributes":[],"entityRefs":[{"type":"service","idKeys":["service.name"]}]},
        "scopeLogs":[{"logRecords":[{"timeUnixNano":"1","observedTimeUnixNano":2,"severityNumber":"SEVERITY_NUMBER_INFO",
        "body":{"stringValue":"hi"},"eventName":"e"},null]}]}]}"#;
    let wire = to_protobuf(Signal::Logs, json.as_bytes()).expect("valid JSON");
    let request = ExportLogsServiceRequest::decode(&wire[..]).expect("valid protobuf");
    assert_eq!(request.encoded_len(), wire.len());
    let records = &request.resource_logs[0].scope_logs[0].log_records;
    assert_eq!((records.len(), records[0].severity_number, records[0].observed_time_unix_nano), (2, 9, 2));
    assert_eq!(request.resource_logs[0].resource.as_ref().expect("set").entity_refs[0].id_keys, ["service.name"]);
}

#[test]
fn depth_that_nobody_looks_at_costs_no_stack() {
    let deep = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
    assert_eq!(to_protobuf(Signal::Traces, format!(r#"{{"unknown":{deep}}}"#).as_bytes()), Ok(Vec::new()));
    assert!(to_protobuf(Signal::Traces, format!(r#"{{"resourceSpans":{deep}}}"#).as_bytes()).is_err());
    assert!(
        to_protobuf(
            Signal::Traces,
            span_json(&format!(r#""attributes":[{{"value":{{"doubleValue":{deep}}}}}]"#)).as_bytes()
        )
        .is_err()
    );
    let maps = r#"{"a":"#.repeat(1 << 20);
    assert!(to_protobuf(Signal::Traces, maps.as_bytes()).is_err(), "cut off");
}

#[test]
fn broken_json_never_panics_and_gives_valid_protobuf_if_any() {
    let json = span_json(
        r#""traceId":"5b8efff798038103d269b633813fc60c","flags":1,"kind":2,"startTimeUnixNano":"15",
           "attributes":[{"key":"ü","value":{"kvlistValue":{"values":[{"key":"d","value":{"doubleValue":-1.5e3}}]}}}],
           "events":[{"timeUnixNano":1,"attributes":[{"value":{"bytesValue":"AP8="}}]}],"status":null"#,
    );
    // Every byte replaced by some that JSON cares about, and every cut.
    for at in 0..json.len() {
        let mut broken = json.clone().into_bytes();
        for byte in *b"\"\\{}[],:0-eN \xff\x00" {
            broken[at] = byte;
            if let Ok(wire) = to_protobuf(Signal::Traces, &broken) {
                ExportTraceServiceRequest::decode(&wire[..]).expect("valid protobuf");
            }
        }
        assert!(to_protobuf(Signal::Traces, &json.as_bytes()[..at]).is_err() || at == 0, "cut at {at}");
    }
}

#[test]
fn numbers_of_64_bits_are_text_or_numbers() {
    let cases = [("7", 7), ("\"7\"", 7), ("18446744073709551615", u64::MAX), ("\"18446744073709551615\"", u64::MAX)];
    for (json, expected) in cases.into_iter().chain([("7.0", 7), ("7e0", 7), ("null", 0), ("\"0\"", 0)]) {
        assert_eq!(span(&format!(r#""startTimeUnixNano":{json},"name":"n""#)).start_time_unix_nano, expected, "{json}");
    }
    for (json, expected) in [("9223372036854775807", i64::MAX), ("\"-9223372036854775808\"", i64::MIN), ("-1", -1)] {
        assert_eq!(value(&format!(r#"{{"intValue":{json}}}"#)), Some(Value::IntValue(expected)), "{json}");
    }
    for wrong in ["18446744073709551616", "\"\"", "\" 7\"", "\"7 \"", "\"0x7\"", "true", "[7]", "{}"] {
        assert!(error(&format!(r#""startTimeUnixNano":{wrong}"#)).message.contains("unsigned 64-bit"), "{wrong}");
    }
}

#[test]
fn names_are_lower_camel_case_and_others_are_ignored() {
    let ignored =
        r#""trace_id":"5b8efff798038103d269b633813fc60c","TraceId":1,"start_time_unix_nano":[1],"NAME":{},"":null"#;
    assert_eq!(span(&format!(r#"{ignored},"name":"n""#)), Span { name: "n".into(), ..Default::default() });
}

/// All messages of a signal's requests, values aside.
fn messages(signal: Signal) -> Vec<&'static schema::Message> {
    let mut found = vec![schema::request(signal)];
    let mut at = 0;
    while let Some(message) = found.get(at) {
        for field in message.fields {
            if let schema::Kind::Message(inner) = field.kind
                && found.iter().all(|known| known.name != inner.name)
            {
                found.push(inner);
            }
        }
        at += 1;
    }
    found
}

#[test]
fn null_is_the_default_of_every_field() {
    for message in Signal::ALL.into_iter().flat_map(messages) {
        let nulls: Vec<String> = message.fields.iter().map(|field| format!("\"{}\":null", field.name)).collect();
        let json = format!("{{{}}}", nulls.join(","));
        let mut wire = Vec::new();
        transcode::request(message, &mut wire)
            .deserialize(&mut serde_json::Deserializer::from_str(&json))
            .unwrap_or_else(|error| panic!("{}: {error}", message.name));
        assert!(wire.is_empty(), "{}: {wire:?}", message.name);
    }
}
