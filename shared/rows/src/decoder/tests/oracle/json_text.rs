//! JSON text, written plainly.

use std::fmt::Write;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::super::{Row, text};

pub(super) fn value(found: Option<&Value>) -> String {
    match found {
        None | Some(Value::StringValueStrindex(_)) => "null".into(),
        Some(Value::StringValue(found)) => quoted(found),
        Some(Value::BoolValue(found)) => found.to_string(),
        Some(Value::IntValue(found)) => found.to_string(),
        Some(Value::DoubleValue(found)) if found.is_nan() => quoted("NaN"),
        Some(Value::DoubleValue(found)) if found.is_infinite() => {
            quoted(if *found > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Some(Value::DoubleValue(found)) => serde_json::json!(found).to_string(),
        Some(Value::BytesValue(found)) => quoted(&base64(found)),
        Some(Value::ArrayValue(found)) => list(found.values.iter().map(|item| value(item.value.as_ref()))),
        Some(Value::KvlistValue(found)) => pairs(&found.values),
    }
}

pub(super) fn pairs(attributes: &[KeyValue]) -> String {
    let fields: Vec<_> = attributes
        .iter()
        .map(|pair| (pair.key.clone(), value(pair.value.as_ref().and_then(|any| any.value.as_ref()))))
        .collect();
    object(&fields)
}

pub(super) fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{}:{value}", quoted(key))).collect();
    format!("{{{}}}", fields.join(","))
}

pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::json!(text).to_string()
}

pub(super) fn push_text(fields: &mut Vec<(String, String)>, key: &str, text: &str) {
    if !text.is_empty() {
        fields.push((key.to_owned(), quoted(text)));
    }
}

pub(super) fn push_number(fields: &mut Vec<(String, String)>, key: &str, number: i64) {
    if number != 0 {
        fields.push((key.to_owned(), number.to_string()));
    }
}

/// A time that the columns cannot say.
pub(super) fn push_huge_time(fields: &mut Vec<(String, String)>, key: &str, unix_nano: u64) {
    if unix_nano > i64::MAX as u64 {
        fields.push((key.to_owned(), unix_nano.to_string()));
    }
}

pub(super) fn push_time(fields: &mut Vec<(String, String)>, unix_nano: u64) {
    if unix_nano != 0 {
        let micros = model::rfc3339((unix_nano / 1_000) as i64);
        let readable = format!("{}{:03}Z", micros.trim_end_matches('Z'), unix_nano % 1_000);
        push_text(fields, "timestamp", &readable);
        push_text(fields, "time_unix_nano", &unix_nano.to_string());
    }
}

pub(super) fn push_pairs(fields: &mut Vec<(String, String)>, attributes: &[KeyValue]) {
    if !attributes.is_empty() {
        fields.push(("attributes".to_owned(), pairs(attributes)));
    }
}

pub(super) fn put_json(row: &mut Row, column: &str, fields: &[(String, String)]) {
    if !fields.is_empty() {
        row.insert(column.into(), text(object(fields)));
    }
}

pub(super) fn put_text(row: &mut Row, column: &str, value: &str) {
    if !value.is_empty() {
        row.insert(column.into(), text(value));
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("to memory");
        text
    })
}

pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
