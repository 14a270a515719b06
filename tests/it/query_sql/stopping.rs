//! Queries that compute for ever: told in time that theirs is over, and gone soon after.

use std::time::Duration;

use clock::{Clock, SystemClock};
use query::{Limit, QueryError, SqlRequest};
use serde_json::json;
use tests::tables::{Tables, project};

use super::shop;

const TIMEOUT_MS: u64 = 1_000;
/// On a machine that is busy with the very query; far less than any of the queries computes without a pause.
const TOLD_WITHIN: Duration = Duration::from_secs(4);
const GONE_WITHIN: Duration = Duration::from_secs(20);

const SHAPES: [(&str, &str); 14] = [
    ("cross join", "SELECT count(*) FROM generate_series(1, 4000000) a, generate_series(1, 4000000) b"),
    (
        "nested loop join with a filter",
        "SELECT count(*) FROM generate_series(1, 4000000) a JOIN generate_series(1, 4000000) b ON a.value + b.value < 0",
    ),
    (
        "hash join with a filter",
        "SELECT count(*) FROM (SELECT value AS v, value % 2 AS k FROM generate_series(1, 4000000)) a \
         JOIN (SELECT value AS v, value % 2 AS k FROM generate_series(1, 4000000)) b ON a.k = b.k AND a.v + b.v < 0",
    ),
    (
        "hash join",
        "SELECT count(*) FROM (SELECT value % 2 AS k FROM generate_series(1, 4000000)) a \
         JOIN (SELECT value % 2 AS k FROM generate_series(1, 4000000)) b ON a.k = b.k",
    ),
    ("sort", "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY -value) r FROM generate_series(1, 1000000000))"),
    (
        "regular expression",
        "SELECT count(*) FROM generate_series(1, 1000000000) WHERE regexp_like(repeat('abc', 2000) || value, '(a|b|c)*d$')",
    ),
    ("series", "SELECT count(*) FROM generate_series(1, 1000000000000000)"),
    ("recursion", "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"),
    (
        "recursion that grows",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n, generate_series(1, 4)) SELECT count(*) FROM n",
    ),
    ("long texts", "SELECT sum(length(lpad(value::text, 2000))) FROM generate_series(1, 1000000000)"),
    (
        "lists over a window",
        "SELECT count(a) FROM (SELECT array_agg(value) OVER (ORDER BY value ROWS BETWEEN 5000 PRECEDING AND CURRENT ROW) AS a \
         FROM generate_series(1, 1000000))",
    ),
    (
        "medians over a window",
        "SELECT max(m) FROM (SELECT median(value) OVER (ORDER BY value ROWS BETWEEN 100000 PRECEDING AND CURRENT ROW) AS m \
         FROM generate_series(1, 1000000))",
    ),
    ("unnest", "SELECT count(*) FROM (SELECT unnest(generate_series(1, 1000)) FROM generate_series(1, 1000000000))"),
    (
        "groups",
        "SELECT count(*) FROM (SELECT array_agg(DISTINCT value) FROM generate_series(1, 1000000000) GROUP BY value % 3)",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_query_computes_it_is_told_in_time_that_its_time_is_over_and_soon_gives_its_place_back() {
    for (shape, sql) in SHAPES {
        let tables = Tables::with(|settings| {
            (settings.running_per_project_max, settings.place_wait) = (1, Duration::from_millis(20));
            settings.memory_bytes = 256 << 20;
        });
        let began = SystemClock.uptime();
        let request = SqlRequest { timeout_ms: Some(TIMEOUT_MS), ..SqlRequest::new(sql) };
        let answered = query::run(&tables.app, &shop(), request).await.map(|answer| answer.rows());
        let told = SystemClock.uptime() - began;
        assert!(matches!(answered, Err(QueryError::Limit(Limit::Time { .. }))), "{shape}: {answered:?}");
        assert!(told < TOLD_WITHIN, "{shape}: told after {told:?}");
        // Until then, it takes its place from others.
        while let Err(error) = tables.ask(&shop(), "SELECT 1").await {
            assert!(matches!(error, QueryError::TooMany { .. }), "{shape}: {error:?}");
            let gone = SystemClock.uptime() - began;
            assert!(gone < GONE_WITHIN, "{shape}: still there after {gone:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_compute_for_ever_leave_others_their_turn() {
    let tables = Tables::new();
    let (_, cross_join) = SHAPES[0];
    let endless = || {
        let (app, request) = (tables.app.clone(), SqlRequest::new(cross_join));
        tokio::spawn(async move { query::run(&app, &shop(), request).await.map(drop) })
    };
    // One for each thread.
    let endless = [endless(), endless()];
    let began = SystemClock.uptime();
    while SystemClock.uptime() - began < TOLD_WITHIN / 2 {
        let asked = SystemClock.uptime();
        assert_eq!(tables.rows(&project("other"), "SELECT 1").await, [[json!(1)]]);
        let answered = SystemClock.uptime() - asked;
        assert!(answered < TOLD_WITHIN, "answered after {answered:?}");
    }
    assert!(endless.iter().all(|query| !query.is_finished()));
    endless.iter().for_each(|query| query.abort());
}
