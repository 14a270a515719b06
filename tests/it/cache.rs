//! What queries keep of objects that they read: how much a second run finds, and that nothing that is wrong with what is kept
//! ever shows in an answer.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use cache::{DiskLimits, Limits};
use clock::{Clock, SystemClock};
use futures::TryStreamExt;
use local::serve::{Aws, Root, ServeConfig};
use model::{ProjectId, TableId, TableName, rfc3339};
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::{Value, json};
use tests::cloud::Emulators;
use tests::shop::{self, Days};
use tests::tables::{Tables, batch, project};
use tests::{Reply, World, eventually};

/// Room for all that these tests read.
const DISK: u64 = 256 << 20;

/// A server with its objects in a bucket, and what it keeps of them.
fn server(rows_in_memory: bool, disk: impl FnOnce(DiskLimits) -> DiskLimits) -> World {
    let emulators = Emulators::shared();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let bucket = runtime.block_on(emulators.bucket());
    let cloud = emulators.cloud();
    World::start_with(|config: &mut ServeConfig| {
        config.root = Root::S3(format!("s3://{bucket}/data").parse().expect("a root"));
        config.aws = Aws::given(cloud);
        let folder = config.data.join("cache");
        let disk = disk(DiskLimits { folder, bytes_max: DISK, left_bytes: 0, free_bytes_min: 0 });
        config.query.cache = Limits { rows_in_memory, disk: Some(disk), ..Limits::in_memory(512 << 20) };
    })
}

/// Half a day of the shop in files, and then an hour live.
fn fill(world: &World) {
    let days = Days::last(1, 8_000.0);
    let now = days.range.end;
    let hour = model::MICROS_PER_HOUR;
    days.within(model::TimeRange::new(now - 12 * hour, now - hour)).send(world);
    shop::drain(world);
    days.within(model::TimeRange::new(now - hour, now)).send(world);
}

/// The whole workload, with what it asks for.
struct Workload {
    questions: Vec<(String, Value)>,
}

impl Workload {
    fn of(world: &World) -> Self {
        let first = |sql: &str| world.sql(sql).remove(0).remove(0);
        let of_a_span = |column: &str| {
            let rows =
                "FROM otel_logs_and_spans WHERE signal = 'span' AND parent_id IS NOT NULL ORDER BY timestamp, id";
            first(&format!("SELECT {column} {rows} LIMIT 1"))
        };
        let now = SystemClock.now();
        let trace = of_a_span("context___trace_id");
        let values: BTreeMap<&str, Value> = BTreeMap::from([
            ("project", json!(world.keys.project)),
            ("start", json!(rfc3339(now - model::MICROS_PER_DAY))),
            ("end", json!(rfc3339(now))),
            ("at", of_a_span("timestamp")),
            ("id", of_a_span("id")),
            ("trace_id", trace.clone()),
            ("trace_ids", json!([trace])),
            ("service", of_a_span("resource___service___name")),
            ("value", of_a_span("context___span_id")),
            ("metric", first("SELECT metric_name FROM otel_metrics ORDER BY metric_name LIMIT 1")),
        ]);
        let replaced = [
            ("{dim}", "resource___service___name"),
            ("{x}", "context___trace_id"),
            ("{key}", "name"),
            ("{field}", "attributes___http___request___method"),
            ("{filters}", "AND status_code = 'ERROR'"),
            ("{needle}", "context___span_id"),
            ("{condition}", "body LIKE '%a%'"),
        ];
        let folder = format!("{}/fixtures/workload", env!("CARGO_MANIFEST_DIR"));
        let fixtures = std::fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("a file").path());
        let question = |path: std::path::PathBuf| {
            let mut sql = std::fs::read_to_string(path).expect("text");
            for (from, to) in replaced {
                sql = sql.replace(from, to);
            }
            let sql = without_limits(&sql);
            let is_used = |name: &str| {
                sql.match_indices(&format!("${name}")).any(|(at, found)| {
                    !sql[at + found.len()..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
                })
            };
            let params: BTreeMap<&str, &Value> =
                values.iter().filter(|(name, _)| is_used(name)).map(|(name, value)| (*name, value)).collect();
            let params = json!(params);
            (sql, params)
        };
        let mut questions: Vec<(String, Value)> = fixtures.map(question).collect();
        questions.sort_by(|a, b| a.0.cmp(&b.0));
        assert!(questions.len() > 30, "the whole workload");
        Self { questions }
    }

