//! The suite's data: a month of the demo shop, sent through OTLP and compacted day by day, kept from one run to the next.
//!
//! The bytes of the requests follow from a seed; the folder's name says version and size, and it gets that name last, so that
//! a folder that is there is whole. Runs work on copies, whose immutable objects are hard links.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use local::demo::send::Sender;
use local::demo::{Scale, Shop};
use local::serve::ServeConfig;
use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, Signal, TableName, TimeRange};
use tempfile::TempDir;
use tests::Binary;
use tests::delta::{Added, DeltaFolder};

use crate::Bench;
use crate::measure::Stopwatch;
use crate::payload::MONDAY;
use crate::server::{give_room, on_request, stored, this_program};

/// Changes with what is made, so that old data are not taken for new ones.
const VERSION: &str = "v2";
/// How many rows of logs and spans to make at least.
const ROWS_VARIABLE: &str = "PLIMSOLL_BENCH_ROWS";
const ROWS_DEFAULT: u64 = 20_000_000;
pub(super) const DAYS: i64 = 30;
/// A Monday afternoon: the newest hour is a busy one.
pub(super) const END: Micros = MONDAY + 16 * MICROS_PER_HOUR;
/// The shop's log records and spans for each span of its scale, at the least.
const ROWS_PER_SPAN_MIN: f64 = 1.24;
const SENDERS: usize = 4;
/// Live segments come one by one, each with what happened in so many seconds.
const LIVE_SEED: u64 = 2;
const LIVE_STEP: Micros = 36 * 1_000_000;

/// What was made.
pub(super) struct Month {
    folder: PathBuf,
    pub(super) rows: u64,
    pub(super) span: TimeRange,
}

/// It is made if it is not there.
pub(super) fn month(bench: &Bench) -> Month {
    let rows = match std::env::var(ROWS_VARIABLE) {
        Ok(rows) => rows.parse().unwrap_or_else(|error| panic!("{ROWS_VARIABLE}={rows}: {error}")),
        Err(_) => ROWS_DEFAULT,
    };
    let folder = bench.folder.join(format!("suite-{VERSION}-{rows}"));
    let month = Month { folder, rows, span: TimeRange::new(END - DAYS * MICROS_PER_DAY, END) };
    if !month.folder.exists() {
        month.make();
    }
    month
}

impl Month {
    /// Version and size.
    pub(super) fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn shop(&self, seed: u64) -> Shop {
        let spans_per_day = self.rows as f64 / DAYS as f64 / ROWS_PER_SPAN_MIN;
        let deployed_at = self.span.start + (self.span.end - self.span.start) / 2;
        Shop::new(seed, Scale::SpansPerDay(spans_per_day)).deployed_at(deployed_at)
    }

    /// Sends and compacts day after day, and says how far it is.
    fn make(&self) {
        let new = self.folder.with_extension("new");
        if new.exists() {
            fs::remove_dir_all(&new).expect("what an ended run left can be removed");
        }
        fs::create_dir_all(&new).expect("the bench folder takes folders");
        eprintln!("making {DAYS} days of the shop for the suite, once, in {} ...", self.folder.display());
        let server = on_request(Command::new(this_program()), &new);
        give_room(&server);
        let sender = Sender::new(&server.keys.otlp_url, &server.keys.ingest_key);
        let watch = Stopwatch::start();
        for day in 0..DAYS {
            let start = self.span.start + day * MICROS_PER_DAY;
            let requests = self.shop(1).requests(TimeRange::new(start, start + MICROS_PER_DAY));
            let (_, sent) = sender.send_all(requests, SENDERS, &AtomicBool::new(false), |_| {});
            sent.unwrap_or_else(|error| panic!("day {day}: {error}"));
            compact_all(&server);
            let rows = stored(&server).in_files;
            eprintln!("  day {} of {DAYS}: {rows} rows, {:.0} s", day + 1, watch.elapsed().as_secs_f64());
        }
        // Queries would go on reading what the ledger says of compacted segments, as long as it does.
        std::thread::sleep(ServeConfig::new(&new).compact.mark_delay);
        compact_all(&server);
        server.terminate();
        for project in fs::read_dir(new.join("objects")).expect("objects") {
            let landing = project.expect("a folder").path().join("landing");
            if landing.exists() {
                fs::remove_dir_all(landing).expect("segments that are in the tables can be removed");
            }
        }
        fs::rename(&new, &self.folder).expect("it was made there");
    }

