//! The span payload: one service, 10 attributes a span, 364 bytes each on the wire, as a busy HTTP service sends them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use testkit::telemetry::{Sample, attribute, text};

const STEP_NANOS: u64 = 1_000_000;

/// `sample.n` spans, a millisecond apart.
pub(crate) fn spans(sample: &Sample) -> ExportTraceServiceRequest {
    let resource = Resource {
        attributes: vec![
            attribute("service.name", text("checkout")),
            attribute("service.version", text("1.4.2")),
            attribute("deployment.environment.name", text("production")),
            attribute("telemetry.sdk.language", text("python")),
            attribute("k8s.pod.name", text("checkout-7d9f6c5b8-x2x7k")),
            attribute("vendor.team", text("payments")),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "opentelemetry.instrumentation.flask".into(),
        version: "0.48b0".into(),
        ..InstrumentationScope::default()
    };
    let spans = (0..sample.n as u64).map(|n| span(sample, n)).collect();
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

fn span(sample: &Sample, n: u64) -> Span {
    let spread = mixed(sample.seed, n);
    // Eight spans make a trace; the first is its root.
    let (trace, root) = (mixed(sample.seed, n / 8 * 8), n.is_multiple_of(8));
    let start = sample.start_unix_nano + n * STEP_NANOS;
    Span {
        trace_id: [trace.to_be_bytes(), (!trace).to_be_bytes()].concat(),
        span_id: (spread ^ 0x5555).to_be_bytes().to_vec(),
        parent_span_id: if root { Vec::new() } else { (trace ^ 0x5555).to_be_bytes().to_vec() },
        name: format!("GET /api/orders/{}", n % 40),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + spread % 50_000_000,
        flags: 0x101,
        attributes: attributes(n, spread),
        ..Span::default()
    }
}

fn attributes(n: u64, spread: u64) -> Vec<KeyValue> {
    vec![
        attribute("http.request.method", text("GET")),
        attribute("url.path", text(format!("/api/orders/{}", spread % 5_000))),
        attribute("http.route", text("/api/orders/{id}")),
        attribute("http.response.status_code", Value::IntValue(if n.is_multiple_of(50) { 500 } else { 200 })),
        attribute("server.address", text("shop.example")),
        attribute("server.port", Value::IntValue(443)),
        attribute("url.scheme", text("https")),
        attribute("user.id", text(format!("user-{}", spread % 1_000))),
        attribute("shop.cart.id", text(format!("{:08x}", spread >> 32))),
        attribute("shop.cart.items", Value::IntValue((n % 12) as i64)),
    ]
}

/// Looks random, is always the same: splitmix64.
fn mixed(seed: u64, n: u64) -> u64 {
    let mut z = ((seed << 32) ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
