//! Records as they were sent and as they are stored, both as the row that the table should hold.
//!
//! A row here is every column that has a value, but for those that only we can know (`SKIPPED`): so a column too many, or
//! one too few, is a difference. Attributes and resource are put together again from promoted columns and JSON.

use std::collections::BTreeSet;

use model::rfc3339;
use rows::promoted::{Place, promoted};
use serde_json::{Map, Value, json};
use tests::Client;

use super::Places;

type Row = Map<String, Value>;

/// Columns that say what no sender said.
const SKIPPED: [&str; 4] = ["message_size_bytes", "series_id", "context___trace_flags", "flags"];
/// Before the name of a column that holds `attributes -> 'key'`.
const ARROW: &str = "-> ";

pub(super) struct Found {
    pub(super) records: Vec<Row>,
    pub(super) places: Places,
}

/// Every record of a run, by SQL; each key of its attributes is also asked for by `->`.
pub(super) fn stored(client: &Client, run: &str) -> Found {
    let mut found = Found { records: Vec::new(), places: Places::default() };
    for (table, condition) in [
        ("otel_logs_and_spans", "signal = 'span'"),
        ("otel_logs_and_spans", "signal = 'log'"),
        ("otel_metrics", "true"),
    ] {
        let from = format!("FROM {table} WHERE {condition} AND resource ->> 'test.run' = '{run}'");
        let keys: BTreeSet<String> = ask(client, &format!("SELECT * {from}")).0.iter().flat_map(keys_of).collect();
        let arrows: Vec<String> =
            keys.iter().map(|key| format!(", attributes -> '{key}' AS \"{ARROW}{key}\"")).collect();
        let (rows, statistics) = ask(client, &format!("SELECT * {} {from}", arrows.concat()));
        found.places.live |= statistics["live_segments_read"].as_u64() > Some(0);
        found.places.files |= statistics["files_opened"].as_u64() > Some(0);
        found.records.extend(rows.into_iter().map(whole));
    }
    found
}

