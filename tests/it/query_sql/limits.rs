//! Every limit, crossed: the error says which one it was and what to do.

use std::time::Duration;

use edge::{ApiError, ErrorCode};
use query::{Limit, Params, QueryError, SqlRequest};
use serde_json::json;
use tests::tables::{Tables, batch};

use super::{BEFORE, logs_and_spans, shop, spans};

const ENDLESS: &str =
    "SELECT sum(a.value * b.value) FROM generate_series(1, 100000000) a CROSS JOIN generate_series(1, 1000000) b";

async fn with_rows(tables: &Tables) {
    let id = logs_and_spans();
    tables.files(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 2_000))).await;
    tables.live(&id, &batch(&shop(), id.table, &spans(BEFORE, 2_000, 500))).await;
}

fn limit_of(error: QueryError) -> Limit {
    match error {
        QueryError::Limit(limit) => {
            let answered: ApiError = QueryError::Limit(limit).into();
            assert!(answered.hint.is_some(), "{limit:?}");
            limit
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time() {
    let tables = Tables::new();
    let request = SqlRequest { timeout_ms: Some(100), ..SqlRequest::new(ENDLESS) };
    let error = query::run(&tables.app, &shop(), request).await.expect_err("it takes for ever");
    assert_eq!(limit_of(error), Limit::Time { timeout_ms: 100 });
    for wrong in [0, 300_001] {
        let request = SqlRequest { timeout_ms: Some(wrong), ..SqlRequest::new("SELECT 1") };
        let error = query::run(&tables.app, &shop(), request).await.expect_err("out of range");
        assert!(error.to_string().contains("timeout_ms"), "{error}");
    }
}

/// A hash join keeps one side in memory; what does not fit is joined by sorting both, which spills.
#[tokio::test(flavor = "multi_thread")]
async fn joins_that_do_not_fit_in_memory_are_answered_all_the_same() {
    let joined = "WITH x AS (SELECT value AS v, value % 1000 AS k FROM generate_series(1, 4000000)) \
                  SELECT count(*), sum(a.k), max(b.v) FROM x AS a JOIN x AS b ON a.v = b.v + 1 AND a.k <> b.k";
    let sum: i64 = (2..=4_000_000_i64).map(|v| v % 1_000).sum();
    let expected = [[json!(3_999_999), json!(sum), json!(3_999_999)]];
    for memory_bytes in [1 << 30, 64 << 20] {
        let tables = Tables::with(|settings| settings.memory_bytes = memory_bytes);
        assert_eq!(tables.rows(&shop(), joined).await, expected, "{memory_bytes}");
    }
    let tables = Tables::with(|settings| (settings.memory_bytes, settings.spill_bytes_max) = (64 << 20, 1 << 20));
    let error = tables.ask(&shop(), joined).await.expect_err("the disk is too small");
    assert_eq!(limit_of(error), Limit::Spill { bytes_max: 1 << 20 });
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_spilling() {
    let sorted = "SELECT max(r), count(*) FROM (SELECT row_number() OVER (ORDER BY -value, value % 7) AS r FROM generate_series(1, 3000000))";
    let tables = Tables::with(|settings| settings.memory_bytes = 24 << 20);
    assert_eq!(tables.rows(&shop(), sorted).await, [[json!(3_000_000), json!(3_000_000)]]);

    let tables = Tables::with(|settings| (settings.memory_bytes, settings.spill_bytes_max) = (24 << 20, 1 << 20));
    let error = tables.ask(&shop(), sorted).await.expect_err("the disk is too small");
    assert_eq!(limit_of(error), Limit::Spill { bytes_max: 1 << 20 });

    let tables = Tables::with(|settings| settings.memory_bytes = 1 << 20);
    let unspillable = "SELECT count(DISTINCT value), array_agg(value) FROM generate_series(1, 3000000)";
    let error = tables.ask(&shop(), unspillable).await.expect_err("the memory is too small");
    assert_eq!(limit_of(error), Limit::Memory { bytes_max: 1 << 20 });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_spilled_is_removed_by_the_next() {
    let mut left_behind = Vec::new();
    let _tables = Tables::with(|settings| {
        for name in ["datafusion-Ab12Cd", "mine"] {
            let folder = settings.spill_dir.join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join("spilled"), "rows").expect("a file");
            left_behind.push(folder);
        }
    });
    assert_eq!(left_behind.iter().map(|folder| folder.exists()).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_as_large_as_an_argument_says() {
    let tables = Tables::new();
    with_rows(&tables).await;
    for (sql, name) in [
        ("SELECT array_repeat(1, 2000000000)", "array_repeat"),
        ("SELECT list_repeat(array_repeat(1, 4000), 4000)", "array_repeat"),
        ("SELECT length(lpad('a', 2000000000))", "lpad"),
        ("SELECT length(rpad(name, 2000000000, 'xy')) FROM otel_logs_and_spans", "rpad"),
        ("SELECT length(rpad(name, 12000 + duration % 2, 'xy')) FROM otel_logs_and_spans", "rpad"),
        ("SELECT repeat('abc', 2000000000)", "repeat"),
        ("SELECT repeat(name, 300000000) FROM otel_logs_and_spans", "repeat"),
        ("SELECT array_resize(ARRAY[1], 2000000000, 1)", "array_resize"),
        ("SELECT range(2000000000)", "range"),
        ("SELECT generate_series('1970-01-01'::timestamp, now()::timestamp, INTERVAL '1 second')", "generate_series"),
        ("SELECT range('2020-04-01'::date, '2020-05-01'::date, INTERVAL '1 month -30 days')", "range"),
    ] {
        match limit_of(tables.ask(&shop(), sql).await.map(|answer| answer.rows().len()).expect_err(sql)) {
            Limit::Function { name: refused, .. } => assert_eq!(refused, name, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    let small = "SELECT repeat('ab', 2), lpad('7', 3, '0'), rpad('7', 3), array_length(array_repeat(1, 100)), \
                 array_length(generate_series('2026-11-20'::timestamp, '2026-11-21'::timestamp, INTERVAL '1 minute'))";
    assert_eq!(
        tables.rows(&shop(), small).await,
        [[json!("abab"), json!("007"), json!("7  "), json!(100), json!(1441)]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn time_to_plan() {
    let tables = Tables::with(|settings| {
        (settings.threads, settings.running_per_project_max, settings.place_wait) = (1, 1, Duration::from_millis(20));
    });
    // Small enough to be planned; each level of calls doubles the time that it takes.
    let deep = format!("{}value{}", "abs(".repeat(16), ")".repeat(16));
    let sql = format!("SELECT {} FROM generate_series(1, 2)", vec![deep; 100].join(", "));
    let request = SqlRequest { timeout_ms: Some(300), ..SqlRequest::new(sql) };
    let error = query::run(&tables.app, &shop(), request).await.expect_err("its plan takes for ever");
    assert_eq!(limit_of(error), Limit::Time { timeout_ms: 300 });
    // Its thread goes on: other projects have answers, and its place is not free.
    assert_eq!(tables.rows(&tests::tables::project("other"), "SELECT 1").await, [[json!(1)]]);
    let error: ApiError = tables.ask(&shop(), "SELECT 1").await.expect_err("the place is taken").into();
    assert_eq!(error.code, ErrorCode::TooManyQueries);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_scanned() {
    let tables = Tables::with(|settings| settings.bytes_scanned_max = 10_000);
    with_rows(&tables).await;
    let error = tables.ask(&shop(), "SELECT sum(duration) FROM otel_logs_and_spans").await.expect_err("too much");
    assert_eq!(limit_of(error), Limit::BytesScanned { bytes_max: 10_000 });
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_result_bytes() {
    let tables = Tables::with(|settings| {
        (settings.rows_default, settings.rows_max, settings.result_bytes_max) = (100, 1_000, 20_000)
    });
    with_rows(&tables).await;
    let ask =
        async |sql: &str, limit| query::run(&tables.app, &shop(), SqlRequest { limit, ..SqlRequest::new(sql) }).await;
    let answer = ask("SELECT id FROM otel_logs_and_spans ORDER BY id", None).await.expect("answered");
    let truncated = answer.truncated.clone().expect("there are more");
    assert_eq!((answer.rows().len(), answer.statistics.rows, truncated.limit), (100, 100, 100));
    assert!(truncated.advice.contains("1000"), "{truncated:?}");
    let answer = ask("SELECT id FROM otel_logs_and_spans ORDER BY id LIMIT 100", None).await.expect("answered");
    assert_eq!((answer.rows().len(), answer.truncated), (100, None));
    let answer = ask("SELECT id FROM otel_logs_and_spans", Some(0)).await.expect("answered");
    assert_eq!((answer.rows().len(), answer.truncated.is_some(), answer.columns().len()), (0, true, 1));
    let error = ask("SELECT 1", Some(1_001)).await.expect_err("too many");
    assert!(error.to_string().contains("`limit`"), "{error}");
    let error = ask("SELECT id, name, kind FROM otel_logs_and_spans", Some(1_000)).await.expect_err("too large");
    assert_eq!(limit_of(error), Limit::ResultBytes { bytes_max: 20_000 });
}

#[tokio::test(flavor = "multi_thread")]
async fn length_of_the_sql() {
    let tables = Tables::new();
    let sql = format!("SELECT 1 -- {}", "x".repeat(300_000));
    let error: ApiError = tables.ask(&shop(), &sql).await.expect_err("too long").into();
    assert_eq!(error.code, ErrorCode::PayloadTooLarge);
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let error: ApiError = tables.ask(&shop(), &deep).await.expect_err("too deep").into();
    assert_eq!(error.code, ErrorCode::SqlSyntax);
    // Rows of operators nest as deep as they are long: up to the limit they work, above it they are refused.
    for (one, by) in [("1", " + "), ("true", " AND "), ("NULL::int", " IS NULL OR "), ("SELECT 1", " UNION ALL ")] {
        let chain = |n: usize| {
            let chain = vec![one; n].join(by);
            if one.starts_with("SELECT") { chain } else { format!("SELECT {chain}") }
        };
        let error: ApiError = tables.ask(&shop(), &chain(20_000)).await.expect_err("too many").into();
        assert_eq!(error.code, ErrorCode::PayloadTooLarge, "{by}: {error:?}");
        // It may have no answer, but the process survives.
        let _ = tables.ask(&shop(), &chain(650)).await.map_err(|error| println!("{by}: {error}"));
    }
    let list = (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    assert_eq!(tables.rows(&shop(), &format!("SELECT 7 IN ({list})")).await, [[json!(true)]]);
    assert_eq!(tables.rows(&shop(), "SELECT 1").await, [[json!(1)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_at_once() {
    let tables = Tables::with(|settings| {
        (settings.running_per_project_max, settings.place_wait) = (1, Duration::from_millis(20));
    });
    let app = tables.app.clone();
    let request = SqlRequest { timeout_ms: Some(3_000), ..SqlRequest::new(ENDLESS) };
    let running = tokio::spawn(async move { query::run(&app, &shop(), request).await.map(drop) });
    let mut refused = None;
    for _ in 0..200 {
        match tables.ask_with(&shop(), "SELECT 1", Params::default()).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => {
                refused = Some(ApiError::from(error));
                break;
            }
        }
    }
    let refused = refused.expect("the place is taken while the other one runs");
    assert_eq!((refused.code, refused.retry_after_s.is_some()), (ErrorCode::TooManyQueries, true));
    // Nobody waits for it any more: its place is free again.
    running.abort();
    let _ = running.await;
    let mut free = false;
    for _ in 0..100 {
        free |= tables.ask(&shop(), "SELECT 1").await.is_ok();
    }
    assert!(free, "an abandoned query stops");
}
