//! A row of `otel_logs_and_spans` as an object: nulls left out, JSON columns as JSON, promoted attributes back among the others.

use rows::promoted::{Place, promoted};
use serde_json::{Map, Value};

use crate::Answer;

/// Columns that hold JSON text.
const JSON: [&str; 2] = ["events", "links"];
/// Columns that are said by the path itself or of no use outside.
const LEFT_OUT: [&str; 3] = ["project_id", "date", "signal"];
/// Columns that have a shorter name here.
const SHORTER: [(&str, &str); 9] = [
    ("context___trace_id", "trace_id"),
    ("context___span_id", "span_id"),
    ("context___trace_state", "trace_state"),
    ("context___trace_flags", "trace_flags"),
    ("severity___severity_text", "severity_text"),
    ("severity___severity_number", "severity_number"),
    ("scope___name", "scope_name"),
    ("scope___version", "scope_version"),
    ("duration", "duration_ns"),
];

/// The rows of `SELECT *` as objects.
pub(super) fn records(answer: &Answer) -> Vec<Map<String, Value>> {
    let names: Vec<&str> = answer.schema.fields().iter().map(|field| field.name().as_str()).collect();
    answer.rows().into_iter().map(|row| record(&names, row)).collect()
}

fn record(names: &[&str], row: Vec<Value>) -> Map<String, Value> {
    let mut record = Map::new();
    let (mut attributes, mut resource) = (Map::new(), Map::new());
    for (name, value) in names.iter().zip(row) {
        if value.is_null() || LEFT_OUT.contains(name) {
            continue;
        }
        if let Some(key) = promoted_key(name, Place::Attributes) {
            attributes.insert(key.to_owned(), value);
        } else if let Some(key) = promoted_key(name, Place::Resource) {
            resource.insert(key.to_owned(), value);
        } else if *name == Place::Attributes.json_column() {
            add_missing(&mut attributes, &value);
        } else if *name == Place::Resource.json_column() {
            add_missing(&mut resource, &value);
        } else if JSON.contains(name) {
            record.insert((*name).to_owned(), json_in(&value));
        } else {
            let shorter = SHORTER.iter().find(|(long, _)| long == name).map_or(*name, |(_, short)| short);
            record.insert(shorter.to_owned(), value);
        }
    }
    record.insert("attributes".into(), attributes.into());
    record.insert("resource".into(), resource.into());
    record
}

fn promoted_key(column: &str, place: Place) -> Option<&'static str> {
    promoted(place).iter().find(|row| row.column == column).map(|row| row.key)
}

/// What the JSON holds beside the promoted columns; originals that a column holds in its own type are left out.
fn add_missing(map: &mut Map<String, Value>, json: &Value) {
    if let Value::Object(rest) = json_in(json) {
        for (key, value) in rest {
            map.entry(key).or_insert(value);
        }
    }
}

fn json_in(text: &Value) -> Value {
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| text.clone())
}
