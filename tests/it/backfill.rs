//! A week of the shop, sent while the server compacts and merges by itself, then drained: how its days lie on the disk,
//! and how little of them a look-up opens.

pub(crate) mod layout;

use std::collections::BTreeMap;

use model::{TableName, rfc3339};
use serde_json::{Value, json};
use tests::delta::DeltaFolder;
use tests::programs::plimsoll;
use tests::shop::{self, Days};
use tests::{Client, World};

const FILES_A_DAY_MAX: usize = 10;
const SPANS_PER_DAY: f64 = 9_000.0;

#[test]
fn a_week_in_many_small_batches_ends_in_few_sorted_disjoint_files_a_day() {
    shop::not_at_midnight();
    let world = World::with_small_files(|_| {});
    let sent = Days::whole(7, SPANS_PER_DAY).send(&world);
    let acknowledged = [sent.traces, sent.logs, sent.metrics].map(|signal| signal.acknowledged);
    let folders = assert_week(&world, acknowledged, 0);
    let most = folders.each_ref().map(|(table, folder)| assert_days_lie_well(*table, folder));
    assert!(most[0] > 1, "else being disjoint says nothing");
    let merges: usize = folders.iter().map(|(_, folder)| layout::assert_bounded_rewrites(folder)).sum();
    assert!(merges > 20, "{merges} merges");
}

#[test]
fn a_week_as_demo_sends_it_ends_in_few_sorted_disjoint_files_a_day() {
    shop::not_at_midnight();
    let world = World::start();
    let sent = plimsoll(&world, &["demo", "--backfill", "7d", "--json"]);
    let acknowledged =
        ["traces", "logs", "metrics"].map(|signal| sent["signals"][signal]["acknowledged"].as_u64().unwrap());
    assert!(acknowledged[0] > 500_000, "{sent}");
    // Today is not over: its files are not finished, and hold the newest rows.
    for (table, folder) in assert_week(&world, acknowledged, 4) {
        assert_days_lie_well(table, &folder);
        layout::assert_bounded_rewrites(&folder);
    }
}

/// Drains a week of the shop: nothing is lost, no answer changes, and look-ups open little.
fn assert_week(client: &Client, acknowledged: [u64; 3], unfinished_files: u64) -> [(TableName, DeltaFolder); 2] {
    let before = shop::answers(client);
    let passes = shop::drain(client);
    assert!(passes.len() < 10, "{} passes", passes.len());
    shop::assert_same_answers(&before, &shop::answers(client), "after the drain");
    let there =
        ["otel_logs_and_spans WHERE signal = 'span'", "otel_logs_and_spans WHERE signal = 'log'", "otel_metrics"];
    assert_eq!(there.map(|what| client.count(what)), acknowledged);
    let folders = TableName::ALL.map(|table| (table, DeltaFolder::of(client, "default", table.as_str())));
    let n_files = folders[0].1.active().len() as u64;
    assert_newest_hundred_open_little(client, n_files, unfinished_files);
    assert_traces_open_little(client, n_files);
    folders
}

/// Each past day, by signal: few files, sorted, disjoint, with full statistics. The most files of a day and signal.
fn assert_days_lie_well(table: TableName, folder: &DeltaFolder) -> usize {
    let active: Vec<_> = folder.active().into_values().collect();
    let mut days: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for file in &active {
        days.entry(&file.partition).or_default().push(file);
        layout::assert_full_statistics(table, folder, file);
    }
    let past: Vec<_> = days.iter().filter(|(partition, _)| shop::is_over(&partition["date"])).collect();
    let n_signals = table.partition_columns().len();
    assert_eq!(past.len(), 7 * n_signals, "{table}");
    for (partition, files) in &past {
        let lie =
            || files.iter().map(|file| (file.time_min, file.bytes, file.rows(), file.rewrites)).collect::<Vec<_>>();
        assert!(files.len() <= FILES_A_DAY_MAX, "{table} {partition:?}: {:?}", lie());
        layout::assert_sorted_and_disjoint(folder, files);
    }
    past.iter().map(|(_, files)| files.len()).max().expect("there are past days")
}

/// What an answer of `otel_logs_and_spans` opened, of all its files.
fn assert_few(what: &str, answer: &Value, n_files: u64, files_max: u64, probed_max: u64) {
    let number = |name: &str| answer["statistics"][name].as_u64().unwrap();
    assert_eq!((number("files_considered"), number("live_segments_considered")), (n_files, 0), "{what}");
    for (counted, most) in [("files_opened", files_max), ("row_groups_opened", files_max), ("files_probed", probed_max)]
    {
        assert!(number(counted) <= most, "{what}: {counted} over {most} of {n_files}: {}", answer["statistics"]);
    }
}

/// Newest first: the newest files, one for each of the scan's two partitions, and no others are even looked at.
fn assert_newest_hundred_open_little(client: &Client, n_files: u64, unfinished_files: u64) {
    for (condition, files_max) in
        [("", 2), ("WHERE signal = 'log'", 2), ("WHERE kind = 'server' AND resource___service___name = 'web'", 2)]
    {
        let sql = format!("SELECT * FROM otel_logs_and_spans {condition} ORDER BY timestamp DESC LIMIT 100");
        let answer = client.query(&json!({ "sql": sql })).json();
        assert_eq!(answer["rows"].as_array().unwrap().len(), 100, "{condition}");
        let most = files_max + unfinished_files;
        assert_few(condition, &answer, n_files, most, most);
    }
    let logs = client.api("GET", "/api/v1/logs?start=-7d&limit=100", &client.keys.read_key, None).json();
    assert_eq!(logs["logs"].as_array().unwrap().len(), 100);
    assert_few("GET /api/v1/logs", &logs, n_files, 2 + unfinished_files, 2 + unfinished_files);
}

/// A trace in the middle of the week: Bloom filters rule out nearly all files that do not have it; the log rules them out
/// unseen if its time is given.
fn assert_traces_open_little(client: &Client, n_files: u64) {
    let middle = "SELECT context___trace_id, min(timestamp), max(timestamp), count(*), count(DISTINCT signal || date::text) \
        FROM otel_logs_and_spans WHERE timestamp BETWEEN now() - INTERVAL '84 hours' AND now() - INTERVAL '72 hours' \
        GROUP BY 1 HAVING count(*) > 10 ORDER BY 2, 1 LIMIT 1";
    let row = client.sql(middle).remove(0);
    let at =
        |place: usize| chrono::DateTime::parse_from_rfc3339(row[place].as_str().unwrap()).unwrap().timestamp_micros();
    let (id, rows, partitions) = (row[0].as_str().unwrap(), row[3].as_u64().unwrap(), row[4].as_u64().unwrap());
    let trace = |more: &str| {
        let reply = client.api("GET", &format!("/api/v1/traces/{id}{more}"), &client.keys.read_key, None);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.json();
        assert_eq!(answer["items"].as_array().unwrap().len() as u64, rows);
        answer
    };
    // A trace may lie over two neighbours of each partition; one filter in a hundred errs.
    let files_max = 2 * partitions;
    assert_few("a trace by id", &trace(""), n_files, files_max + n_files.div_ceil(20), n_files);
    let range = format!("?start={}&end={}", rfc3339(at(1)), rfc3339(at(2) + 1));
    assert_few("a trace by id and time", &trace(&range), n_files, files_max, files_max);
}
