//! What goes, and when: days past their retention, data files that were replaced, entries of the Delta log. And nothing
//! else ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clock::{Clock, SystemClock};
use local::serve::Credentials;
use model::{MICROS_PER_DAY, Signal};
use prost::Message;
use serde_json::{Value, json};
use testkit::telemetry::{self, Sample};
use tests::delta::DeltaFolder;
use tests::shop::{self, Days};
use tests::{Client, World, eventually};

const SPANS_PER_DAY: f64 = 2_000.0;
const HOUR: Duration = Duration::from_secs(3_600);

/// What each day holds, by date.
fn days_of(client: &Client, table: &str) -> BTreeMap<String, Vec<Value>> {
    let sql = format!(
        "SELECT date, count(*), min(timestamp), max(timestamp), sum(time_unix_nano % 1000), \
         count(DISTINCT resource___service___name) FROM {table} GROUP BY 1 ORDER BY 1"
    );
    let rows = client.sql(&sql).into_iter();
    rows.map(|mut row| (row.remove(0).as_str().unwrap().to_owned(), row)).collect()
}

fn another_project(world: &World) -> Client {
    let admin = &world.keys.admin_key;
    let made = world.api("POST", "/api/v1/projects", admin, Some(&json!({ "id": "other" })));
    assert_eq!(made.status, 201, "{}", made.text());
    let scopes = json!({ "name": "test", "scopes": ["ingest", "read"] });
    let key = world.api("POST", "/api/v1/projects/other/keys", admin, Some(&scopes));
    let secret = key.json()["secret"].as_str().expect("a secret").to_owned();
    let (ingest_key, read_key) = (secret.clone(), secret);
    Client::new(Credentials { project: "other".into(), ingest_key, read_key, ..world.keys.clone() })
}

/// The row of a table in the answer of a pass.
fn row_of(pass: &Value, project: &str, table: &str) -> Value {
    let mut rows = pass["tables"].as_array().unwrap().iter();
    rows.find(|row| row["project"] == project && row["table"] == table).expect("every table is seen to").clone()
}

#[test]
fn three_days_of_retention_lose_exactly_the_older_days_of_that_project() {
    shop::not_at_midnight();
    let world = World::start();
    let other = another_project(&world);
    let days = Days::whole(7, SPANS_PER_DAY);
    days.send(&world);
    days.send(&other);
    shop::drain(&world);
    let before = days_of(&world, "otel_logs_and_spans");
    let untouched =
        (days_of(&world, "otel_metrics"), days_of(&other, "otel_logs_and_spans"), days_of(&other, "otel_metrics"));
    assert_eq!(before.len(), 7);

    shop::set(&world, "default", &json!({ "retention_days_logs_and_spans": 3 }));
    let passes = shop::drain(&world);
    let first_kept = shop::days_ago(3);
    let (old, kept): (BTreeMap<_, _>, BTreeMap<_, _>) = before.into_iter().partition(|(date, _)| *date < first_kept);
    assert_eq!((old.len(), kept.len()), (4, 3));
    assert_eq!(days_of(&world, "otel_logs_and_spans"), kept);
    let retired = row_of(&passes[0], "default", "otel_logs_and_spans")["retired_days"].clone();
    assert_eq!(retired, json!(old.keys().collect::<Vec<_>>()));
    let now =
        (days_of(&world, "otel_metrics"), days_of(&other, "otel_logs_and_spans"), days_of(&other, "otel_metrics"));
    assert_eq!(now, untouched, "metrics, and the other project, have settings of their own");

    // A reader of the folder sees the same; the log says that rows went.
    let folder = DeltaFolder::of(&world, "default", "otel_logs_and_spans");
    let dates: BTreeSet<String> = folder.active().into_values().map(|file| file.date().to_owned()).collect();
    assert_eq!(dates, kept.keys().cloned().collect());
    let drop = folder.entries().into_iter().find(|entry| entry.kind.as_deref() == Some("retention")).expect("an entry");
    assert!(drop.added.is_empty() && drop.removed.iter().all(|removed| removed.data_change));
}

#[test]
fn many_days_at_once_are_dropped_only_when_told_to() {
    shop::not_at_midnight();
    let world = World::start();
    let now = SystemClock.now();
    for day in 0..12_i64 {
        let start_unix_nano = (now - day * MICROS_PER_DAY) as u64 * 1_000;
        let body = telemetry::traces(&Sample { seed: day as u64, n: 10, start_unix_nano }).encode_to_vec();
        assert_eq!(world.export(Signal::Traces, &body).status, 200);
    }
    shop::drain(&world);
    let before = days_of(&world, "otel_logs_and_spans");
    assert!(before.len() >= 12);
    shop::set(&world, "default", &json!({ "retention_days_logs_and_spans": 1 }));

    // Ten days at once look like a slip.
    let refused = row_of(&world.compact(), "default", "otel_logs_and_spans");
    let said = refused["error"].as_str().unwrap_or_else(|| panic!("{refused}"));
    assert!(said.contains("10 days at once") && said.contains("drop_any_number_of_days"), "{said}");
    assert_eq!(days_of(&world, "otel_logs_and_spans"), before);

    let told = json!({ "drop_any_number_of_days": true });
    let reply = world.api("POST", "/api/v1/compact", &world.keys.admin_key, Some(&told));
    let dropped = row_of(&reply.json(), "default", "otel_logs_and_spans");
    assert_eq!(dropped["retired_days"].as_array().unwrap().len(), 10, "{dropped}");
    let first_kept = shop::days_ago(1);
    let kept: BTreeMap<_, _> = before.into_iter().filter(|(date, _)| *date >= first_kept).collect();
    assert_eq!(days_of(&world, "otel_logs_and_spans"), kept);
}

