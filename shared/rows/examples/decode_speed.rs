//! How fast spans become rows: 8,192 spans of 10 attributes, decoded, and decoded and written as a segment; and what one small
//! body costs.
//!
//!     cargo run -p rows --example decode_speed

use std::hint::black_box;
use std::time::{Duration, Instant};

use model::{BodyHash, ProjectId, Signal, TableName, TimeRange};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use rows::{BodyContext, Decoder, segment};

const N_SPANS: u64 = 8_192;
const START: u64 = 1_795_000_000_000_000_000;

fn main() {
    let wire = request(N_SPANS).encode_to_vec();
    println!("{} spans of 10 attributes, {} bytes each", N_SPANS, wire.len() as u64 / N_SPANS);
    let project = ProjectId::parse("shop").expect("a valid id");
    let micros = (START / 1_000) as i64;
    let hash = BodyHash::from_bytes([7; 16]);
    let context = BodyContext {
        signal: Signal::Traces,
        project: &project,
        hash,
        arrived_at: micros,
        accepted: TimeRange::new(micros - 1_000_000, micros + 86_400_000_000),
        records_max: 1_000_000,
    };
    let decode = || {
        let mut decoder = Decoder::new(TableName::LogsAndSpans);
        let outcome = decoder.push(&context, &wire).expect("valid OTLP");
        assert_eq!(outcome.rows as u64, N_SPANS);
        decoder.finish()
    };
    let batch = decode();
    let file = segment::write(&batch, &[hash]).expect("writable");
    println!("{} columns, segment of {} bytes", batch.num_columns(), file.len());
    report("push, no batch", || {
        let mut decoder = Decoder::new(TableName::LogsAndSpans);
        black_box(decoder.push(&context, &wire).expect("valid OTLP"));
    });
    report("decode", || drop(black_box(decode())));
    report("write", || drop(black_box(segment::write(&batch, &[hash]).expect("writable"))));
    report("decode and write", || drop(black_box(segment::write(&decode(), &[hash]).expect("writable"))));
    report("read and conform", || {
        let (batches, _) = segment::read(file.clone()).expect("readable");
        black_box(rows::conform(&batches[0], TableName::LogsAndSpans).expect("the table's columns"));
    });
    report("prost structs, for scale", || {
        black_box(ExportTraceServiceRequest::decode(&wire[..]).expect("valid OTLP"));
    });
    let json = json(N_SPANS);
    assert_eq!(otlp::json::to_protobuf(Signal::Traces, json.as_bytes()).expect("valid JSON").len(), wire.len());
    report("JSON to protobuf", || drop(black_box(otlp::json::to_protobuf(Signal::Traces, json.as_bytes()))));
    let small = request(10).encode_to_vec();
    let decode_small = || {
        let mut decoder = Decoder::new(TableName::LogsAndSpans);
        decoder.push(&context, &small).expect("valid OTLP");
        decoder.finish()
    };
    println!("{:>25}: {} us", "10 spans decoded", best(|| drop(black_box(decode_small()))).as_micros());
    let small_batch = decode_small();
    let took = best(|| drop(black_box(segment::write(&small_batch, &[hash]).expect("writable"))));
    println!("{:>25}: {} us", "and written", took.as_micros());
}

/// Prints the best of some rounds, as spans per second.
fn report(what: &str, act: impl FnMut()) {
    println!("{what:>25}: {:.2} M spans/s", N_SPANS as f64 / best(act).as_secs_f64() / 1e6);
}

#[allow(clippy::disallowed_methods, reason = "measures real time")]
fn best(mut act: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        act();
        best = best.min(start.elapsed());
    }
    best
}

fn request(n_spans: u64) -> ExportTraceServiceRequest {
    let resource = Resource {
        attributes: vec![
            text("service.name", "checkout"),
            text("service.version", "1.4.2"),
            text("deployment.environment.name", "production"),
            text("telemetry.sdk.language", "python"),
            text("k8s.pod.name", "checkout-7d9f6c5b8-x2x7k"),
            text("vendor.team", "payments"),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "opentelemetry.instrumentation.flask".into(),
        version: "0.48b0".into(),
        ..Default::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans: (0..n_spans).map(span).collect(),
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

fn span(n: u64) -> Span {
    let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Span {
        trace_id: [spread.to_be_bytes(), (!spread).to_be_bytes()].concat(),
        span_id: (spread ^ 0x5555).to_be_bytes().to_vec(),
        parent_span_id: if n.is_multiple_of(8) { Vec::new() } else { (spread ^ 0x7777).to_be_bytes().to_vec() },
        name: format!("GET /api/orders/{}", n % 40),
        kind: 2,
        start_time_unix_nano: START + n * 1_000_000,
        end_time_unix_nano: START + n * 1_000_000 + spread % 50_000_000,
        flags: 0x101,
        attributes: vec![
            text("http.request.method", "GET"),
            text("url.path", &format!("/api/orders/{}", n % 5_000)),
            text("http.route", "/api/orders/{id}"),
            int("http.response.status_code", if n.is_multiple_of(50) { 500 } else { 200 }),
            text("server.address", "shop.example.com"),
            int("server.port", 443),
            text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
            text("user.id", &format!("user-{}", n % 1_000)),
            text("shop.cart.id", &format!("{spread:x}")),
            int("shop.cart.items", (n % 12) as i64),
        ],
        ..Span::default()
    }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn int(key: &str, value: i64) -> KeyValue {
    pair(key, Value::IntValue(value))
}

/// The same request as OTLP/JSON.
fn json(n_spans: u64) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let attributes = |pairs: &[KeyValue]| {
        let pairs = pairs.iter().map(|pair| {
            let value = match pair.value.as_ref().and_then(|any| any.value.as_ref()) {
                Some(Value::StringValue(text)) => format!(r#"{{"stringValue":"{text}"}}"#),
                Some(Value::IntValue(number)) => format!(r#"{{"intValue":"{number}"}}"#),
                other => panic!("not made above: {other:?}"),
            };
            format!(r#"{{"key":"{}","value":{value}}}"#, pair.key)
        });
        format!("[{}]", pairs.collect::<Vec<_>>().join(","))
    };
    let request = request(n_spans);
    let group = &request.resource_spans[0];
    let scope = group.scope_spans[0].scope.as_ref().expect("made above");
    let spans = group.scope_spans[0].spans.iter().map(|span| {
        format!(
            r#"{{"traceId":"{}","spanId":"{}","parentSpanId":"{}","flags":{},"name":"{}","kind":{},"startTimeUnixNano":"{}","endTimeUnixNano":"{}","attributes":{}}}"#,
            hex(&span.trace_id),
            hex(&span.span_id),
            hex(&span.parent_span_id),
            span.flags,
            span.name,
            span.kind,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            attributes(&span.attributes),
        )
    });
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":{}}},"scopeSpans":[{{"scope":{{"name":"{}","version":"{}"}},"spans":[{}]}}]}}]}}"#,
        attributes(&group.resource.as_ref().expect("made above").attributes),
        scope.name,
        scope.version,
        spans.collect::<Vec<_>>().join(","),
    )
}
