//! Look-ups by id, asked of the indexes beside the files, and the same ones of the files: never a difference, whatever became of
//! an index.

use std::sync::Arc;

use lake::{APP_MERGE, Commit, CommitKind, DataFile, LogOpener};
use meta::ledger::LookupIndex;
use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, TableId, TableName, rfc3339};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use query::{Answer, App, Lookups, Params, SqlRequest, Statistics};
use serde_json::{Map, Value, json};
use tests::tables::{NOW, Tables, batch, project};

const DAYS: i64 = 3;
const FILES_PER_DAY: i64 = 6;
const ROWS_PER_FILE: usize = 400;

/// Ids in lower-case hex, as they are stored; alike in no two rows.
fn hex(of: u64, digits: usize) -> String {
    let mixed = (u128::from(of) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    format!("{mixed:032x}")[..digits].to_owned()
}

/// Spans of ten to a trace, each but the first a child of the one before, and logs among them. `nth` numbers the rows of all files.
fn row(nth: u64, at: Micros) -> Value {
    let mut row = Map::new();
    let mut set = |column: &str, value: Value| _ = row.insert(column.to_owned(), value);
    let is_log = nth % 10 == 7;
    let span = hex(nth, 16);
    set("timestamp", rfc3339(at).into());
    set("signal", if is_log { "log" } else { "span" }.into());
    set("kind", if is_log { "log" } else { "server" }.into());
    set("id", if is_log { hex(nth, 32).into() } else { span.clone().into() });
    set("context___trace_id", hex(nth / 10, 32).into());
    set("context___span_id", span.into());
    set("name", format!("GET /{}", nth % 3).into());
    if !nth.is_multiple_of(10) && !is_log {
        set("parent_id", hex(nth - 1, 16).into());
    }
    if nth % 40 < 10 {
        set("attributes___session___id", format!("session-{}", nth / 40).into());
        set("attributes___user___id", format!("user-{}", nth % 5).into());
    }
    Value::from(row)
}

/// The same tables, asked with indexes and without.
struct Both {
    tables: Tables,
    without: Arc<App>,
    id: TableId,
}

impl Both {
    /// Some days of files, each with an index.
    async fn new() -> Self {
        let tables = Tables::new();
        let without = tables.app_with(|settings| settings.lookups = Lookups::Ignored);
        let both = Self { tables, without, id: TableId::new(project("shop"), TableName::LogsAndSpans) };
        for file in 0..DAYS * FILES_PER_DAY {
            both.file(file).await;
        }
        let did = both.tables.keep_up(&both.id, |_| {}).await;
        assert_eq!(i64::from(did.lookup_indexes), DAYS);
        both
    }

    fn rows(&self, from: u64, at: Micros) -> arrow::array::RecordBatch {
        let rows = (0..ROWS_PER_FILE as u64).map(|nth| row(from + nth, at + nth as Micros * 1_000_000));
        batch(&self.id.project, self.id.table, &rows.collect::<Vec<_>>())
    }

    /// The rows of one hour, in a file a signal.
    async fn file(&self, nth: i64) {
        self.tables.files(&self.id, &self.rows(nth as u64 * ROWS_PER_FILE as u64, Self::start(nth))).await;
    }

    fn start(file: i64) -> Micros {
        let midnight = NOW - NOW % MICROS_PER_DAY;
        midnight - (1 + file / FILES_PER_DAY) * MICROS_PER_DAY + file % FILES_PER_DAY * MICROS_PER_HOUR
    }

    async fn ask(&self, app: &Arc<App>, sql: &str, params: &[(&str, Value)]) -> Answer {
        let word = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned);
        let names: Vec<String> = sql.split('$').skip(1).filter_map(word).collect();
        let used = params.iter().filter(|(name, _)| names.iter().any(|used| used == name));
        let params = Params::named(used.cloned().collect::<Vec<_>>());
        let request = SqlRequest { sql: sql.to_owned(), params, limit: Some(100_000), ..SqlRequest::default() };
        let answer = query::run(app, &self.id.project, request).await;
        answer.unwrap_or_else(|error| panic!("{sql}\n{error:?}"))
    }

    /// Both answers are the same; what the one with indexes took, and how many rows it has.
    async fn same_with(&self, sql: &str, params: &[(&str, Value)]) -> (Statistics, usize) {
        let with = self.ask(&self.tables.app, sql, params).await;
        let without = self.ask(&self.without, sql, params).await;
        assert_eq!(without.statistics.files_ruled_out_by_index, 0);
        assert_eq!(with.columns(), without.columns(), "{sql}");
        let ordered = |answer: &Answer| {
            let mut rows = answer.rows();
            rows.sort_by_key(|row| json!(row).to_string());
            rows
        };
        assert_eq!(ordered(&with), ordered(&without), "{sql} {params:?}");
        assert!(with.warnings.is_empty(), "{:?}", with.warnings);
        (with.statistics.clone(), with.rows().len())
    }

    async fn same(&self, condition: &str) -> (Statistics, usize) {
        self.same_with(&format!("SELECT * FROM otel_logs_and_spans WHERE {condition}"), &[]).await
    }

    async fn indexes(&self) -> Vec<LookupIndex> {
        self.tables.ledger.lookup_indexes(&self.id, "", "~").await.expect("memory answers")
    }

    async fn snapshot_files(&self) -> Vec<DataFile> {
        let snapshot = self.tables.logs.open(&self.id).snapshot().await.expect("a snapshot").expect("created");
        snapshot.files.as_ref().clone()
    }

    fn n_files() -> u64 {
        (DAYS * FILES_PER_DAY * 2).unsigned_abs()
    }
}

