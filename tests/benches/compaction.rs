//! Two days of the demo shop: taken in, compacted, merged, and asked.
//!
//! Commits are read off the Delta log afterwards, so that watching costs nothing: a commit's file is written when its
//! data files are durable, and its actions say which files and rows it adds.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use clock::{Clock, SystemClock};
use model::{Micros, Signal, TableName};
use otlp::Encoding;
use serde_json::Value;
use url::Url;

use crate::load::{self, Until};
use crate::measure::Stopwatch;
use crate::payload::{Body, Content, SHOP_DAYS};
use crate::process::Usage;
use crate::report::{Report, Row};
use crate::server::{Measured, stored};
use crate::{Bench, process, queries};

const SENDERS: usize = 8;
/// The days are sent in so many turns, each with every so many-th request, as if some senders were a day late: so the
/// batches of compaction overlap in time, and the days need merging.
const TURNS: usize = 4;

pub(crate) fn run(bench: &Bench, report: &mut Report) {
    let shop = bench.payload(Content::Shop, Encoding::Gzip);
    let measured = Measured::on_request(bench);
    let mut rows = Vec::new();
    for table in TableName::ALL {
        let bodies: Vec<&Body> = shop.iter().filter(|body| body.signal.table() == table).collect();
        let in_turns = (0..TURNS).flat_map(|turn| bodies.iter().skip(turn).step_by(TURNS));
        let bodies: Vec<Body> = in_turns.map(|body| (*body).clone()).collect();
        rows.push(fill(&measured, table, &bodies));
    }
    let sent: u64 = shop.iter().map(|body| body.records).sum();
    assert_eq!(stored(&measured.server).in_files, sent, "every record is in the tables' files");
    report.section(
        "compaction and merging",
        &format!(
            "{SHOP_DAYS} days of the demo shop (8 services; {} spans, {} log records, {} points), sent as gzip in requests of \
             up to 2,000 records over {SENDERS} connections to a server that compacts only when asked, then one POST \
             /api/v1/compact: all live segments to sorted Parquet, then the days that are over to their final files. The days \
             are sent in {TURNS} turns, every {TURNS}th request in each, so that what is compacted overlaps in time and must be \
             merged. Rates are of wall time; CPU and peak memory are of the whole pass.",
            records(&shop, Signal::Traces),
            records(&shop, Signal::Logs),
            records(&shop, Signal::Metrics),
        ),
        &rows.iter().map(Filled::speed).collect::<Vec<_>>(),
    );
    report.section(
        "size",
        "What the same records take: OTLP protobuf, the requests as sent (gzip 6 each), landing segments, the table's data files.",
        &rows.iter().map(Filled::size).collect::<Vec<_>>(),
    );
    queries::run(bench, &measured.server, report);
}

fn records(bodies: &[Body], signal: Signal) -> u64 {
    bodies.iter().filter(|body| body.signal == signal).map(|body| body.records).sum()
}

/// What became of a table.
struct Filled {
    table: TableName,
    records: u64,
    raw_bytes: u64,
    sent_bytes: u64,
    segment_bytes: u64,
    taken_in_s: f64,
    compacted: Commits,
    merged: Commits,
    pass_s: f64,
    cpu_s: f64,
    other_cores: f64,
    peak: u64,
    files: u64,
    bytes: u64,
}

/// Commits of one kind.
#[derive(Default)]
struct Commits {
    commits: u64,
    rows: u64,
    /// Until the last of them was readable.
    seconds: f64,
}

fn fill(measured: &Measured, table: TableName, bodies: &[Body]) -> Filled {
    let server = &measured.server;
    let sent = load::run(server, bodies, SENDERS, Until::AllSent);
    let segment_bytes = of_table(&server.status(), table)["live_bytes"].as_u64().expect("a number");
    process::forget_peak(server.pid());
    let (usage, watch, began) = (Usage::of(server.pid()), Stopwatch::start(), SystemClock.now());
    let answer = server.compact();
    let (pass_s, used) = (watch.elapsed().as_secs_f64(), usage.so_far());
    let peak = process::memory(server.pid()).peak;
    let status = of_table(&server.status(), table);
    let said = of_table(&answer, table);
    assert!(said["error"].is_null() && said["outcome"] == "done", "{said}");
    let uri = Url::parse(status["uri"].as_str().expect("a text")).expect("a URI");
    let (compacted, merged) = commits(&uri.to_file_path().expect("a folder"), began);
    assert_eq!(compacted.rows, said["rows"].as_u64().expect("a number"), "the log tells what the pass told");
    Filled {
        table,
        records: sent.records,
        raw_bytes: sent.raw_bytes,
        sent_bytes: bodies.iter().map(|body| body.bytes.len() as u64).sum(),
        segment_bytes,
        taken_in_s: sent.used.wall.as_secs_f64(),
        compacted,
        merged,
        pass_s,
        cpu_s: used.cpu.as_secs_f64(),
        other_cores: used.other_cores,
        peak,
        files: status["files"].as_u64().expect("a number"),
        bytes: status["bytes"].as_u64().expect("a number"),
    }
}