    /// The rows of every answer, as one text each, and the bytes that were fetched for all.
    fn ask(&self, world: &World) -> (Vec<String>, u64) {
        let mut fetched = 0;
        let answers = self.questions.iter().map(|(sql, params)| {
            let reply = world.query(&json!({ "sql": sql, "params": params, "limit": 100_000 }));
            assert_eq!(reply.status, 200, "{sql}\n{params}\n{}", reply.text());
            let answer = reply.json();
            assert_eq!(answer["warnings"], json!([]), "{sql}");
            fetched += answer["statistics"]["bytes_scanned"].as_u64().expect("a number");
            rows(&answer)
        });
        (answers.collect(), fetched)
    }
}

/// Where rows are alike, it is anybody's guess which of them a limit cuts off.
fn without_limits(sql: &str) -> String {
    let mut parts = sql.split("LIMIT ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |sql, part| format!("{sql}LIMIT 100000{}", part.trim_start_matches(|c: char| c.is_ascii_digit())))
}

impl Workload {
    /// Names the first question whose rows differ, and the first of them.
    fn assert_same(&self, found: &[String], expected: &[String]) {
        for (((sql, _), found), expected) in self.questions.iter().zip(found).zip(expected) {
            let different = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
            let (found, expected) = (found.lines().count(), expected.lines().count());
            assert!(different.is_none() && found == expected, "{found} rows, not {expected}: {different:?}\n{sql}");
        }
    }
}

/// In an order of their own: many questions do not ask for one. Sums of fractions depend on the order of the rows.
fn rows(answer: &Value) -> String {
    let rounded = |value: &Value| match value.as_f64() {
        Some(number) if !value.is_i64() => format!("{number:.6e}"),
        _ => value.to_string(),
    };
    let row = |row: &Value| row.as_array().expect("a list").iter().map(rounded).collect::<Vec<_>>().join(",");
    let mut rows: Vec<String> = answer["rows"].as_array().expect("rows").iter().map(row).collect();
    rows.sort();
    rows.join("\n")
}

/// The sum of a counter's samples that have all these labels.
fn counted(world: &World, counter: &str, labels: &[&str]) -> u64 {
    let text = metrics(world).text();
    let of = |line: &str| line.starts_with(counter) && labels.iter().all(|label| line.contains(label));
    let value = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok()).expect("a number");
    text.lines().filter(|line| of(line)).map(value).sum()
}

fn metrics(world: &World) -> Reply {
    world.api("GET", "/metrics", &world.keys.admin_key, None)
}

fn hits_and_requests(world: &World) -> (u64, u64) {
    (counted(world, "plimsoll_cache_hits_total", &[]), counted(world, "plimsoll_cache_requests_total", &[]))
}

/// Waits until all that was read is written.
fn settled(world: &World) {
    let mut before = u64::MAX;
    eventually("it is written", Duration::from_secs(20), || {
        std::thread::sleep(Duration::from_millis(200));
        let now = counted(world, "plimsoll_cache_kept_bytes", &["tier=\"disk\""]);
        std::mem::replace(&mut before, now) == now
    });
}

fn share(part: (u64, u64), of: (u64, u64)) -> f64 {
    (of.0 - part.0) as f64 / (of.1 - part.1) as f64
}

