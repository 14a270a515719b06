//! From an OpenTelemetry SDK to the answer of a query, and to other engines, through all functions.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tests::cloud::Emulators;
use tests::cloud::dev::{DevCloud, Settings, Ticks};
use tests::cloud::invocation::InvokeError;
use tests::eventually;
use tests::programs::{EXPORTS, plimsoll};
use tests::shop::Days;

use super::world::{Book, cloud, drain, invoked, live_segments};
use crate::engines::assert_agreement_on;
use crate::sdk::{Places, Run};

#[test]
fn every_record_of_a_real_sdk_is_there_exactly_once_before_and_after_compaction() {
    // Nothing is due while the first check looks.
    let parameters = vec![("CompactAfter", "20s".to_owned()), ("TriggerBatchWindowSeconds", "1".to_owned())];
    let cloud = cloud(Settings { parameters, ..Settings::default() });
    let runs: Vec<Run> =
        [EXPORTS[0], EXPORTS[1]].into_iter().map(|export| Run::send(&cloud, export, name(&export))).collect();
    for run in &runs {
        assert_eq!(run.check(&cloud), Places { live: true, files: false }, "before");
    }
    eventually("everything is compacted", Duration::from_secs(90), || {
        cloud.fire("sweep");
        for run in &runs {
            run.check(&cloud);
        }
        live_segments(&cloud) == 0
    });
    for run in &runs {
        assert_eq!(run.check(&cloud), Places { live: false, files: true }, "after");
    }
    let used: BTreeSet<&str> =
        ["ingest", "compact", "query"].into_iter().filter(|program| !invoked(&cloud, program).is_empty()).collect();
    assert_eq!(used.len(), 3);
    assert_all_went_well(&cloud);
}

fn name(export: &tests::programs::Export) -> String {
    format!("{:?} {} {}", export.sdk, export.protocol, export.compression)
}

fn assert_all_went_well(cloud: &DevCloud) {
    for invoked in cloud.lambda().journal().invoked_after(0) {
        // A tick that comes while all are at work is followed by the next one.
        assert!(
            matches!(invoked.result, Ok(_) | Err(InvokeError::Throttled)),
            "{invoked:?}\n{}",
            cloud.lambda().journal().lines(&invoked.function).join("\n")
        );
    }
}

#[test]
fn schedules_compact_and_maintain_without_anybody_asking() {
    let mut settings = Settings { ticks: Ticks::Faster(60), ..Settings::default() };
    // Rates are 60 times as fast: a sweep a second, maintenance every 15.
    settings.parameters.push(("MaintenanceSchedule", "rate(2 minutes)".to_owned()));
    let cloud = cloud(settings);
    let run = Run::send(&cloud, EXPORTS[0], "ticks".to_owned());
    eventually("everything is compacted", Duration::from_secs(60), || live_segments(&cloud) == 0);
    eventually("maintenance ran", Duration::from_secs(60), || {
        invoked(&cloud, "compact")
            .iter()
            .any(|invoked| invoked.what == "schedule maintenance" && invoked.result.is_ok())
    });
    cloud.fire("retention");
    run.check(&cloud);
    assert_all_went_well(&cloud);
}

#[test]
fn projects_and_keys_are_managed_through_the_api_function_and_the_command_line() {
    let cloud = cloud(Settings::default());
    let made = plimsoll(&cloud, &["project", "create", "second", "--json"]);
    assert_eq!(made["id"], "second", "{made}");
    let key = cloud.api(
        "POST",
        "/api/v1/projects/second/keys",
        &cloud.keys.admin_key,
        Some(&json!({ "name": "k", "scopes": ["ingest", "read"] })),
    );
    assert!(key.status < 300, "{}", key.text());
    let secret = key.json()["secret"].as_str().unwrap_or_else(|| panic!("{}", key.text())).to_owned();
    let mut second = tests::Client::clone(&cloud);
    (second.keys.ingest_key, second.keys.read_key) = (secret.clone(), secret);
    let book = Book::default();
    book.send(&second);
    book.check(&second);
    assert_eq!(cloud.count("otel_logs_and_spans"), 0, "projects do not mix");
    drain(&cloud);
    book.check(&second);
    assert_eq!(cloud.count("otel_logs_and_spans"), 0);
    assert_all_went_well(&cloud);
}

#[test]
fn deltalake_for_python_reads_the_table_from_the_bucket_and_answers_as_we_do() {
    let cloud = cloud(Settings::default());
    Days::last(1, 3_000.0).send(&cloud);
    drain(&cloud);
    let status = cloud.status();
    let tables: Vec<(&str, &Path)> = status["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| (table["table"].as_str().unwrap(), Path::new(table["uri"].as_str().unwrap())))
        .collect();
    assert!(tables.len() == 2 && tables.iter().all(|(_, uri)| uri.starts_with("s3://")), "{tables:?}");
    let mut variables = Emulators::shared().variables();
    variables.push(("AWS_ALLOW_HTTP", "true".to_owned()));
    assert_agreement_on(&cloud, &tables, &["deltalake"], &variables, "in the bucket");
}
