//! A trace by id over more and more files, with look-up indexes beside them and without: time, reads and bytes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use async_trait::async_trait;
use futures::stream::BoxStream;
use lake::{APP_COMPACT, Commit};
use model::{MICROS_PER_DAY, Micros, TableId, TableName, rfc3339};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use query::{App, Lookups, SqlRequest, Statistics};
use serde_json::json;
use tests::tables::{NOW, Tables, batch, project};

use crate::Bench;
use crate::measure::{Stopwatch, median};
use crate::report::{Report, Row};

const ROWS_PER_FILE: usize = 1_000;
const SPANS_PER_TRACE: usize = 10;
/// As far as there are so many files; the last case has all of them in one day.
const CASES: [(usize, i64); 4] = [(10, 5), (100, 30), (1_000, 30), (1_000, 1)];
const ROUNDS: usize = 5;
/// About what S3 takes for a small read.
const FAR: Duration = Duration::from_millis(20);
/// Without indexes, far away.
const TIME_MAX_MS: u64 = 200_000;
const FILES_PER_COMMIT: usize = 50;

pub(crate) fn run(bench: &Bench, report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut rows = Vec::new();
    for (files, days) in CASES {
        if bench.is_chosen(&format!("{files} files in {days} days")) {
            rows.extend(runtime.block_on(measure(files, days)));
        }
    }
    report.section(
        "lookup",
        "SELECT * of a trace by its id alone, in process, over files of 1,000 spans in memory. `cold`: the first answer of fresh \
         caches, medians of five; `warm`: the same again; `far`: cold, each call of the store taking 20 ms more. Reads and bytes of \
         the store are those of a cold answer, the table's log included.",
        &rows,
    );
}

async fn measure(n_files: usize, days: i64) -> Vec<Row> {
    let tables = Tables::new();
    let id = TableId::new(project("shop"), TableName::LogsAndSpans);
    lay(&tables, &id, n_files, days).await;
    let watch = Stopwatch::start();
    let did = tables.keep_up(&id, |settings| settings.lookup.reads_min = 2).await;
    let made = watch.elapsed();
    assert!(did.lookup_indexes > 0, "{did:?}");
    let indexes = tables.ledger.lookup_indexes(&id, "", "~").await.expect("memory answers");
    let index_bytes: u64 = indexes.iter().map(|index| index.bytes).sum();
    let mut rows = Vec::new();
    for (asked, trace) in [("present", n_files * ROWS_PER_FILE / SPANS_PER_TRACE / 2), ("absent", usize::MAX / 2)] {
        for lookups in [Lookups::Used, Lookups::Ignored] {
            let near = Asked::of(&tables, &id, lookups, Duration::ZERO, trace).await;
            let far = Asked::of(&tables, &id, lookups, FAR, trace).await;
            let with = if lookups == Lookups::Used { "with" } else { "without" };
            rows.push(
                Row::default()
                    .count("files", n_files as u64)
                    .count("days", days.unsigned_abs())
                    .text("trace", asked)
                    .text("indexes", with)
                    .number("cold_ms", near.cold_ms, 1)
                    .number("warm_ms", near.warm_ms, 1)
                    .number("far_ms", far.cold_ms, 0)
                    .count("reads", near.reads)
                    .number("kib", near.bytes as f64 / 1024.0, 0)
                    .count("files_probed", near.of.files_probed)
                    .count("ruled_out", near.of.files_ruled_out_by_index)
                    .number("index_kib", index_bytes as f64 / 1024.0, 0)
                    .number("made_ms", made.as_secs_f64() * 1e3, 0),
            );
        }
    }
    rows
}

/// One question, asked by fresh processes, each twice.
struct Asked {
    cold_ms: f64,
    warm_ms: f64,
    /// Of the store, cold.
    reads: u64,
    bytes: u64,
    of: Statistics,
}

