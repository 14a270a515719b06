//! Aggregates answered from the sums inside data files, and the same ones from the rows: never a difference.

use std::sync::Arc;

use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, TableId, TableName, rfc3339};
use query::{Answer, App, Params, Rollups, SqlRequest};
use serde_json::{Map, Value, json};
use tests::tables::{NOW, Tables, batch, project};

const SERVICES: [&str; 4] = ["cart", "checkout", "search", "payment"];
const ROWS_PER_FILE: usize = 26_000;

/// Rows spread over a stretch of time, with nulls among the values, and durations of all magnitudes.
fn rows(signal: &str, from: Micros, length: Micros, n: usize) -> Vec<Value> {
    let mut state = from as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let row = |nth: usize| {
        let at = from + (nth as i128 * i128::from(length) / n as i128) as Micros;
        let mut row = Map::new();
        let mut set = |column: &str, value: Value| _ = row.insert(column.to_owned(), value);
        set("signal", signal.into());
        set("timestamp", rfc3339(at).into());
        set("id", format!("{signal}{nth:016x}").into());
        set("resource___service___name", SERVICES[below(4) as usize].into());
        set("message_size_bytes", (100 + below(900)).into());
        set("context___trace_id", format!("{:032x}", nth / 9).into());
        if below(4) == 0 {
            set("attributes___user___id", format!("user-{}", below(50)).into());
        }
        if signal == "span" {
            set("name", format!("GET /page/{}", below(5)).into());
            set("kind", ["server", "client"][below(2) as usize].into());
            set("status_code", ["UNSET", "ERROR"][usize::from(below(20) == 0)].into());
            if below(30) > 0 {
                set("duration", (1_u64 << below(40)).saturating_add(below(1_000)).into());
            }
            if below(3) > 0 {
                set("attributes___http___request___method", "GET".into());
                set("attributes___http___response___status_code", [200, 404, 500][below(3) as usize].into());
            }
        } else {
            set("kind", "log".into());
            set("level", ["INFO", "WARN", "ERROR"][below(3) as usize].into());
            set("body", format!("index rebuilt in {nth} ms").into());
        }
        Value::from(row)
    };
    (0..n).map(row).collect()
}

/// The same tables, asked with rollups and without.
struct Both {
    tables: Tables,
    without: Arc<App>,
    id: TableId,
}

impl Both {
    /// Two days of files, one of them without rollups, and live segments.
    async fn new() -> Self {
        let tables = Tables::new();
        let without = tables.app_with(|settings| settings.rollups = Rollups::Ignored);
        let id = TableId::new(project("shop"), TableName::LogsAndSpans);
        let of = |rows: &[Value]| batch(&id.project, id.table, rows);
        for day in 1..=2 {
            let midnight = NOW - NOW % MICROS_PER_DAY - day * MICROS_PER_DAY;
            for signal in ["span", "log"] {
                tables.files(&id, &of(&rows(signal, midnight + 7, MICROS_PER_DAY - 9, ROWS_PER_FILE))).await;
            }
            tables.files(&id, &of(&rows("span", midnight + MICROS_PER_HOUR, MICROS_PER_HOUR, 500))).await;
        }
        tables.live(&id, &of(&rows("span", NOW - MICROS_PER_HOUR, MICROS_PER_HOUR, 700))).await;
        tables.live(&id, &of(&rows("log", NOW - 20 * MICROS_PER_HOUR, 18 * MICROS_PER_HOUR, 300))).await;
        Self { tables, without, id }
    }

    async fn ask(&self, app: &Arc<App>, sql: &str, (start, end): (Micros, Micros)) -> Answer {
        let window = [("start", json!(rfc3339(start))), ("end", json!(rfc3339(end))), ("project", json!("shop"))];
        let used = window.into_iter().filter(|(name, _)| sql.contains(&format!("${name}")));
        let params = Params::named(used.collect::<Vec<_>>());
        let request = SqlRequest { sql: sql.to_owned(), params, limit: Some(100_000), ..SqlRequest::default() };
        let answer = query::run(app, &self.id.project, request).await;
        answer.unwrap_or_else(|error| panic!("{sql}\n{error:?}"))
    }

    /// The files whose sums answered; both answers are the same.
    async fn same(&self, sql: &str, window: (Micros, Micros)) -> u64 {
        let with = self.ask(&self.tables.app, sql, window).await;
        let without = self.ask(&self.without, sql, window).await;
        assert_eq!(without.statistics.rollups_read, 0);
        assert_eq!(with.columns(), without.columns(), "{sql}");
        let ordered = |answer: &Answer| {
            let mut rows = answer.rows();
            rows.sort_by_key(|row| json!(row).to_string());
            rows
        };
        assert_eq!(ordered(&with), ordered(&without), "{window:?}\n{sql}");
        assert!(!with.batches.is_empty() || ordered(&with).is_empty());
        with.statistics.rollups_read
    }
}