#[test]
fn of_a_second_run_of_the_whole_workload_nearly_all_is_kept_and_after_a_restart_on_the_disk() {
    let mut world = server(true, |disk| disk);
    fill(&world);
    let workload = Workload::of(&world);
    let (answers, fetched) = workload.ask(&world);
    let before = hits_and_requests(&world);
    let (again, fetched_again) = workload.ask(&world);
    let hits = share(before, hits_and_requests(&world));
    println!("second run: {:.2} % hits, {fetched_again} bytes fetched of {fetched}", hits * 100.0);
    workload.assert_same(&again, &answers);
    assert!(hits >= 0.95 && fetched_again * 20 <= fetched.max(1), "{hits}, {fetched_again} of {fetched}");

    settled(&world);
    world.restart();
    // What the process before left is there a moment later.
    eventually("loaded", Duration::from_secs(20), || counted(&world, "plimsoll_cache_kept_bytes", &["disk"]) > 0);
    let (again, fetched_again) = workload.ask(&world);
    let hits = share((0, 0), hits_and_requests(&world));
    println!("after a restart: {:.2} % hits, {fetched_again} bytes fetched of {fetched}", hits * 100.0);
    workload.assert_same(&again, &answers);
    assert!(hits >= 0.95, "{hits}");
    assert!(counted(&world, "plimsoll_cache_hits_total", &["kind=\"rows\"", "tier=\"disk\""]) > 0);
}

#[test]
fn damage_under_a_running_server_shows_in_no_answer() {
    let world = server(false, |disk| disk);
    fill(&world);
    let workload = Workload::of(&world);
    let (answers, _) = workload.ask(&world);
    settled(&world);
    let (again, _) = workload.ask(&world);
    workload.assert_same(&again, &answers);
    assert!(counted(&world, "plimsoll_cache_hits_total", &["tier=\"disk\""]) > 0);
    damage(&world.data().join("cache"));
    let (again, _) = workload.ask(&world);
    workload.assert_same(&again, &answers);
    assert!(counted(&world, "plimsoll_cache_left_out_total", &["damaged"]) > 0);
    std::fs::remove_dir_all(world.data().join("cache")).expect("removed");
    let (again, _) = workload.ask(&world);
    workload.assert_same(&again, &answers);
}

/// Turns over a byte in every 500 of every file.
fn damage(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let file = std::fs::File::options().read(true).write(true).open(&path).expect("ours");
        for at in (0..file.metadata().expect("there").len()).step_by(500) {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("read");
            file.write_all_at(&[!byte[0]], at).expect("written");
        }
    }
}

#[test]
fn on_a_full_disk_queries_answer_as_ever() {
    let world = server(false, |disk| DiskLimits { free_bytes_min: u64::MAX / 2, ..disk });
    fill(&world);
    let workload = Workload::of(&world);
    let (answers, _) = workload.ask(&world);
    let (again, _) = workload.ask(&world);
    workload.assert_same(&again, &answers);
    assert!(counted(&world, "plimsoll_cache_left_out_total", &["no_room"]) > 0);
    assert_eq!(counted(&world, "plimsoll_cache_hits_total", &["tier=\"disk\""]), 0);
    assert_eq!(counted(&world, "plimsoll_cache_kept_bytes", &["tier=\"disk\""]), 0);
}

/// File names are drawn by chance, but nobody promises that two projects never have the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_same_name_in_another_project_is_read_from_there() {
    let tables = Tables::new();
    let (ours, theirs) = (project("ours"), project("theirs"));
    let id = TableId::new(ours.clone(), TableName::LogsAndSpans);
    let row = json!({ "timestamp": "2026-11-20T01:00:00Z", "signal": "log", "body": "ours" });
    tables.files(&id, &batch(&ours, TableName::LogsAndSpans, &[row])).await;
    let sql = "SELECT body FROM otel_logs_and_spans";
    let scanned = async |of: &ProjectId| {
        let answer = tables.ask(of, sql).await.expect("answered");
        assert_eq!(answer.rows(), [[json!("ours")]]);
        answer.statistics.bytes_scanned
    };
    assert!(scanned(&ours).await > 0);
    assert_eq!(scanned(&ours).await, 0, "kept");
    let all: Vec<_> = tables.store.list(Some(&"ours".into())).try_collect().await.expect("listed");
    for object in all {
        let theirs = object.location.as_ref().replacen("ours", "theirs", 1);
        tables.store.copy(&object.location, &theirs.into()).await.expect("copied");
    }
    assert!(scanned(&theirs).await > 0, "not what is kept of another project");
}
