//! A handful of the questions that dashboards and explorers ask, over the shop's tables, warm.

use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, rfc3339};
use serde_json::{Value, json};
use tests::Client;

use crate::Bench;
use crate::measure::{Stopwatch, median, percentile};
use crate::payload::{MONDAY, SHOP_DAYS};
use crate::report::{Report, Row};

const ROUNDS: usize = 9;
const TUESDAY: Micros = MONDAY + MICROS_PER_DAY;

/// A question about a stretch of time; `{W}` stands for that stretch in its SQL.
struct Question {
    name: &'static str,
    start: Micros,
    end: Micros,
    sql: &'static str,
}

const fn over(name: &'static str, start: Micros, end: Micros, sql: &'static str) -> Question {
    Question { name, start, end, sql }
}

const NEWEST: &str = "SELECT * FROM otel_logs_and_spans WHERE {W} ORDER BY timestamp DESC LIMIT 100";
const NEWEST_ERRORS: &str = "SELECT * FROM otel_logs_and_spans WHERE {W} AND resource___service___name = 'payment' \
    AND status_code = 'ERROR' ORDER BY timestamp DESC LIMIT 100";
const TRACE: &str = "SELECT * FROM otel_logs_and_spans WHERE {W} AND context___trace_id = $trace_id ORDER BY timestamp";
const ERROR_RATE: &str = "SELECT time_bucket('1 minute', timestamp) AS minute, count(*) FILTER (WHERE status_code = 'ERROR' \
    OR COALESCE(attributes___http___response___status_code, 0) >= 500) * 100.0 / count(*) AS error_rate \
    FROM otel_logs_and_spans WHERE {W} GROUP BY 1 ORDER BY 1 DESC";
const P95: &str = "SELECT resource___service___name AS service, approx_percentile(0.95, \
    percentile_agg(CAST(duration AS DOUBLE PRECISION))) AS p95 FROM otel_logs_and_spans \
    WHERE {W} AND kind = 'server' AND duration IS NOT NULL GROUP BY 1 ORDER BY 2 DESC";
const COUNT: &str = "SELECT resource___service___name AS service, count(*) FROM otel_logs_and_spans WHERE {W} GROUP BY 1 ORDER BY 2 DESC";
const TEXT: &str = "SELECT timestamp, level, body FROM otel_logs_and_spans WHERE {W} AND body LIKE '%index rebuilt%' ORDER BY timestamp DESC LIMIT 100";
const REST: &str = "SELECT attributes ->> 'shop.payment.provider' AS provider, count(*) FROM otel_logs_and_spans WHERE {W} AND attributes ->> 'shop.payment.provider' IS NOT NULL GROUP BY 1";
const PANEL: &str = "SELECT time_bucket('5 minutes', timestamp) AS t, resource___service___name AS service, avg(value) \
    FROM otel_metrics WHERE {W} AND metric_name = 'k8s.pod.memory.usage' GROUP BY 1, 2 ORDER BY 1 DESC";

const ALL: (Micros, Micros) = (MONDAY, MONDAY + SHOP_DAYS * MICROS_PER_DAY);
const DAY: (Micros, Micros) = (TUESDAY, TUESDAY + MICROS_PER_DAY);
const HOUR: (Micros, Micros) = (TUESDAY + 15 * MICROS_PER_HOUR, TUESDAY + 16 * MICROS_PER_HOUR);

const QUESTIONS: [Question; 12] = [
    over("newest 100, all columns", ALL.0, ALL.1, NEWEST),
    over("newest 100 errors of a service", ALL.0, ALL.1, NEWEST_ERRORS),
    over("trace by id, 2 days", ALL.0, ALL.1, TRACE),
    over("error rate by minute, 1 h", HOUR.0, HOUR.1, ERROR_RATE),
    over("error rate by minute, 24 h", DAY.0, DAY.1, ERROR_RATE),
    over("p95 by service, 1 h", HOUR.0, HOUR.1, P95),
    over("p95 by service, 2 days", ALL.0, ALL.1, P95),
    over("count by service, 1 h", HOUR.0, HOUR.1, COUNT),
    over("count by service, 2 days", ALL.0, ALL.1, COUNT),
    over("text search, newest 100, 2 days", ALL.0, ALL.1, TEXT),
    over("a key of the JSON, 24 h", DAY.0, DAY.1, REST),
    over("a metric by 5 min and service, 24 h", DAY.0, DAY.1, PANEL),
];

pub(crate) fn run(bench: &Bench, client: &Client, report: &mut Report) {
    let trace_id = some_trace(client);
    let rows: Vec<Row> = QUESTIONS
        .iter()
        .filter(|question| bench.is_chosen(question.name))
        .map(|question| ask(client, question, &trace_id))
        .collect();
    report.section(
        "queries",
        "POST /api/v1/query on the tables above, JSON answers over loopback, one at a time. `first` is the first time that it is \
         asked, the rest are medians of those after it; `wall` is what the client sees.",
        &rows,
    );
}

/// One in the middle of the second day.
fn some_trace(client: &Client) -> String {
    let sql = format!(
        "SELECT context___trace_id FROM otel_logs_and_spans WHERE timestamp >= '{}' AND context___trace_id IS NOT NULL \
         ORDER BY timestamp LIMIT 1",
        rfc3339(TUESDAY + 12 * MICROS_PER_HOUR)
    );
    client.scalar(&sql).as_str().expect("an id").to_owned()
}

fn ask(client: &Client, question: &Question, trace_id: &str) -> Row {
    let within = format!("timestamp >= '{}' AND timestamp < '{}'", rfc3339(question.start), rfc3339(question.end));
    let sql = question.sql.replace("{W}", &within);
    let params = if sql.contains("$trace_id") { json!({"trace_id": trace_id}) } else { Value::Null };
    let request = json!({"sql": sql, "params": params});
    let (mut walls, mut totals, mut plannings) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = Value::Null;
    for _ in 0..=ROUNDS {
        let watch = Stopwatch::start();
        let reply = client.query(&request);
        walls.push(watch.elapsed().as_secs_f64() * 1e3);
        assert_eq!(reply.status, 200, "{sql}\n{}", reply.text());
        last = reply.json()["statistics"].clone();
        totals.push(last["total_ms"].as_f64().expect("a number"));
        plannings.push(last["planning_ms"].as_f64().expect("a number"));
    }
    let number = |name: &str| last[name].as_u64().expect("a number");
    assert!(number("rows") > 0, "an answer that is empty shows nothing: {sql}");
    let of = |opened: &str, considered: &str| format!("{}/{}", number(opened), number(considered));
    Row::default()
        .text("question", question.name)
        .number("first_ms", walls[0], 1)
        .number("wall_ms", median(&walls[1..]), 1)
        .number("fastest_ms", percentile(&walls[1..], 0.0), 1)
        .number("total_ms", median(&totals[1..]), 1)
        .number("planning_ms", median(&plannings[1..]), 1)
        .count("rows", number("rows"))
        .text("files", of("files_opened", "files_considered"))
        .text("row_groups", of("row_groups_opened", "row_groups_considered"))
        .number("scanned_kib", number("bytes_scanned") as f64 / 1024.0, 0)
}
