//! What is wrong with a query is said with its place and with what may have been meant.

use edge::{ApiError, ErrorCode};
use serde_json::json;
use tests::tables::{Tables, batch};

use super::{BEFORE, logs_and_spans, shop, spans};

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_a_code_a_place_and_a_hint() {
    use ErrorCode::{BadRequest, QueryMemory, ReadOnly, SqlSemantic, SqlSyntax, UnknownColumn};
    let tables = Tables::new();
    let id = logs_and_spans();
    tables.live(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 10))).await;
    let mut wrong = Vec::new();
    // SQL, code, place, part of the message, part of the hint.
    for (sql, code, place, message, hint) in [
        ("SELEC 1", SqlSyntax, Some((1, 1)), "SELEC", ""),
        ("SELECT *\nFROM otel_metrics\nWHERE (1 = 1", SqlSyntax, Some((3, 13)), "", ""),
        ("SELECT 'abc", SqlSyntax, Some((1, 8)), "Unterminated", ""),
        ("", BadRequest, None, "no SQL statement", "SELECT"),
        ("SELECT 1; SELECT 2", BadRequest, None, "2 statements", "one request per"),
        ("SELECT timestmap FROM otel_logs_and_spans", UnknownColumn, Some((1, 8)), "timestmap", "timestamp"),
        (
            "SELECT id\nFROM otel_logs_and_spans\nWHERE trace_id = 'x'",
            UnknownColumn,
            Some((3, 7)),
            "trace_id",
            "context___trace_id",
        ),
        (
            "SELECT service.name FROM otel_logs_and_spans",
            UnknownColumn,
            None,
            "service.name",
            "resource___service___name",
        ),
        ("SELECT s.tiemstamp FROM otel_logs_and_spans s", UnknownColumn, None, "tiemstamp", "timestamp"),
        ("SELECT * FROM orders", SqlSemantic, Some((1, 15)), "orders", "otel_logs_and_spans"),
        ("SELECT uper(unit) FROM otel_metrics", SqlSemantic, None, "uper", "upper"),
        ("SELECT name, count(*) FROM otel_logs_and_spans", SqlSemantic, None, "GROUP BY", ""),
        ("SELECT 1 / (duration - duration) FROM otel_logs_and_spans", SqlSemantic, None, "division by zero", "NULLIF"),
        ("SELECT 10 % 0", SqlSemantic, None, "division by zero", "NULLIF"),
        ("SELECT name::bigint FROM otel_logs_and_spans", SqlSemantic, None, "Cannot cast", "TRY_CAST"),
        ("SELECT 'yesterday'::timestamptz", SqlSemantic, None, "yesterday", ""),
        ("SELECT sum(name) FROM otel_logs_and_spans", SqlSemantic, None, "sum", ""),
        ("SELECT name ~ '(' FROM otel_logs_and_spans", SqlSemantic, None, "", ""),
        ("SELECT time_bucket('soon', timestamp) FROM otel_logs_and_spans", SqlSemantic, None, "soon", ""),
        (
            "SELECT approx_percentile(2, percentile_agg(duration)) FROM otel_logs_and_spans",
            SqlSemantic,
            None,
            "from 0 to 1",
            "",
        ),
        ("SELECT approx_percentile(0.5, 'x')", SqlSemantic, None, "percentile_agg", ""),
        (
            "SELECT approx_percentile(0.5, percentile_agg(duration)) FILTER (WHERE duration > 5) FROM otel_logs_and_spans",
            SqlSemantic,
            None,
            "FILTER belongs to an aggregate function, and approx_percentile is none",
            "inside approx_percentile",
        ),
        ("SELECT upper(DISTINCT name) FROM otel_logs_and_spans", SqlSemantic, None, "DISTINCT", ""),
        ("EXPLAIN SELECT upper(name) OVER () FROM otel_logs_and_spans", SqlSemantic, None, "OVER", ""),
        ("SELECT percentile_agg(name) FROM otel_logs_and_spans", SqlSemantic, None, "numbers", ""),
        ("SELECT (SELECT id FROM otel_logs_and_spans)", SqlSemantic, None, "", ""),
        ("SELECT repeat('x', 9223372036854775807)", QueryMemory, None, "repeat", "shorter"),
        ("SELECT * FROM otel_logs_and_spans LIMIT -1", SqlSemantic, None, "", ""),
        ("DELETE FROM otel_logs_and_spans", ReadOnly, None, "DELETE", "SELECT"),
        ("WITH x AS (SELECT 1) INSERT INTO otel_metrics SELECT * FROM x", ReadOnly, None, "", "SELECT"),
    ] {
        let error: ApiError = match tables.ask(&shop(), sql).await {
            Ok(answer) => panic!("{sql}: {:?}", answer.rows()),
            Err(error) => error.into(),
        };
        let found = error.position.map(|at| (at.line, at.column));
        let fits = error.code == code
            && (place.is_none() || place == found)
            && error.message.contains(message)
            && error.message.len() < 1_000
            && error.hint.as_deref().unwrap_or_default().contains(hint);
        if !fits {
            wrong.push(format!("{sql}: {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialect_is_that_of_postgres() {
    let tables = Tables::new();
    let id = logs_and_spans();
    tables.live(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 10))).await;
    for (sql, expected) in [
        ("SELECT now(), current_date", json!([["2026-11-20T02:00:00.000000Z", "2026-11-20"]])),
        ("SELECT 16777217::float, 1::float8, 0.1::real", json!([[16777217.0, 1.0, 0.1]])),
        (
            "SELECT '2026-11-20'::timestamptz, '2026-11-20 01:02:03.5'::timestamp",
            json!([["2026-11-20T00:00:00.000000Z", "2026-11-20T01:02:03.500000Z"]]),
        ),
        (
            "SELECT timestamp::date, timestamp::text FROM otel_logs_and_spans LIMIT 1",
            json!([["2026-11-20", "2026-11-20T01:00:00Z"]]),
        ),
        ("SELECT extract(epoch from timestamp)::integer FROM otel_logs_and_spans LIMIT 1", json!([[1795136400]])),
        (
            "SELECT extract(epoch from max(timestamp) + INTERVAL '250 milliseconds' - max(timestamp)), \
                    date_part('epoch', '2026-11-20 01:02:03.5'::timestamp - '2026-11-20 01:02:01'::timestamp) \
             FROM otel_logs_and_spans",
            json!([[0.25, 2.5]]),
        ),
        (
            "SELECT count(*) FILTER (WHERE kind = 'server')::float, count(*)::float FROM otel_logs_and_spans",
            json!([[5.0, 10.0]]),
        ),
        (
            "SELECT DISTINCT ON (kind) kind, id FROM otel_logs_and_spans ORDER BY kind, id DESC",
            json!([["client", "0000000000000009"], ["server", "0000000000000008"]]),
        ),
        (
            "SELECT string_agg(kind, ',' ORDER BY kind) FROM (SELECT DISTINCT kind FROM otel_logs_and_spans)",
            json!([["client,server"]]),
        ),
        (
            "SELECT v FROM (SELECT name AS n, unnest(ARRAY[3, 1, 2]) AS v FROM otel_logs_and_spans WHERE id = '0000000000000000' GROUP BY name) ORDER BY n, v",
            json!([[1], [2], [3]]),
        ),
        (
            "SELECT DISTINCT v FROM (SELECT name AS n, unnest(ARRAY[1, 1]) AS v FROM otel_logs_and_spans GROUP BY name)",
            json!([[1]]),
        ),
        (
            "SELECT t.id, u.v FROM otel_logs_and_spans t LEFT JOIN LATERAL unnest(t.hashes) AS u(v) ON true WHERE t.id = '0000000000000000'",
            json!([["0000000000000000", null]]),
        ),
        ("SELECT t.id, u.v FROM otel_logs_and_spans t CROSS JOIN unnest(t.hashes) AS u(v)", json!([])),
        ("SELECT x FROM (VALUES (1), (NULL)) AS v(x) ORDER BY x DESC", json!([[null], [1]])),
        ("SELECT 'a' || 'b', 5 / 2, 5.0 / 2, 7 % 4, NULL IS DISTINCT FROM 1", json!([["ab", 2, 2.5, 3, true]])),
        ("SELECT round(1.2345, 2), left('abc', 2), split_part('a.b', '.', 2)", json!([[1.23, "ab", "b"]])),
        (
            "SELECT date_trunc('hour', timestamp), to_char(timestamp, '%Y') FROM otel_logs_and_spans LIMIT 1",
            json!([["2026-11-20T01:00:00.000000Z", "2026"]]),
        ),
        ("SELECT approx_percentile_cont(duration, 0.5) FROM otel_logs_and_spans", json!([[4500.0]])),
        (
            "SELECT lag(id) OVER (ORDER BY timestamp) FROM otel_logs_and_spans ORDER BY timestamp LIMIT 2",
            json!([[null], ["0000000000000000"]]),
        ),
        (
            "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) FROM n",
            json!([[6]]),
        ),
        ("SHOW TABLES", json!(null)),
        ("DESCRIBE otel_metrics", json!(null)),
        ("EXPLAIN SELECT 1", json!(null)),
        ("EXPLAIN ANALYZE SELECT count(*) FROM otel_logs_and_spans", json!(null)),
    ] {
        let rows = tables.rows(&shop(), sql).await;
        match expected.as_array() {
            Some(expected) => assert_eq!(&json!(rows), &json!(expected), "{sql}"),
            None => assert!(!rows.is_empty(), "{sql}"),
        }
    }
}
