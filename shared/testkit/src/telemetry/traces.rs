//! Spans: ten make a trace, the first of them is its root.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::values::{attribute, every_kind, resource, scope, text};
use super::{SERVICES, Sample};

const ROUTES: [&str; 4] = ["/cart", "/cart/{id}", "/pay", "/products"];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

/// A request of `sample.n` spans, grouped by service.
pub fn traces(sample: &Sample) -> ExportTraceServiceRequest {
    let of_service = |service: usize| ResourceSpans {
        resource: resource(service),
        scope_spans: vec![ScopeSpans {
            scope: scope(),
            spans: sample.of_service(service).map(|i| span(sample, i)).collect(),
            ..Default::default()
        }],
        schema_url: "https://opentelemetry.io/schemas/1.37.0".into(),
    };
    let resource_spans = (0..SERVICES.len().min(sample.n)).map(of_service).collect();
    ExportTraceServiceRequest { resource_spans }
}

fn span(sample: &Sample, i: usize) -> Span {
    let start = sample.time(i);
    let failed = i % 10 == 7;
    let route = ROUTES[sample.number(i, 11, 4) as usize];
    let method = METHODS[sample.number(i, 12, 3) as usize];
    let root = i - i % 10;
    Span {
        trace_id: sample.trace_id(i),
        span_id: sample.span_id(i),
        parent_span_id: if i == root { Vec::new() } else { sample.span_id(root) },
        trace_state: if i.is_multiple_of(5) { "vendor=1".into() } else { String::new() },
        flags: 0x101,
        name: format!("{method} {route}"),
        kind: [SpanKind::Server, SpanKind::Client, SpanKind::Internal, SpanKind::Producer, SpanKind::Consumer][i % 5]
            .into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000 + sample.number(i, 13, 2_000_000_000),
        attributes: attributes(sample, i, method, route, failed),
        events: if failed { vec![exception(start)] } else { Vec::new() },
        links: if i % 10 == 4 { vec![link(sample, i)] } else { Vec::new() },
        status: Some(match i % 3 {
            _ if failed => Status { code: StatusCode::Error.into(), message: "card refused".into() },
            0 => Status { code: StatusCode::Ok.into(), message: String::new() },
            _ => Status::default(),
        }),
        ..Default::default()
    }
}

fn attributes(sample: &Sample, i: usize, method: &str, route: &str, failed: bool) -> Vec<KeyValue> {
    let mut attributes = vec![
        attribute("http.request.method", text(method)),
        attribute("http.route", text(route)),
        attribute("http.response.status_code", Value::IntValue(if failed { 500 } else { 200 })),
        attribute("url.path", text(route.replace("{id}", &i.to_string()))),
        attribute("server.address", text("shop.example.com")),
        attribute("user.id", text(format!("user-{}", sample.number(i, 14, 50)))),
    ];
    attributes.extend(every_kind(sample, i));
    attributes
}

fn exception(start: u64) -> Event {
    Event {
        time_unix_nano: start + 500,
        name: "exception".into(),
        attributes: vec![
            attribute("exception.type", text("CardRefused")),
            attribute("exception.message", text("card 4711 refused")),
            attribute(
                "exception.stacktrace",
                text("CardRefused: card 4711 refused\n    at pay (/app/src/pay.js:42:7)"),
            ),
            attribute("attempt", Value::IntValue(2)),
        ],
        dropped_attributes_count: 0,
    }
}

fn link(sample: &Sample, i: usize) -> Link {
    Link {
        trace_id: sample.trace_id(i + 10),
        span_id: sample.span_id(i + 10),
        trace_state: String::new(),
        attributes: vec![attribute("reason", text("retry"))],
        ..Default::default()
    }
}
