//! Log records, inside the spans of the same sample.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};

use super::values::{attribute, every_kind, list, map, resource, scope, text};
use super::{SERVICES, Sample};

/// A request of `sample.n` log records, grouped by service.
pub fn logs(sample: &Sample) -> ExportLogsServiceRequest {
    let of_service = |service: usize| ResourceLogs {
        resource: resource(service),
        scope_logs: vec![ScopeLogs {
            scope: scope(),
            log_records: sample.of_service(service).map(|i| record(sample, i)).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let resource_logs = (0..SERVICES.len().min(sample.n)).map(of_service).collect();
    ExportLogsServiceRequest { resource_logs }
}

/// All but every fifth belong to a span; every seventh has no time of its own but an observed one.
fn record(sample: &Sample, i: usize) -> LogRecord {
    let in_span = i % 5 != 4;
    let (severity_number, severity_text) = [(9, "INFO"), (13, "WARN"), (17, "ERROR"), (5, "debug"), (0, "")][i % 5];
    LogRecord {
        time_unix_nano: if i % 7 == 6 { 0 } else { sample.time(i) },
        observed_time_unix_nano: sample.time(i) + 1_000,
        severity_number,
        severity_text: severity_text.into(),
        body: Some(AnyValue { value: body(sample, i) }),
        attributes: every_kind(sample, i),
        trace_id: if in_span { sample.trace_id(i) } else { Vec::new() },
        span_id: if in_span { sample.span_id(i) } else { Vec::new() },
        flags: u32::from(in_span),
        event_name: if i % 6 == 5 { "cart.changed".into() } else { String::new() },
        ..Default::default()
    }
}

fn body(sample: &Sample, i: usize) -> Option<Value> {
    let n = sample.number(i, 20, 10_000);
    match i % 10 {
        3 => Some(map([attribute("order", Value::IntValue(n as i64)), attribute("state", text("paid"))])),
        6 => Some(list([text("item"), Value::DoubleValue(n as f64 + 0.25)])),
        8 => Some(Value::IntValue(n as i64)),
        9 => None,
        _ => Some(text(format!("order {n} took {i} ms from 10.0.0.{}", n % 255))),
    }
}