/// Windows whose ends lie at, beside and between the ends of hours and days.
fn windows() -> Vec<(Micros, Micros)> {
    let midnight = NOW - NOW % MICROS_PER_DAY;
    vec![
        (midnight - 2 * MICROS_PER_DAY, NOW),
        (midnight - 2 * MICROS_PER_DAY + 1, midnight - 1),
        (midnight - 47 * MICROS_PER_HOUR, midnight - 2 * MICROS_PER_HOUR - 1),
        (midnight - 40 * MICROS_PER_HOUR + 123_456_789, midnight - 17 * MICROS_PER_HOUR + 987_654_321),
        (midnight - 30 * MICROS_PER_HOUR, midnight - 30 * MICROS_PER_HOUR),
    ]
}

/// Questions that cells can answer.
const FROM_CELLS: [&str; 22] = [
    "SELECT count(*) FROM t WHERE W",
    "SELECT time_bucket('1 hour', timestamp) AS b, count(*), count(duration), count(name), count(level) FROM t WHERE W GROUP BY b",
    "SELECT time_bucket(INTERVAL '6 hours', timestamp), COALESCE(kind, 'null'), count(*) FROM t WHERE W GROUP BY 1, 2",
    "SELECT date_trunc('day', timestamp), sum(duration), min(duration), max(duration), avg(duration) FROM t WHERE W GROUP BY 1",
    "SELECT resource___service___name, min(timestamp), max(timestamp), COALESCE(sum(message_size_bytes), 0) FROM t WHERE W GROUP BY 1",
    "SELECT name, approx_percentile(0.95, percentile_agg(duration::double)), percentile_agg(duration::double) FROM t \
     WHERE W AND duration IS NOT NULL GROUP BY 1",
    "SELECT signal, count(*) FILTER (WHERE status_code = 'ERROR' OR COALESCE(attributes___http___response___status_code, 0) >= 500), \
     count(*) FILTER (WHERE level = 'nothing'), avg(duration) FILTER (WHERE kind = 'server') FROM t WHERE W GROUP BY 1",
    "SELECT distinct_count(approx_count_distinct(name)), min(name), max(attributes___http___response___status_code) FROM t \
     WHERE W AND kind IN ('server', 'log')",
    "SELECT DISTINCT name FROM t WHERE W AND name LIKE 'GET%' AND resource___service___name <> 'cart'",
    "SELECT count(DISTINCT name) FROM t WHERE W",
    "SELECT name, count(*) * 100.0 / sum(count(*)) OVER () FROM t WHERE W AND signal = 'span' GROUP BY name",
    "SELECT sum(CASE WHEN status_code = 'ERROR' THEN 2 ELSE attributes___http___response___status_code END) FROM t WHERE W",
    "WITH x AS (SELECT kind AS k, duration AS d, timestamp AS at FROM t WHERE W) \
     SELECT a.k, max(a.d) FROM x AS a WHERE a.k <> 'client' GROUP BY a.k HAVING count(*) > 3",
    "SELECT resource___service___name, SUM(CASE WHEN duration <= 100000000 THEN 1.0 WHEN duration <= 400000000 THEN 0.5 ELSE 0.0 END) \
     / count(*), count(*) FILTER (WHERE duration > 500000000) FROM t WHERE W GROUP BY 1",
    "SELECT name, count(*), count(duration), count(level) FROM t WHERE W AND duration >= 2000000 AND duration < 1e9 GROUP BY name",
    "SELECT count(*) FILTER (WHERE duration = 1000), count(*) FILTER (WHERE duration <> 1000), count(*) FILTER (WHERE 1000 < duration), \
     count(*) FILTER (WHERE NOT duration < 1000), count(*) FILTER (WHERE (duration > 1000) IS NULL) FROM t WHERE W",
    "SELECT kind, avg(CASE WHEN duration < 1000000000 THEN 1.0 ELSE 0 END), sum(CASE WHEN duration > 1000000 THEN 7 END), \
     sum(CASE WHEN duration BETWEEN 1000 AND 2000 AND status_code = 'ERROR' THEN 2 END) FROM t WHERE W GROUP BY 1",
    "SELECT DISTINCT name FROM t WHERE W AND duration > 200000000000",
    "SELECT avg(CASE WHEN status_code = 'ERROR' THEN 100.0 ELSE 0.0 END) FROM t WHERE W AND kind = 'server'",
    "SELECT distinct_count(approx_count_distinct(context___trace_id)), distinct_count(approx_count_distinct(attributes___user___id)) \
     FROM t WHERE W",
    "SELECT time_bucket('1 hour', timestamp), distinct_count(approx_count_distinct(context___trace_id)), count(*) FROM t \
     WHERE W AND signal = 'span' GROUP BY 1",
    "SELECT kind, kind, count(*), count(1), avg(duration), sum(duration) FROM t WHERE W AND project_id = $project GROUP BY kind, kind",
];