impl Asked {
    async fn of(tables: &Tables, id: &TableId, lookups: Lookups, delay: Duration, trace: usize) -> Self {
        let sql = format!("SELECT * FROM otel_logs_and_spans WHERE context___trace_id = '{}'", hex(trace, 32));
        let expected = if trace < usize::MAX / 2 { SPANS_PER_TRACE as u64 } else { 0 };
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        let mut counted = None;
        // Thousands of reads that take 20 ms each are measured once.
        let rounds = if delay.is_zero() { ROUNDS } else { 1 };
        for _ in 0..rounds {
            let store = Arc::new(Counted { inner: tables.store.clone(), delay, ..Counted::default() });
            let app = tables.app_on(store.clone(), |settings| settings.lookups = lookups);
            let (took, of) = ask(&app, id, &sql).await;
            assert_eq!(of.rows, expected, "{sql}");
            cold.push(took);
            let (reads, bytes) = (store.reads.load(Ordering::Relaxed), store.bytes.load(Ordering::Relaxed));
            counted.get_or_insert((reads, bytes, of));
            if delay.is_zero() {
                warm.push(ask(&app, id, &sql).await.0);
            }
        }
        let (reads, bytes, of) = counted.expect("asked above");
        Self { cold_ms: median(&cold), warm_ms: median(&warm), reads, bytes, of }
    }
}

async fn ask(app: &Arc<App>, id: &TableId, sql: &str) -> (f64, Statistics) {
    let watch = Stopwatch::start();
    let request = SqlRequest { timeout_ms: Some(TIME_MAX_MS), ..SqlRequest::new(sql) };
    let answer = query::run(app, &id.project, request).await.expect("answered");
    (watch.elapsed().as_secs_f64() * 1e3, answer.statistics)
}

/// Files of spans, as many each day, newest last.
async fn lay(tables: &Tables, id: &TableId, n_files: usize, days: i64) {
    let schema_of = batch(
        &id.project,
        id.table,
        &[json!({
            "timestamp": rfc3339(NOW), "signal": "span", "kind": "server", "name": "GET /cart", "status_code": "OK",
            "duration": 1_234_567, "resource___service___name": "cart", "attributes___http___request___method": "GET",
        })],
    );
    let log = tables.log(id).await;
    let all: Vec<usize> = (0..n_files).collect();
    for (commit, files) in (1..).zip(all.chunks(FILES_PER_COMMIT)) {
        let base = log.snapshot().await.expect("a snapshot").expect("created");
        let mut add = Vec::new();
        for file in files {
            let day = days - (*file as i64 * days) / n_files as i64;
            let start = NOW - NOW % MICROS_PER_DAY - day * MICROS_PER_DAY + (*file as Micros % 1_440) * 60_000_000;
            add.extend(tables.write(id, &spans(&schema_of, *file, start), commit).await);
        }
        let transactions = vec![(APP_COMPACT, commit)];
        log.commit(&base, Commit { add, transactions, at: NOW, ..Commit::default() }).await.expect("committed");
    }
}

/// The row again and again, with times and ids of its own.
fn spans(of: &RecordBatch, file: usize, start: Micros) -> RecordBatch {
    let texts = |text: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
        Arc::new((0..ROWS_PER_FILE).map(|row| text(file * ROWS_PER_FILE + row)).collect::<StringArray>())
    };
    let zeros = arrow::array::UInt32Array::from(vec![0; ROWS_PER_FILE]);
    let columns =
        of.schema_ref().fields().iter().zip(of.columns()).map(|(field, column)| match field.name().as_str() {
            "id" | "context___span_id" => texts(&|row| Some(hex(row, 16))),
            "parent_id" => texts(&|row| (row % SPANS_PER_TRACE > 0).then(|| hex(row - 1, 16))),
            "context___trace_id" => texts(&|row| Some(hex(row / SPANS_PER_TRACE, 32))),
            "date" => {
                let day = arrow::array::Date32Array::from(vec![model::day_of(start); ROWS_PER_FILE]);
                Arc::new(day) as ArrayRef
            }
            "timestamp" => {
                let times = (0..ROWS_PER_FILE as Micros).map(|row| start + row * 10_000);
                Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")) as ArrayRef
            }
            _ => arrow::compute::take(column, &zeros, None).expect("taken"),
        });
    RecordBatch::try_new(of.schema(), columns.collect()).expect("rows")
}

fn hex(of: usize, digits: usize) -> String {
    let mixed = (of as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    format!("{mixed:032x}")[..digits].to_owned()
}

/// Counts reads, and takes its time for each call.
#[derive(Debug, Default)]
struct Counted {
    inner: Arc<object_store::memory::InMemory>,
    delay: Duration,
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counted")
    }
}

impl Counted {
    async fn wait(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.wait().await;
        let got = self.inner.get_opts(location, options).await?;
        self.bytes.fetch_add(got.range.end - got.range.start, Ordering::Relaxed);
        Ok(got)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.wait().await;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
