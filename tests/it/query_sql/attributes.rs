//! `attributes ->> 'key'` and its kin find every key, wherever it is kept.

use model::TableName;
use serde_json::{Value, json};
use tests::tables::{Tables, at, batch};

use super::{BEFORE, logs_and_spans, shop};

/// One row: promoted keys in their columns, the rest and what did not fit in the JSON.
fn row() -> Value {
    json!({
        "timestamp": at(BEFORE),
        "signal": "span",
        "id": "1",
        "attributes___http___request___method": "GET",
        "attributes___http___response___status_code": 200,
        "attributes___gen_ai___request___temperature": 0.5,
        "attributes___faas___coldstart": true,
        "attributes___url___full": "http://x/\"q\"",
        "attributes": json!({
            "my.own": "mine",
            "count": 3,
            "nested": {"a": {"b": [1, 2]}, "text": "t"},
            "server.port": "not a number",
            "http.method": "GET",
            "nothing": null,
        }).to_string(),
        "resource___service___name": "shop",
        "resource": json!({"team": "blue"}).to_string(),
    })
}

async fn tables(filed: Filed) -> Tables {
    let tables = Tables::new();
    let id = logs_and_spans();
    let rows = batch(&shop(), TableName::LogsAndSpans, &[row()]);
    match filed {
        Filed::InFile => tables.files(&id, &rows).await,
        Filed::InSegment => drop(tables.live(&id, &rows).await),
    }
    tables
}

#[derive(Clone, Copy, Debug)]
enum Filed {
    InFile,
    InSegment,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_found_promoted_or_not() {
    let cases = [
        ("attributes ->> 'http.request.method'", json!("GET")),
        ("attributes ->> 'http.response.status_code'", json!("200")),
        ("(attributes ->> 'http.response.status_code')::bigint + 1", json!(201)),
        ("attributes ->> 'gen_ai.request.temperature'", json!("0.5")),
        ("attributes ->> 'faas.coldstart'", json!("true")),
        ("attributes ->> 'http.method'", json!("GET")),
        ("attributes ->> 'my.own'", json!("mine")),
        ("attributes ->> 'count'", json!("3")),
        ("attributes ->> 'server.port'", json!("not a number")),
        ("attributes ->> 'nested'", json!("{\"a\":{\"b\":[1,2]},\"text\":\"t\"}")),
        ("attributes ->> 'nothing'", json!(null)),
        ("attributes ->> 'absent'", json!(null)),
        ("attributes ->> 'db.system.name'", json!(null)),
        ("attributes -> 'nested' ->> 'text'", json!("t")),
        ("attributes -> 'nested' -> 'a' -> 'b' ->> 1", json!("2")),
        ("attributes -> 'nested' -> 'a'", json!("{\"b\":[1,2]}")),
        ("attributes -> 'url.full'", json!("\"http://x/\\\"q\\\"\"")),
        ("attributes -> 'http.response.status_code'", json!("200")),
        ("attributes -> 'my.own'", json!("\"mine\"")),
        ("attributes ? 'http.request.method'", json!(true)),
        ("attributes ? 'my.own'", json!(true)),
        ("attributes ? 'db.system.name'", json!(false)),
        ("resource ->> 'service.name'", json!("shop")),
        ("resource ->> 'team'", json!("blue")),
        ("t.resource ->> 'service.name'", json!("shop")),
        ("COALESCE(attributes ->> 'absent', attributes ->> 'http.request.method')", json!("GET")),
        ("upper(attributes ->> 'my.own') || '!'", json!("MINE!")),
    ];
    for filed in [Filed::InFile, Filed::InSegment] {
        let tables = tables(filed).await;
        for (expr, expected) in &cases {
            let rows = tables.rows(&shop(), &format!("SELECT {expr} FROM otel_logs_and_spans AS t")).await;
            assert_eq!(rows, [[expected.clone()]], "{expr}, {filed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promoted_keys_are_found_through_subqueries_that_hand_on_only_the_json() {
    let tables = tables(Filed::InFile).await;
    for sql in [
        "WITH s AS (SELECT attributes FROM otel_logs_and_spans) SELECT attributes ->> 'http.request.method' FROM s",
        "SELECT s.attributes ->> 'http.request.method' FROM (SELECT id, attributes FROM otel_logs_and_spans WHERE id = '1' ORDER BY timestamp LIMIT 5) AS s",
        "WITH a AS (SELECT id, attributes FROM otel_logs_and_spans), b AS (SELECT a.attributes, a.id FROM a) SELECT x.attributes ->> 'http.request.method' FROM b AS x WHERE x.attributes ->> 'http.request.method' = 'GET'",
        "SELECT s.attributes ->> 'http.request.method' FROM (SELECT id, attributes FROM otel_logs_and_spans) AS s JOIN otel_logs_and_spans AS o ON o.id = s.id",
        "SELECT attributes ->> 'http.request.method', count(*) FROM (SELECT attributes FROM otel_logs_and_spans) GROUP BY attributes ->> 'http.request.method' HAVING count(*) > 0",
        "SELECT max(attributes ->> 'http.request.method') FROM (SELECT attributes FROM otel_logs_and_spans)",
        "SELECT attributes ->> 'http.request.method' FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM (SELECT id, attributes FROM otel_logs_and_spans))",
    ] {
        let rows = tables.rows(&shop(), sql).await;
        assert_eq!(rows[0][0], json!("GET"), "{sql}");
    }
    // A column that only happens to be called so.
    let rows = tables
        .rows(&shop(), "SELECT attributes ->> 'http.route' FROM (SELECT '{\"http.route\": \"/r\"}' AS attributes)")
        .await;
    assert_eq!(rows, [[json!("/r")]]);
    // Out of reach: an error, never a wrong null.
    let error = tables
        .ask(
            &shop(),
            "SELECT attributes ->> 'http.request.method' FROM (SELECT DISTINCT attributes FROM otel_logs_and_spans)",
        )
        .await;
    let error = error.expect_err("the column is out of reach").to_string();
    assert!(error.contains("attributes___http___request___method") && error.contains("inside"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_filter_group_and_sort() {
    let tables = Tables::new();
    let id = logs_and_spans();
    let rows: Vec<Value> = (0..40)
        .map(|n| {
            let mut row = json!({"timestamp": at(BEFORE + n), "signal": "log", "id": n.to_string()});
            match n % 4 {
                0 => row["attributes___http___route"] = json!("/a"),
                1 => row["attributes"] = json!("{\"http.route\":\"/b\"}"),
                2 => row["attributes"] = json!("{\"http.route\":7}"),
                _ => {}
            }
            row
        })
        .collect();
    tables.files(&id, &batch(&shop(), id.table, &rows[..20])).await;
    tables.live(&id, &batch(&shop(), id.table, &rows[20..])).await;
    let sql = "SELECT COALESCE(attributes ->> 'http.route', 'none') AS route, count(*)::float FROM otel_logs_and_spans GROUP BY 1 ORDER BY 1";
    let ten = |route: &str| [json!(route), json!(10.0)];
    assert_eq!(tables.rows(&shop(), sql).await, ["/a", "/b", "7", "none"].map(ten));
    let sql = "SELECT count(*) FROM otel_logs_and_spans WHERE attributes ->> 'http.route' IN ('/a', '/b')";
    assert_eq!(tables.rows(&shop(), sql).await, [[json!(20)]]);
}