impl Filled {
    fn speed(&self) -> Row {
        let Commits { commits, rows, seconds } = self.compacted;
        Row::default()
            .text("table", self.table.as_str())
            .count("records", self.records)
            .rate("taken_in_per_s", self.records as f64 / self.taken_in_s)
            .rate("compacted_per_s", rows as f64 / seconds)
            .number("compaction_mb_per_s", self.segment_bytes as f64 / 1e6 / seconds, 1)
            .count("commits", commits)
            .rate(
                "merged_per_s",
                if self.merged.rows == 0 { 0.0 } else { self.merged.rows as f64 / self.merged.seconds },
            )
            .count("merged_rows", self.merged.rows)
            .count("merges", self.merged.commits)
            .number("pass_s", self.pass_s, 2)
            .number("cpu_s", self.cpu_s, 2)
            .number("other_cores", self.other_cores, 2)
            .mib("peak_mib", self.peak)
    }

    fn size(&self) -> Row {
        let per_record = |bytes: u64| bytes as f64 / self.records as f64;
        Row::default()
            .text("table", self.table.as_str())
            .mib("otlp_mib", self.raw_bytes)
            .mib("gzip_mib", self.sent_bytes)
            .mib("segments_mib", self.segment_bytes)
            .mib("table_mib", self.bytes)
            .count("files", self.files)
            .number("otlp_over_table", self.raw_bytes as f64 / self.bytes as f64, 2)
            .number("gzip_over_table", self.sent_bytes as f64 / self.bytes as f64, 2)
            .number("otlp_bytes_per_record", per_record(self.raw_bytes), 1)
            .number("table_bytes_per_record", per_record(self.bytes), 1)
    }
}

fn of_table(answer: &Value, table: TableName) -> Value {
    let tables = answer["tables"].as_array().expect("tables");
    tables.iter().find(|row| row["table"] == table.as_str()).expect("every table is named").clone()
}

/// The commits of compaction and those of merging, by the names of the files they add.
fn commits(table: &Path, began: Micros) -> (Commits, Commits) {
    let (mut compacted, mut merged) = (Commits::default(), Commits::default());
    let mut last_part = began;
    let log = std::fs::read_dir(table.join("_delta_log")).expect("the table has a log");
    let mut entries: Vec<PathBuf> = log.map(|entry| entry.expect("the log is readable").path()).collect();
    entries.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    entries.sort();
    for entry in entries {
        let text = std::fs::read_to_string(&entry).expect("the log is readable");
        let actions = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("actions are JSON"));
        let added: Vec<Value> = actions.filter_map(|mut action| action.get_mut("add").map(Value::take)).collect();
        let Some(first) = added.first().and_then(|add| add["path"].as_str()) else { continue };
        let at = written_at(&entry);
        let rows: u64 = added.iter().map(n_records).sum();
        let is_merge = first.rsplit('/').next().is_some_and(|name| name.starts_with("merge-"));
        if !is_merge {
            last_part = at;
        }
        let (kind, since) = if is_merge { (&mut merged, last_part) } else { (&mut compacted, began) };
        kind.commits += 1;
        kind.rows += rows;
        kind.seconds = (at - since) as f64 / 1e6;
    }
    (compacted, merged)
}

fn n_records(add: &Value) -> u64 {
    let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap_or("{}")).expect("stats are JSON");
    stats["numRecords"].as_u64().expect("our files have statistics")
}

fn written_at(path: &Path) -> Micros {
    let modified = path.metadata().and_then(|known| known.modified()).expect("files have times");
    let since = modified.duration_since(UNIX_EPOCH).expect("after 1970");
    Micros::try_from(since.as_micros()).expect("before the year 290,000")
}
