//! Other engines read our tables from the disk, with nothing of ours in between: deltalake for Python, DuckDB and Polars
//! give the answers that our own query API gives.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tests::delta::DeltaFolder;
use tests::programs::{ask_engines, file};
use tests::shop::{self, Days};
use tests::{Client, World};

const ENGINES: [&str; 3] = ["deltalake", "duckdb", "polars"];
const SPANS_PER_DAY: f64 = 6_000.0;
const HOUR: Duration = Duration::from_secs(3_600);
/// Relative difference of sums of doubles, which are added in any order.
const DOUBLES_DIFFER_MAX: f64 = 1e-9;

fn checks() -> Value {
    let text = std::fs::read_to_string(file("engines/checks.json")).expect("the checks are there");
    serde_json::from_str(&text).expect("the checks are JSON")
}

/// Rows as `check.py` prints them: times as microseconds, every integer a number.
fn ours(client: &Client, sql: &str) -> Vec<Vec<Value>> {
    let reply = client.query(&json!({ "sql": sql, "limit": 100_000 }));
    assert_eq!(reply.status, 200, "{sql}\n{}", reply.text());
    let answer = reply.json();
    assert_eq!(answer["truncated"], Value::Null, "{sql}");
    let types: Vec<&str> = answer["columns"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    let plain = |(value, kind): (&Value, &&str)| match (*kind, value.as_str()) {
        ("timestamptz" | "timestamp", Some(text)) => {
            json!(chrono::DateTime::parse_from_rfc3339(text).expect("RFC 3339").timestamp_micros())
        }
        ("bigint" | "numeric", Some(digits)) => json!(digits.parse::<i64>().expect("an integer")),
        _ => value.clone(),
    };
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| row.as_array().unwrap().iter().zip(&types).map(plain).collect()).collect()
}

fn is_same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(x), Some(y)) if a.is_f64() || b.is_f64() => (x - y).abs() <= DOUBLES_DIFFER_MAX * x.abs().max(y.abs()),
        _ => a == b,
    }
}

/// Every engine answers every check as we do.
fn assert_agreement(client: &Client, when: &str) {
    let tables = ["otel_logs_and_spans", "otel_metrics"].map(|name| (name, DeltaFolder::of(client, "default", name)));
    let folders = tables.each_ref().map(|(name, folder)| (*name, folder.path()));
    assert_agreement_on(client, &folders, &ENGINES, &[], when);
}

/// The same of some engines, on tables wherever they lie, with what the environment must tell of the way there.
pub(crate) fn assert_agreement_on(
    client: &Client,
    tables: &[(&str, &Path)],
    engines: &[&str],
    variables: &[(&str, String)],
    when: &str,
) {
    let checks = checks();
    let answers = ask_engines(tables, &checks, engines, variables);
    for check in checks.as_array().unwrap() {
        let (name, sql) = (check["name"].as_str().unwrap(), check["sql"].as_str().unwrap());
        let ours = ours(client, sql);
        assert!(!ours.is_empty(), "{name}: a check without rows says nothing");
        for engine in engines {
            let answer = &answers["engines"][*engine][name];
            assert!(answer["error"].is_null(), "{when}: {engine}: {name}: {answer}");
            let theirs = answer["rows"].as_array().unwrap();
            assert_eq!(theirs.len(), ours.len(), "{when}: {engine}: {name}");
            for (theirs, ours) in theirs.iter().zip(&ours) {
                let theirs = theirs.as_array().unwrap();
                let same = theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(a, b)| is_same(a, b));
                assert!(same, "{when}: {name}: {engine} says {theirs:?}, we say {ours:?}");
            }
        }
    }
    // The list of files is the one that we count.
    let status = client.status();
    for row in status["tables"].as_array().unwrap() {
        let table = row["table"].as_str().unwrap();
        assert_eq!(answers["files"][table], row["files"], "{when}: {table}");
    }
}

#[test]
fn other_engines_give_our_answers_over_the_demo_data() {
    // Large enough that rollups lie between rows and footer.
    let world = World::with_small_files(|config| {
        config.compact.merge.target_bytes = 16 << 20;
        config.compact.merge.small_bytes = 12 << 20;
    });
    Days::last(2, 3.0 * SPANS_PER_DAY).send(&world);
    shop::drain(&world);
    let files = DeltaFolder::of(&world, "default", "otel_logs_and_spans").active();
    assert!(files.values().any(|file| file.rollups.is_some()), "{files:?}");
    assert_agreement(&world, "after compaction and merging");
}

#[test]
fn other_engines_read_the_tables_after_merging_retention_vacuum_and_log_clean_up() {
    shop::not_at_midnight();
    let world = World::with_small_files(|config| {
        // Only when asked.
        config.rhythm.upkeep_every = 24 * HOUR;
        config.compact.vacuum_horizon = Duration::ZERO;
        config.compact.log_kept = HOUR;
        config.compact.checkpoint_commits = 4;
    });
    let folders = || ["otel_logs_and_spans", "otel_metrics"].map(|table| DeltaFolder::of(&world, "default", table));
    Days::whole(7, SPANS_PER_DAY / 4.0).send(&world);
    let merged = total(&shop::drain(&world), "merges");
    assert!(merged > 0);
    assert_agreement(&world, "after merging");

    shop::set(&world, "default", &json!({ "retention_days_logs_and_spans": 3, "retention_days_metrics": 4 }));
    let passes = shop::drain(&world);
    assert_eq!(total(&passes, "retired_days"), 4 + 3);
    // Nobody is given time to finish reading: everything that was replaced or retired is gone.
    assert!(total(&passes, "vacuumed_files") > 0);
    for folder in folders() {
        assert_eq!(folder.data_files_on_disk(), folder.active().into_keys().collect::<Vec<_>>());
    }
    assert_agreement(&world, "after retention and vacuum");

    world.age_objects(2 * HOUR);
    shop::drain(&world);
    for folder in folders() {
        assert!(folder.entries()[0].version > 0, "{:?} still has its first entry", folder.path());
    }
    assert_agreement(&world, "after log clean-up");
}

/// Over all tables and passes; of lists, how many they hold.
fn total(passes: &[Value], what: &str) -> u64 {
    let rows = passes.iter().flat_map(|pass| pass["tables"].as_array().unwrap());
    let count = |value: &Value| value.as_u64().or(value.as_array().map(|list| list.len() as u64));
    rows.map(|row| count(&row[what]).expect("a count or a list")).sum()
}
