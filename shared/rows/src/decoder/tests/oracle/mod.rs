//! The rows that a request should give, from protobuf's own structs, written for being right instead of fast.

mod json_text;
mod points;
mod series;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::{Cell, DAY, NOW, Row, double, text};
use json_text::*;
use points::points;
use series::series_of_scope;

use crate::fingerprint::Exception;
use crate::promoted::{Place, Rule, Type, promoted};

/// Rows, and how many records are refused. In place of `series_id`, which is a hash, stands what it is a hash of.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) rows: Vec<Row>,
    pub(super) rejected: u64,
    pub(super) without_time: u64,
}

pub(super) fn traces(request: &ExportTraceServiceRequest) -> Expected {
    let mut expected = Expected::default();
    for group in &request.resource_spans {
        for scope in &group.scope_spans {
            let origin = origin(group.resource.as_ref(), &group.schema_url, scope.scope.as_ref(), &scope.schema_url);
            for record in &scope.spans {
                expected.add(&origin, span(record, service_name(&origin)), record.start_time_unix_nano == 0);
            }
        }
    }
    expected
}

pub(super) fn logs(request: &ExportLogsServiceRequest) -> Expected {
    let mut expected = Expected::default();
    let mut place = 0;
    for group in &request.resource_logs {
        for scope in &group.scope_logs {
            let origin = origin(group.resource.as_ref(), &group.schema_url, scope.scope.as_ref(), &scope.schema_url);
            for record in &scope.log_records {
                let without_time = record.time_unix_nano == 0 && record.observed_time_unix_nano == 0;
                expected.add(&origin, log(record, service_name(&origin), place), without_time);
                place += 1;
            }
        }
    }
    expected
}

pub(super) fn metrics(request: &ExportMetricsServiceRequest) -> Expected {
    let mut expected = Expected::default();
    for group in &request.resource_metrics {
        for scope in &group.scope_metrics {
            let origin = origin(group.resource.as_ref(), &group.schema_url, scope.scope.as_ref(), &scope.schema_url);
            let of_series = series_of_scope(group.resource.as_ref(), scope.scope.as_ref());
            for metric in &scope.metrics {
                for (point, without_time) in points(metric, &of_series) {
                    expected.add(&origin, point, without_time);
                }
            }
        }
    }
    expected
}

impl Expected {
    fn add(&mut self, origin: &Row, row: Option<Row>, without_time: bool) {
        match row {
            Some(mut row) => {
                row.extend(origin.clone());
                row.insert("project_id".into(), text("shop"));
                self.rows.push(row);
                self.without_time += u64::from(without_time);
            }
            None => self.rejected += 1,
        }
    }
}