/// A row in the middle of everything, which is a span.
const SOME: u64 = 3 * ROWS_PER_FILE as u64 + 123;
const ABSENT: u64 = 1 << 40;

/// Conditions, how many rows they give, and whether an index says of nearly all files that they hold none.
fn needles() -> Vec<(String, usize, bool)> {
    let (trace, span, parent) = (hex(SOME / 10, 32), hex(SOME, 16), hex(SOME - 1, 16));
    let (other, absent) = (hex(2_001 / 10, 32), hex(ABSENT, 32));
    let many = |n: u64| (0..n).map(|nth| format!("'{}'", hex(nth * 7, 32))).collect::<Vec<_>>().join(", ");
    let session = (SOME / 40 * 40) / 40;
    [
        (format!("context___trace_id = '{trace}'"), 10, true),
        (format!("'{trace}' = context___trace_id"), 10, true),
        (format!("context___trace_id = '{absent}'"), 0, true),
        (format!("context___trace_id = '{}'", trace.to_uppercase()), 0, true),
        (format!("lower(context___trace_id) = '{trace}'"), 10, false),
        (format!("context___trace_id = lower('{}')", trace.to_uppercase()), 10, true),
        (format!("context___trace_id = '{span}'"), 0, true),
        ("context___trace_id = ''".to_owned(), 0, true),
        ("context___trace_id = NULL".to_owned(), 0, false),
        ("context___trace_id IS NULL".to_owned(), 0, false),
        (format!("context___trace_id IS NOT DISTINCT FROM '{trace}'"), 10, false),
        (format!("context___span_id = '{span}'"), 1, true),
        (format!("id = '{span}'"), 1, true),
        (format!("id = '{}'", hex(SOME / 10 * 10 + 7, 32)), 1, true),
        (format!("parent_id = '{parent}'"), 1, true),
        (format!("attributes___session___id = 'session-{session}'"), 10, true),
        (format!("attributes ->> 'session.id' = 'session-{session}'"), 10, false),
        ("attributes___user___id = 'user-3'".to_owned(), 360, false),
        ("attributes___user___id = 'nobody'".to_owned(), 0, true),
        ("attributes___user___email = 'a@example.com'".to_owned(), 0, true),
        (format!("context___trace_id = '{trace}' OR context___trace_id = '{other}'"), 20, true),
        (format!("context___trace_id = '{trace}' OR id = '{span}'"), 10, false),
        (format!("context___trace_id = '{trace}' OR kind = 'client'"), 10, false),
        (format!("context___trace_id IN ('{trace}', '{other}', '{absent}', NULL)"), 20, true),
        (format!("context___trace_id IN ('{trace}', '{other}', '{absent}', 'x', 'y')"), 20, true),
        (format!("context___trace_id IN ({})", many(9)), 90, true),
        (format!("context___trace_id IN ({})", many(70)), 700, false),
        (format!("context___trace_id NOT IN ('{trace}', '{other}')"), 7_180, false),
        (format!("context___trace_id <> '{trace}'"), 7_190, false),
        (format!("NOT (context___trace_id = '{trace}')"), 7_190, false),
        (format!("context___trace_id = '{trace}' AND kind = 'log'"), 1, true),
        (format!("context___trace_id = '{trace}' AND id = '{span}'"), 1, true),
        (format!("context___trace_id = '{trace}' AND context___trace_id = '{other}'"), 0, false),
        (format!("context___trace_id = '{trace}' AND parent_id IS NULL"), 2, true),
        (format!("context___trace_id LIKE '{}%'", &trace[..9]), 10, false),
        (format!("context___trace_id >= '{trace}' AND context___trace_id <= '{trace}'"), 10, false),
        (format!("(context___trace_id = '{trace}') IS TRUE"), 10, false),
        (format!("CASE WHEN context___trace_id = '{trace}' THEN true ELSE kind = 'log' END"), 729, false),
    ]
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_the_same_with_and_without() {
    let both = Both::new().await;
    for (nth, (condition, rows, is_looked_up)) in needles().into_iter().enumerate() {
        let (of, found) = both.same(&condition).await;
        assert_eq!(found, rows, "{condition}");
        // One look-up in a hundred opens a row group in vain.
        let ruled_out = of.files_ruled_out_by_index;
        assert!(!is_looked_up || of.files_probed <= 4 + (rows as u64 / 10) * 2, "{condition}: {of:?}");
        assert!(of.files_probed + ruled_out <= of.files_considered, "{condition}: {of:?}");
        // In other shapes: in turn, since there are many.
        match nth % 4 {
            0 => _ = both.same(&format!("{condition} ORDER BY timestamp DESC, id LIMIT 3")).await,
            1 => _ = both.same(&format!("({condition}) AND timestamp < '{}'", rfc3339(Both::start(4)))).await,
            2 => {
                let counted = format!("SELECT count(*), min(timestamp) FROM otel_logs_and_spans WHERE {condition}");
                both.same_with(&counted, &[]).await;
            }
            _ => {
                let joined = format!(
                    "SELECT a.id, b.id FROM otel_logs_and_spans AS a JOIN otel_logs_and_spans AS b ON b.parent_id = a.id \
                     WHERE a.id IN (SELECT id FROM otel_logs_and_spans WHERE {condition} ORDER BY id LIMIT 50)"
                );
                both.same_with(&joined, &[]).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_of_the_workload_is_answered_the_same() {
    let both = Both::new().await;
    let folder = format!("{}/fixtures/workload", env!("CARGO_MANIFEST_DIR"));
    let file = (SOME / ROWS_PER_FILE as u64) as i64;
    let at = Both::start(file) + (SOME % ROWS_PER_FILE as u64) as Micros * 1_000_000;
    let (mut asked, mut ruled_out) = (0, 0);
    for path in std::fs::read_dir(folder).expect("the fixtures") {
        let path = path.expect("a file").path();
        let sql = std::fs::read_to_string(&path).expect("a text").replace("LIMIT 10000", "");
        for (needle, value) in [("parent_id", hex(SOME - 1, 16)), ("attributes___session___id", "session-1".into())] {
            let mut sql = sql.replace("{needle}", needle);
            for (braces, text) in [("{dim}", "name"), ("{x}", "name"), ("{key}", "name"), ("{field}", "kind")] {
                sql = sql.replace(braces, text);
            }
            if sql.contains('{') {
                continue;
            }
            let params = [
                ("start", json!(rfc3339(NOW - 30 * MICROS_PER_DAY))),
                ("end", json!(rfc3339(NOW))),
                ("project", json!("shop")),
                ("at", json!(rfc3339(at))),
                ("id", json!(hex(SOME, 16))),
                ("trace_id", json!(hex(SOME / 10, 32))),
                ("trace_ids", json!([hex(SOME / 10, 32), hex(5, 32)])),
                ("value", json!(value)),
                ("service", json!("cart")),
                ("metric", json!("none")),
            ];
            let (of, _) = both.same_with(&sql, &params).await;
            asked += 1;
            ruled_out += of.files_ruled_out_by_index;
        }
    }
    assert!(asked > 40 && ruled_out > 3 * Both::n_files() / 2, "{asked} {ruled_out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_segments_that_came_later_are_read() {
    let both = Both::new().await;
    let later = (DAYS * FILES_PER_DAY) as u64 * ROWS_PER_FILE as u64;
    let at = Both::start(2) + 600_000_000;
    both.tables.files(&both.id, &both.rows(later, at)).await;
    both.tables.live(&both.id, &both.rows(later + 1_000, at)).await;
    for (nth, from_files) in [(later, true), (later + 1_000, false)] {
        let (of, found) = both.same(&format!("context___trace_id = '{}'", hex(nth / 10, 32))).await;
        assert_eq!((found, of.live_segments_read), (10, 1));
        // Those that no index names are probed.
        assert!(of.files_probed >= 2 && of.files_ruled_out_by_index >= Both::n_files() - 2, "{of:?}");
        assert_eq!(of.files_opened > 0, from_files);
    }
    // Too little is new: the index stays as it is, until more comes.
    let did = both.tables.keep_up(&both.id, |settings| settings.lookup.reads_min = 5).await;
    assert_eq!(did.lookup_indexes, 0);
    let did = both.tables.keep_up(&both.id, |settings| settings.lookup.reads_min = 4).await;
    assert_eq!(did.lookup_indexes, 1);
    let (of, found) = both.same(&format!("context___trace_id = '{}'", hex(later / 10, 32))).await;
    assert_eq!(found, 10);
    assert!(of.files_probed <= 4 && of.files_ruled_out_by_index >= Both::n_files() - 2, "{of:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_gone_damaged_or_unreadable_changes_no_answer() {
    let both = Both::new().await;
    let trace = format!("context___trace_id = '{}'", hex(SOME / 10, 32));
    let absent = format!("context___trace_id = '{}'", hex(ABSENT, 32));
    let (_, rows) = both.same(&trace).await;
    assert_eq!(rows, 10);
    let store = both.tables.roots.open(&both.id.project).store;
    let good = both.indexes().await;
    let of_day = Both::n_files() / DAYS.unsigned_abs();
    // A fresh process each time: what was read before is kept.
    let answers = async |n_days: u64, what: &str| {
        let fresh = both.tables.app_with(|_| {});
        for (condition, rows) in [(&trace, 10), (&absent, 0)] {
            let answer = both.ask(&fresh, &format!("SELECT * FROM otel_logs_and_spans WHERE {condition}"), &[]).await;
            assert_eq!(answer.rows().len(), rows, "{what}");
            let ruled_out = answer.statistics.files_ruled_out_by_index;
            assert!(ruled_out <= n_days * of_day && ruled_out + 4 >= n_days * of_day, "{what}: {ruled_out}");
        }
    };
    answers(3, "all is well").await;

    let key = Path::from(good[0].key.as_str());
    let bytes = store.get(&key).await.unwrap().bytes().await.unwrap();
    let mut damaged = bytes.to_vec();
    damaged.iter_mut().step_by(40).for_each(|byte| *byte ^= 0x10);
    store.put(&key, damaged.into()).await.unwrap();
    answers(2, "bits have rotted").await;
    store.put(&key, bytes.slice(..100).into()).await.unwrap();
    answers(2, "its end is gone").await;
    store.put(&key, Vec::new().into()).await.unwrap();
    answers(2, "it is empty").await;
    store.delete(&key).await.unwrap();
    answers(2, "it is gone").await;
    // The next round notices, and the one after makes it anew.
    both.tables.keep_up(&both.id, |_| {}).await;
    assert_eq!(both.tables.keep_up(&both.id, |_| {}).await.lookup_indexes, 1);
    answers(3, "it was made anew").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_newer_version_or_of_another_object_changes_no_answer() {
    let both = Both::new().await;
    let trace = format!("SELECT * FROM otel_logs_and_spans WHERE context___trace_id = '{}'", hex(SOME / 10, 32));
    let good = both.indexes().await;
    let with = async |item: LookupIndex| {
        let meta::ledger::Taken::Ours(lease) = both.tables.ledger.take_lease(&both.id).await.unwrap() else {
            panic!("free")
        };
        both.tables.ledger.put_lookup(&both.id, &lease, &item).await.unwrap();
        both.tables.ledger.release_lease(&both.id, &lease).await.unwrap();
        let fresh = both.tables.app_with(|_| {});
        both.ask(&fresh, &trace, &[]).await.rows().len()
    };
    for index in &good {
        for bad in [
            LookupIndex { format: 2, ..index.clone() },
            LookupIndex { layout: "v9".into(), ..index.clone() },
            LookupIndex { layout: good[0].layout.replacen(":", "1:", 1), ..index.clone() },
            LookupIndex { key: good[0].key.clone(), ..index.clone() },
            LookupIndex { bytes: 1, ..index.clone() },
            LookupIndex { files: "no base64!".into(), ..index.clone() },
            LookupIndex { files: good[0].files.clone(), ..index.clone() },
        ] {
            assert_eq!(with(bad.clone()).await, 10, "{bad:?}");
        }
        assert_eq!(with(index.clone()).await, 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_follow_merging_and_retention() {
    let both = Both::new().await;
    let trace = format!("context___trace_id = '{}'", hex(SOME / 10, 32));
    let did = both.tables.keep_up(&both.id, |settings| settings.merge.fan_in = 2).await;
    assert!(did.merges > 0 && i64::from(did.lookup_indexes) == DAYS, "{did:?}");
    let (of, rows) = both.same(&trace).await;
    assert_eq!(rows, 10);
    assert!(of.files_considered < Both::n_files() && of.files_probed <= 4, "{of:?}");

    // A day goes: its index, too.
    let before = both.indexes().await;
    let log = both.tables.log(&both.id).await;
    let base = log.snapshot().await.unwrap().unwrap();
    let day = before[0].date.clone();
    let remove =
        both.snapshot_files().await.into_iter().filter(|file| file.partition["date"] == day).map(|file| file.path);
    let transactions = vec![(APP_MERGE, base.merged + 1)];
    let commit =
        Commit { remove: remove.collect(), transactions, at: NOW, kind: CommitKind::Retention, ..Commit::default() };
    log.commit(&base, commit).await.unwrap();
    both.same(&trace).await;
    both.tables.keep_up(&both.id, |_| {}).await;
    let dates: Vec<String> = both.indexes().await.into_iter().map(|index| index.date).collect();
    assert_eq!(dates, before[1..].iter().map(|index| index.date.clone()).collect::<Vec<_>>());
    both.same(&trace).await;
}

/// An index is read once; a look-up that finds nothing reads nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_reads_one_small_piece_a_day_and_keeps_it() {
    let both = Both::new().await;
    let absent = format!("context___trace_id = '{}'", hex(ABSENT, 32));
    let sql = format!("SELECT * FROM otel_logs_and_spans WHERE {absent}");
    let cold = both.ask(&both.tables.app_with(|_| {}), &sql, &[]).await.statistics;
    let cold_without = both.ask(&both.tables.app_with(|settings| settings.lookups = Lookups::Ignored), &sql, &[]).await;
    if cold.files_probed == 0 {
        assert!(cold.bytes_scanned * 20 < cold_without.statistics.bytes_scanned, "{cold:?}");
    }
    both.same(&absent).await;
    let (warm, _) = both.same(&absent).await;
    assert_eq!((warm.bytes_scanned, warm.files_probed), (0, cold.files_probed));
    // Of a single file there is nothing to save.
    let narrow =
        format!("{absent} AND signal = 'log' AND timestamp < '{}'", rfc3339(Both::start(12) + MICROS_PER_HOUR));
    let (of, _) = both.same(&narrow).await;
    assert_eq!(of.files_ruled_out_by_index, 0, "{of:?}");
}