    /// A copy to work on.
    pub(super) fn copy(&self, bench: &Bench) -> TempDir {
        let copy = bench.data();
        copied(&self.folder, copy.path());
        copy
    }

    /// Adds so many live segments of logs and spans, the newest at the end of the month; how many rows they have.
    pub(super) fn add_live(&self, server: &Binary, segments: usize) -> u64 {
        let mut rows = 0;
        let mut sent = 0;
        for step in 1.. {
            let end = self.span.end - (step - 1) * LIVE_STEP;
            for request in self.shop(LIVE_SEED).requests(TimeRange::new(end - LIVE_STEP, end)) {
                if request.signal == Signal::Metrics {
                    continue;
                }
                if sent == segments {
                    return rows;
                }
                let reply = server.export(request.signal, &request.body);
                assert_eq!(reply.status, 200, "{}", reply.text());
                rows += request.records as u64;
                sent += 1;
            }
        }
        unreachable!("steps do not end")
    }
}

/// Until nothing is live and nothing is left to merge.
fn compact_all(server: &Binary) {
    tests::shop::drain(server);
    assert_eq!(stored(server).live, 0, "everything is in files");
}

/// Objects never change, so they are linked; what changes is copied.
fn copied(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir_all(&to).expect("a folder can be made");
            copied(&from, &to);
        } else if from.components().any(|part| part.as_os_str() == "objects") {
            fs::hard_link(&from, &to).expect("it is on the same disk");
        } else {
            fs::copy(&from, &to).expect("the disk takes it");
        }
    }
}

/// The active files of both tables, for engines that do not read a log.
pub(super) struct Files {
    tables: Vec<(TableName, DeltaFolder, Vec<Added>)>,
}

impl Files {
    pub(super) fn of(server: &Binary) -> Self {
        let of = |table: TableName| {
            let folder = DeltaFolder::of(server, &server.keys.project, table.as_str());
            let active = folder.active().into_values().collect();
            (table, folder, active)
        };
        Self { tables: TableName::ALL.map(of).into() }
    }

    /// Links in `to` to those with rows of `span`; the paths by table.
    pub(super) fn within(&self, span: TimeRange, to: &Path) -> serde_json::Map<String, serde_json::Value> {
        let mut tables = serde_json::Map::new();
        for (table, folder, active) in &self.tables {
            let mut paths = Vec::new();
            for file in active.iter().filter(|file| file.time_min <= span.end && span.start <= file.time_max) {
                let link = to.join(format!("{}-{}", span.start, span.end)).join(table.as_str()).join(&file.path);
                if !link.exists() {
                    fs::create_dir_all(link.parent().expect("in a folder")).expect("a folder can be made");
                    fs::hard_link(folder.path().join(&file.path), &link).expect("it is on the same disk");
                }
                paths.push(link.to_str().expect("utf-8").into());
            }
            tables.insert(table.to_string(), serde_json::Value::Array(paths));
        }
        tables
    }

    /// Rows, bytes and files of a table.
    pub(super) fn size(&self, table: TableName) -> (u64, u64, u64) {
        let (.., active) = self.tables.iter().find(|(name, ..)| *name == table).expect("both tables are there");
        (active.iter().map(Added::rows).sum(), active.iter().map(|file| file.bytes).sum(), active.len() as u64)
    }
}