/// Rows without their nulls.
fn ask(client: &Client, sql: &str) -> (Vec<Row>, Value) {
    let reply = client.query(&json!({ "sql": sql }));
    assert_eq!(reply.status, 200, "{sql}\n{}", reply.text());
    let answer = reply.json();
    assert_eq!((&answer["truncated"], &answer["warnings"]), (&Value::Null, &json!([])), "{sql}");
    let names: Vec<&str> = answer["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    let row = |values: &Value| {
        let pairs = names.iter().zip(values.as_array().unwrap());
        pairs.filter(|(_, value)| !value.is_null()).map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    (answer["rows"].as_array().unwrap().iter().map(row).collect(), answer["statistics"].clone())
}

fn keys_of(row: &Row) -> Vec<String> {
    attributes(row, Place::Attributes).into_iter().map(|(key, _)| key).collect()
}

/// Promoted columns and JSON, put together.
fn attributes(row: &Row, place: Place) -> Row {
    let held = promoted(place).iter().filter_map(|p| Some((p.key.to_owned(), row.get(&p.column)?.clone())));
    let mut all: Row = held.collect();
    all.extend(row.get(place.json_column()).map(parsed).and_then(|json| json.as_object().cloned()).unwrap_or_default());
    all
}

fn parsed(text: &Value) -> Value {
    let text = text.as_str().expect("JSON columns are text");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A stored row in the shape of [`expected`].
fn whole(row: Row) -> Row {
    let all = attributes(&row, Place::Attributes);
    for (column, value) in row.iter().filter(|(column, _)| column.starts_with(ARROW)) {
        assert_eq!(all.get(&column[ARROW.len()..]), Some(&parsed(value)), "{column} of {row:?}");
    }
    let arrows = row.keys().filter(|column| column.starts_with(ARROW)).count();
    assert_eq!(arrows, all.len(), "`attributes -> key` finds each key of {row:?}");
    let mut whole = Row::new();
    for (column, value) in &row {
        let value = match column.as_str() {
            // A span's is what was sent; a log's is ours.
            "id" if row.get("signal") == Some(&json!("log")) => continue,
            "events" => json!(parsed(value).as_array().unwrap().iter().map(event).collect::<Vec<_>>()),
            "links" => {
                json!(parsed(value).as_array().unwrap().iter().map(|link| without(link, "flags")).collect::<Vec<_>>())
            }
            "exemplars" => json!(parsed(value).as_array().unwrap().iter().map(exemplar).collect::<Vec<_>>()),
            "hashes" => json!(value.as_array().unwrap().len()),
            "body" if value.as_str().unwrap().starts_with(['{', '[', '"']) => parsed(value),
            column if SKIPPED.contains(&column) || column.starts_with(ARROW) => continue,
            column if column.starts_with("attributes") || column.starts_with("resource") => continue,
            _ => value.clone(),
        };
        whole.insert(column.clone(), value);
    }
    whole.insert("attributes".into(), all.into());
    whole.insert("resource".into(), attributes(&row, Place::Resource).into());
    whole
}

fn event(event: &Value) -> Value {
    at_same_time(event)
}

fn exemplar(exemplar: &Value) -> Value {
    let mut exemplar = at_same_time(exemplar);
    exemplar["value"] = json!(exemplar["value"].as_f64());
    exemplar
}

/// The time that is there to be read says the same as the exact one; then it goes.
fn at_same_time(record: &Value) -> Value {
    let nanos: u64 = record["time_unix_nano"].as_str().unwrap().parse().unwrap();
    let seconds = rfc3339((nanos / 1_000_000_000 * 1_000_000) as i64);
    let expected = format!("{}.{:09}Z", &seconds[..19], nanos % 1_000_000_000);
    assert_eq!(record["timestamp"], expected);
    without(record, "timestamp")
}

fn without(record: &Value, field: &str) -> Value {
    let mut record = record.clone();
    record.as_object_mut().unwrap().remove(field);
    record
}

/// The rows that a run should have made.
pub(super) fn expected(sent: &Value) -> Vec<Row> {
    let common = |record: &Value, time: &Value, parts: Value| {
        let micros: i64 = time.as_str().unwrap().parse::<i64>().unwrap() / 1_000;
        let mut row = json!({
            "project_id": "default",
            "date": rfc3339(micros)[..10],
            "timestamp": rfc3339(micros),
            "time_unix_nano": time,
            "scope___name": sent["scope"]["name"],
            "scope___version": sent["scope"]["version"],
            "resource": sent["resource"],
            "attributes": record["attributes"],
        });
        row.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        let Value::Object(row) = row else { unreachable!("made above") };
        row.into_iter().filter(|(_, value)| !is_nothing(value)).collect::<Row>()
    };
    let list = |name: &str| sent[name].as_array().unwrap().iter();
    let spans = list("spans").map(|span| common(span, &span["start_time_unix_nano"], of_span(span)));
    let logs = list("logs").map(|log| {
        let own = Some(&log["time_unix_nano"]).filter(|time| !time.is_null());
        common(log, own.unwrap_or(&log["observed_time_unix_nano"]), of_log(log))
    });
    let points = list("metrics").flat_map(|metric| {
        let points = metric["points"].as_array().unwrap().iter();
        points.map(move |point| common(point, &point["time_unix_nano"], of_point(metric, point)))
    });
    spans.chain(logs).chain(points).collect()
}

/// What is stored as null.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || *value == "" || *value == json!([])
}

fn of_span(span: &Value) -> Value {
    let nanos = |name: &str| span[name].as_str().unwrap().parse::<i64>().unwrap();
    let (start, end) = (nanos("start_time_unix_nano"), nanos("end_time_unix_nano"));
    let events = span["events"].as_array().unwrap();
    let exceptions = events.iter().filter(|event| event["name"] == "exception").count();
    json!({
        "signal": "span",
        "id": span["span_id"],
        "parent_id": span["parent_id"],
        "name": span["name"],
        "kind": span["kind"],
        "start_time": rfc3339(start / 1_000),
        "end_time": rfc3339(end / 1_000),
        "duration": end - start,
        "status_code": span["status_code"],
        "status_message": span["status_message"],
        "context___trace_id": span["trace_id"],
        "context___span_id": span["span_id"],
        "context___trace_state": span["trace_state"],
        "events": events,
        "links": span["links"],
        "hashes": (exceptions > 0).then_some(exceptions),
    })
}

fn of_log(log: &Value) -> Value {
    const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let level = log["severity_number"].as_u64().map(|number| LEVELS[(number as usize - 1) / 4]);
    let observed: i64 = log["observed_time_unix_nano"].as_str().unwrap().parse().unwrap();
    json!({
        "signal": "log",
        "kind": "log",
        "name": log["event_name"],
        "observed_timestamp": rfc3339(observed / 1_000),
        "level": level,
        "severity___severity_number": log["severity_number"],
        "severity___severity_text": log["severity_text"],
        "body": log["body"],
        "context___trace_id": log["trace_id"],
        "context___span_id": log["span_id"],
        "hashes": log["attributes"].get("exception.type").map(|_| 1),
    })
}

fn of_point(metric: &Value, point: &Value) -> Value {
    let kind = metric["type"].as_str().unwrap();
    let doubles = |name: &str| point[name].as_array().map(|list| list.iter().map(Value::as_f64).collect::<Vec<_>>());
    let exemplars: Vec<Value> = point["exemplars"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sent| {
            let mut exemplar = sent.clone();
            exemplar["value"] = json!(sent["value"].as_f64());
            exemplar
        })
        .collect();
    let start = point["start_time_unix_nano"].as_str().map(|nanos| rfc3339(nanos.parse::<i64>().unwrap() / 1_000));
    json!({
        "metric_name": metric["name"],
        "metric_type": kind,
        "unit": metric["unit"],
        "description": metric["description"],
        "temporality": metric["temporality"],
        "is_monotonic": metric["is_monotonic"],
        "start_timestamp": start,
        "value": point["value"].as_f64(),
        "value_int": if point["value_type"] == "int" { point["value"].clone() } else { Value::Null },
        "count": point["count"],
        "sum": point["sum"].as_f64(),
        "min": point["min"].as_f64(),
        "max": point["max"].as_f64(),
        "bucket_counts": point["bucket_counts"],
        "explicit_bounds": doubles("explicit_bounds"),
        "scale": point["scale"],
        "zero_count": point["zero_count"],
        "zero_threshold": (kind == "exponential_histogram").then_some(0.0),
        "positive_offset": point["positive_offset"],
        "positive_counts": point["positive_counts"],
        "negative_offset": point["negative_offset"],
        "negative_counts": point["negative_counts"],
        "exemplars": exemplars,
    })
}

/// The same rows, each as often; else the first that differ are shown.
pub(super) fn assert_same(run: &str, mut expected: Vec<Row>, mut found: Vec<Row>) {
    let (n_expected, n_found) = (expected.len(), found.len());
    expected.retain(|row| match found.iter().position(|other| other == row) {
        Some(at) => {
            found.swap_remove(at);
            false
        }
        None => true,
    });
    let show = |rows: &[Row]| rows.first().map(|row| serde_json::to_string_pretty(row).unwrap());
    let said = || format!("{run}: {n_expected} expected, {n_found} found");
    assert!(
        expected.is_empty(),
        "{}, {} missing, as\n{:#}\nwhile there is\n{:#}",
        said(),
        expected.len(),
        show(&expected).unwrap_or_default(),
        show(&found).unwrap_or_default()
    );
    assert!(found.is_empty(), "{}, {} too many, as\n{:#}", said(), found.len(), show(&found).unwrap_or_default());
}