/// Questions that cells know too little for.
const FROM_ROWS: [&str; 12] = [
    "SELECT count(*) FROM t WHERE W AND duration > 1001",
    "SELECT max(duration) FROM t WHERE W AND duration > 1000",
    "SELECT approx_percentile(0.5, percentile_agg(duration::double) FILTER (WHERE duration > 1000)) FROM t WHERE W",
    "SELECT sum(CASE WHEN duration > 1000 THEN 0.1 END) FROM t WHERE W",
    "SELECT kind, distinct_count(approx_count_distinct(context___trace_id)) FROM t WHERE W GROUP BY kind",
    "SELECT time_bucket('1 minute', timestamp), count(*) FROM t WHERE W GROUP BY 1",
    "SELECT time_bucket('1 hour', timestamp, timestamptz '2026-11-01T00:30:00Z'), count(*) FROM t WHERE W GROUP BY 1",
    "SELECT count(*) FROM t WHERE W AND id <> 'x'",
    "SELECT name, count(*) FROM t WHERE W AND extract(minute from timestamp) < 30 GROUP BY name",
    "SELECT sum(duration::double) FROM t WHERE W AND kind = 'server'",
    "SELECT kind, count(*) FROM t WHERE W GROUP BY ROLLUP (kind)",
    "SELECT array_agg(DISTINCT kind ORDER BY kind) FROM t WHERE W",
];

fn spelled(sql: &str) -> String {
    sql.replace("FROM t", "FROM otel_logs_and_spans").replace("WHERE W", "WHERE timestamp BETWEEN $start AND $end")
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_the_same_with_and_without() {
    let both = Both::new().await;
    for (at, window) in windows().into_iter().enumerate() {
        for sql in FROM_CELLS {
            let read = both.same(&spelled(sql), window).await;
            assert!(at > 0 || read > 0, "no sums were read: {sql}");
        }
        for sql in FROM_ROWS {
            assert_eq!(both.same(&spelled(sql), window).await, 0, "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_of_the_workload_is_answered_the_same() {
    let both = Both::new().await;
    let folder = format!("{}/fixtures/workload", env!("CARGO_MANIFEST_DIR"));
    let mut answered = 0;
    for file in std::fs::read_dir(folder).expect("the fixtures") {
        let path = file.expect("a file").path();
        let mut sql = std::fs::read_to_string(&path).expect("a text");
        for (braces, text) in [("{dim}", "name"), ("{x}", "name"), ("{key}", "name"), ("{field}", "kind")] {
            sql = sql.replace(braces, text);
        }
        // Of lists and of single records no sums are asked.
        if sql.contains('{')
            || ["$at", "$id", "$trace", "$value", "$metric", "$service"].iter().any(|of| sql.contains(of))
        {
            continue;
        }
        for window in windows() {
            answered += both.same(&sql.replace("LIMIT 10000", ""), window).await;
        }
    }
    assert!(answered > 40, "{answered}");
}

/// A table in Delta is open: who rewrites its files knows nothing of rollups.
#[tokio::test(flavor = "multi_thread")]
async fn files_without_rollups_are_read_by_their_rows() {
    let tables = Tables::new();
    let id = TableId::new(project("shop"), TableName::LogsAndSpans);
    let rows = batch(&id.project, id.table, &rows("span", NOW - MICROS_PER_HOUR, MICROS_PER_HOUR, 2 * ROWS_PER_FILE));
    let log = tables.log(&id).await;
    let base = log.snapshot().await.expect("a snapshot").expect("created");
    let mut add = tables.write(&id, &rows, 1).await;
    for file in &mut add {
        assert!(file.rollups.take().is_some(), "{}", file.path);
    }
    let commit = lake::Commit { add, transactions: vec![(lake::APP_COMPACT, 1)], at: NOW, ..lake::Commit::default() };
    log.commit(&base, commit).await.expect("committed");
    let answer = tables.ask(&id.project, "SELECT kind, count(*) FROM otel_logs_and_spans GROUP BY kind").await;
    let answer = answer.expect("answered");
    let counted: i64 = answer.rows().iter().map(|row| row[1].as_i64().expect("a count")).sum();
    assert_eq!((counted, answer.statistics.rollups_read), (2 * ROWS_PER_FILE as i64, 0));
}