#[test]
fn replaced_files_vanish_after_the_horizon_and_not_before() {
    // Longer than a drain takes on a busy machine.
    let horizon = Duration::from_secs(8);
    let world = World::with_small_files(|config| {
        config.compact.vacuum_horizon = horizon;
        // Only when asked.
        config.rhythm.upkeep_every = HOUR;
    });
    Days::last(3, SPANS_PER_DAY).send(&world);
    let folder = DeltaFolder::of(&world, "default", "otel_logs_and_spans");
    eventually("batches are committed", Duration::from_secs(60), || {
        folder_is_there(&folder) && folder.entries().len() > 6
    });
    // Old by their own age: what counts from here on is when they are replaced.
    world.age_objects(HOUR);
    let answers = shop::answers(&world);

    let mut seen_before = 0;
    eventually("every replaced file is gone", Duration::from_secs(120), || {
        shop::drain(&world);
        let now_ms = SystemClock.now() / 1_000;
        let on_disk: BTreeSet<String> = folder.data_files_on_disk().into_iter().collect();
        let active = folder.active();
        assert!(active.keys().all(|path| on_disk.contains(path)), "a file of the table is gone");
        let replaced: Vec<_> = folder.entries().into_iter().flat_map(|entry| entry.removed).collect();
        assert!(!replaced.is_empty(), "something was merged");
        for removed in &replaced {
            let age_ms = now_ms - removed.at_ms;
            let is_there = on_disk.contains(&removed.path);
            seen_before += usize::from(is_there);
            assert!(is_there || age_ms >= horizon.as_millis() as i64, "{} went after {age_ms} ms", removed.path);
        }
        on_disk.len() == active.len()
    });
    assert!(seen_before > 0, "no file was seen within the horizon");
    shop::assert_same_answers(&answers, &shop::answers(&world), "after vacuum");
}

fn folder_is_there(folder: &DeltaFolder) -> bool {
    folder.path().join("_delta_log").exists()
}

#[test]
fn the_log_keeps_the_entries_of_its_time_and_no_more_and_reads_afresh() {
    const CHECKPOINT_COMMITS: u64 = 4;
    let mut world = World::start_with(|config| {
        config.compact.log_kept = HOUR;
        config.compact.checkpoint_commits = CHECKPOINT_COMMITS;
        // Only when asked.
        config.rhythm.upkeep_every = 24 * HOUR;
    });
    let now = SystemClock.now() as u64 * 1_000;
    let mut sent = 0;
    let mut commit = |world: &World, times: u64| {
        for _ in 0..times {
            sent += 1;
            let body = telemetry::traces(&Sample { seed: sent, n: 10, start_unix_nano: now }).encode_to_vec();
            assert_eq!(world.export(Signal::Traces, &body).status, 200);
            world.compact();
        }
        sent * 10
    };
    commit(&world, 9);
    let folder = DeltaFolder::of(&world, "default", "otel_logs_and_spans");
    let versions = || folder.entries().iter().map(|entry| entry.version).collect::<Vec<_>>();
    assert!(versions().contains(&0), "all are young");
    let oldest_young = versions().last().unwrap() + 1;
    world.age_objects(HOUR + Duration::from_secs(60));
    let rows = commit(&world, 7);

    let kept = versions();
    let newest = *kept.last().unwrap();
    assert!((oldest_young..=newest).all(|version| kept.contains(&version)), "{kept:?} lacks a young one");
    let older = kept.iter().filter(|version| **version < oldest_young).count() as u64;
    assert!(older <= CHECKPOINT_COMMITS, "{kept:?}: {older} are older than the log is kept, and not needed to read it");
    assert!(!kept.contains(&0), "{kept:?}");

    // Afresh: by another process of ours, and by the library alone.
    world.restart();
    assert_eq!(world.count("otel_logs_and_spans"), rows);
    let url = url::Url::from_directory_path(folder.path()).expect("absolute");
    let table = world.block_on(async { deltalake::open_table(url).await }).expect("it opens");
    let listed: usize =
        table.snapshot().expect("loaded").log_data().iter().map(|file| file.num_records().expect("said")).sum();
    assert_eq!(listed as u64, rows);
    assert_eq!(commit(&world, 1), rows + 10);
    assert_eq!(world.count("otel_logs_and_spans"), rows + 10);
}