/// The columns of resource and scope.
fn origin(resource: Option<&Resource>, schema_url: &str, scope: Option<&InstrumentationScope>, scope_url: &str) -> Row {
    let mut row = Row::new();
    let mut json = Vec::new();
    let resource = resource.cloned().unwrap_or_default();
    let scope = scope.cloned().unwrap_or_default();
    fill(&mut row, &mut json, Place::Resource, &resource.attributes, false);
    push_text(&mut json, "otel.schema_url", schema_url);
    push_number(&mut json, "otel.dropped_attributes_count", resource.dropped_attributes_count.into());
    if !resource.entity_refs.is_empty() {
        let entities = resource.entity_refs.iter().map(|entity| {
            let mut fields = vec![("type".to_owned(), quoted(&entity.r#type))];
            push_text(&mut fields, "schema_url", &entity.schema_url);
            for (name, keys) in [("id_keys", &entity.id_keys), ("description_keys", &entity.description_keys)] {
                if !keys.is_empty() {
                    fields.push((name.to_owned(), list(keys.iter().map(|key| quoted(key)))));
                }
            }
            object(&fields)
        });
        json.push(("otel.entity_refs".to_owned(), list(entities)));
    }
    push_text(&mut json, "otel.scope.schema_url", scope_url);
    if !scope.attributes.is_empty() {
        json.push(("otel.scope.attributes".to_owned(), pairs(&scope.attributes)));
    }
    push_number(&mut json, "otel.scope.dropped_attributes_count", scope.dropped_attributes_count.into());
    put_json(&mut row, "resource", &json);
    put_text(&mut row, "scope___name", &scope.name);
    put_text(&mut row, "scope___version", &scope.version);
    row
}

fn service_name(origin: &Row) -> &str {
    match origin.get("resource___service___name") {
        Some(Cell::Text(name)) => name,
        _ => "",
    }
}

/// date, timestamp, time_unix_nano; None if the time is refused.
fn put_time(row: &mut Row, unix_nano: u64) -> Option<()> {
    let nanos = if unix_nano == 0 { NOW * 1_000 } else { i64::try_from(unix_nano).ok()? };
    let micros = nanos / 1_000;
    if unix_nano != 0 && !(NOW - 30 * DAY..NOW + DAY).contains(&micros) {
        return None;
    }
    row.insert("date".into(), Cell::Int(micros / DAY));
    row.insert("timestamp".into(), Cell::Int(micros));
    row.insert("time_unix_nano".into(), Cell::Int(nanos));
    Some(())
}

fn put_micros(row: &mut Row, column: &str, unix_nano: u64) {
    if let (1.., Ok(nanos)) = (unix_nano, i64::try_from(unix_nano)) {
        row.insert(column.into(), Cell::Int(nanos / 1_000));
    }
}

fn span(span: &Span, service: &str) -> Option<Row> {
    let mut row = Row::new();
    let is_zero = |id: &[u8]| id.iter().all(|byte| *byte == 0);
    let parent = &span.parent_span_id;
    if span.trace_id.len() != 16 || is_zero(&span.trace_id) || span.span_id.len() != 8 || is_zero(&span.span_id) {
        return None;
    }
    if !(parent.is_empty() || parent.len() == 8) {
        return None;
    }
    put_time(&mut row, span.start_time_unix_nano)?;
    put_micros(&mut row, "start_time", span.start_time_unix_nano);
    put_micros(&mut row, "end_time", span.end_time_unix_nano);
    if span.start_time_unix_nano != 0 && (1..=i64::MAX as u64).contains(&span.end_time_unix_nano) {
        let nanos = i128::from(span.end_time_unix_nano) - i128::from(span.start_time_unix_nano);
        row.insert("duration".into(), Cell::Int(nanos.max(0) as i64));
    }
    row.insert("signal".into(), text("span"));
    row.insert("id".into(), text(hex(&span.span_id)));
    if !is_zero(parent) {
        row.insert("parent_id".into(), text(hex(parent)));
    }
    put_text(&mut row, "name", &span.name);
    let kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"];
    let kind = usize::try_from(span.kind).ok().and_then(|kind| kinds.get(kind).copied());
    row.insert("kind".into(), text(kind.unwrap_or("unspecified")));
    let status = span.status.clone().unwrap_or_default();
    let known_status = match status.code {
        1 => "OK",
        2 => "ERROR",
        _ => "UNSET",
    };
    row.insert("status_code".into(), text(known_status));
    put_text(&mut row, "status_message", &status.message);
    row.insert("context___trace_id".into(), text(hex(&span.trace_id)));
    row.insert("context___span_id".into(), text(hex(&span.span_id)));
    put_text(&mut row, "context___trace_state", &span.trace_state);
    row.insert("context___trace_flags".into(), Cell::Int(span.flags.into()));
    row.insert("message_size_bytes".into(), Cell::Int(span.encoded_len() as i64));

    let mut json = Vec::new();
    fill(&mut row, &mut json, Place::Attributes, &span.attributes, span.kind == 2);
    push_huge_time(&mut json, "otel.end_time_unix_nano", span.end_time_unix_nano);
    push_number(&mut json, "otel.dropped_attributes_count", span.dropped_attributes_count.into());
    push_number(&mut json, "otel.dropped_events_count", span.dropped_events_count.into());
    push_number(&mut json, "otel.dropped_links_count", span.dropped_links_count.into());
    push_number(&mut json, "otel.kind", if kind.is_none() { span.kind.into() } else { 0 });
    push_number(&mut json, "otel.status_code", if (0..3).contains(&status.code) { 0 } else { status.code.into() });
    put_json(&mut row, "attributes", &json);

    let mut hashes = exception_of_columns(&row, service);
    if !span.events.is_empty() {
        let events = span.events.iter().map(|event| {
            let mut fields = Vec::new();
            push_text(&mut fields, "name", &event.name);
            push_time(&mut fields, event.time_unix_nano);
            push_pairs(&mut fields, &event.attributes);
            push_number(&mut fields, "dropped_attributes_count", event.dropped_attributes_count.into());
            hashes.extend(exception_of(&event.attributes, service));
            object(&fields)
        });
        row.insert("events".into(), text(list(events)));
    }
    if !span.links.is_empty() {
        let links = span.links.iter().map(|link| {
            let mut fields = Vec::new();
            push_text(&mut fields, "trace_id", &hex(&link.trace_id));
            push_text(&mut fields, "span_id", &hex(&link.span_id));
            push_text(&mut fields, "trace_state", &link.trace_state);
            push_pairs(&mut fields, &link.attributes);
            push_number(&mut fields, "dropped_attributes_count", link.dropped_attributes_count.into());
            push_number(&mut fields, "flags", link.flags.into());
            object(&fields)
        });
        row.insert("links".into(), text(list(links)));
    }
    put_hashes(&mut row, hashes);
    Some(row)
}

fn log(log: &LogRecord, service: &str, place: u32) -> Option<Row> {
    let mut row = Row::new();
    for (column, id, length) in [("context___trace_id", &log.trace_id, 16), ("context___span_id", &log.span_id, 8)] {
        if !(id.is_empty() || id.len() == length) {
            return None;
        }
        if id.iter().any(|byte| *byte != 0) {
            row.insert(column.into(), text(hex(id)));
        }
    }
    put_time(&mut row, if log.time_unix_nano != 0 { log.time_unix_nano } else { log.observed_time_unix_nano })?;
    put_micros(&mut row, "observed_timestamp", log.observed_time_unix_nano);
    row.insert("signal".into(), text("log"));
    row.insert("kind".into(), text("log"));
    row.insert("id".into(), text(format!("abababab-abab-8bab-abab-abab{place:08x}")));
    put_text(&mut row, "name", &log.event_name);
    let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let level = match (log.severity_number, log.severity_text.as_str()) {
        (number @ 1..=24, _) => Some(levels[(number as usize - 1) / 4]),
        (_, "INFO") => Some("INFO"),
        (_, "Warning") => Some("WARN"),
        _ => None,
    };
    if let Some(level) = level {
        row.insert("level".into(), text(level));
    }
    put_text(&mut row, "severity___severity_text", &log.severity_text);
    if log.severity_number != 0 {
        row.insert("severity___severity_number".into(), Cell::Int(log.severity_number.into()));
    }
    if log.flags != 0 || row.contains_key("context___trace_id") {
        row.insert("context___trace_flags".into(), Cell::Int(log.flags.into()));
    }
    row.insert("message_size_bytes".into(), Cell::Int(log.encoded_len() as i64));
    match log.body.as_ref().and_then(|body| body.value.as_ref()) {
        None => {}
        Some(Value::StringValue(body)) => drop(row.insert("body".into(), text(body))),
        structured => drop(row.insert("body".into(), text(value(structured)))),
    }
    let mut json = Vec::new();
    fill(&mut row, &mut json, Place::Attributes, &log.attributes, false);
    push_huge_time(&mut json, "otel.observed_time_unix_nano", log.observed_time_unix_nano);
    push_number(&mut json, "otel.dropped_attributes_count", log.dropped_attributes_count.into());
    put_json(&mut row, "attributes", &json);
    let hashes = exception_of_columns(&row, service);
    put_hashes(&mut row, hashes);
    Some(row)
}

/// Promoted columns into `row`, the rest into `json`.
fn fill(row: &mut Row, json: &mut Vec<(String, String)>, place: Place, attributes: &[KeyValue], is_server: bool) {
    for pair in attributes {
        let value_of = pair.value.as_ref().and_then(|any| any.value.as_ref());
        let known = promoted(place).iter().find(|known| known.key == pair.key);
        let mut is_exact = false;
        if let (Some(known), Some(found)) = (known, value_of)
            && let Some((cell, exact)) = fit(known.kind, found)
        {
            row.insert(known.column.clone(), cell);
            is_exact = exact;
        }
        if !is_exact {
            json.push((pair.key.clone(), value(value_of)));
        }
    }
    for known in promoted(place) {
        for older in known.older {
            if row.contains_key(&known.column) {
                break;
            }
            let pair = attributes.iter().find(|pair| pair.key == older.key);
            let Some(found) = pair.and_then(|pair| pair.value.as_ref()).and_then(|any| any.value.clone()) else {
                continue;
            };
            let found = match (older.rule, found) {
                (Rule::Same, found) => Some(found),
                (Rule::OnServer, found) => is_server.then_some(found),
                (Rule::ElseThanServer, found) => (!is_server).then_some(found),
                (Rule::BeforeQuestionMark, Value::StringValue(target)) => {
                    Some(Value::StringValue(target.split('?').next().expect("at least one").to_owned()))
                }
                (Rule::AfterQuestionMark, Value::StringValue(target)) => {
                    target.split_once('?').map(|(_, query)| Value::StringValue(query.to_owned()))
                }
                _ => None,
            };
            if let Some((cell, _)) = found.and_then(|found| fit(known.kind, &found)) {
                row.insert(known.column.clone(), cell);
            }
        }
    }
}

/// The value in a column's type, and whether it was of that type.
fn fit(kind: Type, found: &Value) -> Option<(Cell, bool)> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    Some(match (kind, found) {
        (Type::Text, Value::StringValue(found)) => (text(found), true),
        (Type::Text, Value::IntValue(_) | Value::BoolValue(_)) => (text(value(Some(found))), false),
        (Type::Text, Value::DoubleValue(_)) => (text(value(Some(found)).replace('"', "")), false),
        (Type::Int, Value::IntValue(found)) => (Cell::Int(*found), true),
        (Type::Int, Value::StringValue(found)) => (Cell::Int(found.parse().ok()?), false),
        (Type::Int, Value::DoubleValue(found)) if found.trunc() == *found && found.abs() <= EXACT => {
            (Cell::Int(*found as i64), false)
        }
        (Type::Float, Value::DoubleValue(found)) => (double(*found), true),
        (Type::Float, Value::IntValue(found)) if found.unsigned_abs() <= 1 << 53 => (double(*found as f64), false),
        (Type::Float, Value::StringValue(found)) => {
            (double(found.parse().ok().filter(|n: &f64| n.is_finite())?), false)
        }
        (Type::Flag, Value::BoolValue(found)) => (Cell::Flag(*found), true),
        (Type::Flag, Value::StringValue(found)) => (Cell::Flag(found.parse().ok()?), false),
        _ => return None,
    })
}

fn exception_of_columns(row: &Row, service: &str) -> Vec<String> {
    let part = |name: &str| match row.get(&format!("attributes___exception___{name}")) {
        Some(Cell::Text(found)) => Some(found.as_str()),
        _ => None,
    };
    exception([part("type"), part("message"), part("stacktrace")], service)
}

fn exception_of(attributes: &[KeyValue], service: &str) -> Vec<String> {
    let part = |name: &str| {
        let pair = attributes.iter().find(|pair| pair.key == format!("exception.{name}"))?;
        match pair.value.as_ref()?.value.as_ref()? {
            Value::StringValue(found) => Some(found.as_str()),
            _ => None,
        }
    };
    exception([part("type"), part("message"), part("stacktrace")], service)
}

fn exception(parts: [Option<&str>; 3], service: &str) -> Vec<String> {
    if parts.iter().all(Option::is_none) {
        return Vec::new();
    }
    let [kind, message, stack] = parts.map(|part| part.unwrap_or_default().as_bytes());
    vec![Exception::new(kind, message, stack).hash(service.as_bytes())]
}

fn put_hashes(row: &mut Row, hashes: Vec<String>) {
    let mut unique: Vec<String> = Vec::new();
    for hash in hashes {
        if !unique.contains(&hash) {
            unique.push(hash);
        }
    }
    if !unique.is_empty() {
        row.insert("hashes".into(), Cell::Texts(unique));
    }
}
