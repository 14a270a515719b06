//! Logs, traces, metrics and the schema.

use std::collections::BTreeSet;

use model::{Micros, TableId, TableName};
use serde_json::{Value, json};
use tests::tables::{NOW, Tables, at, batch};

use super::{Client, shop};

const SECOND: Micros = 1_000_000;

fn log(n: usize, when: Micros, more: Value) -> Value {
    let mut row = json!({"timestamp": at(when), "signal": "log", "kind": "log", "id": format!("log-{n:04}"), "level": "INFO", "body": format!("line {n}")});
    row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    row
}

fn span(trace: u32, id: &str, parent: Option<&str>, when: Micros, more: Value) -> Value {
    let mut row = json!({
        "timestamp": at(when), "signal": "span", "kind": "server", "id": id, "context___span_id": id,
        "context___trace_id": format!("{trace:032x}"), "name": "work", "status_code": "UNSET", "duration": 1_000_000,
        "start_time": at(when), "end_time": at(when + 1_000), "resource___service___name": "front",
    });
    if let Some(parent) = parent {
        row["parent_id"] = json!(parent);
    }
    row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    row
}

async fn filled(rows: &[Value]) -> (Tables, Client) {
    let tables = Tables::new();
    let id = TableId::new(shop(), TableName::LogsAndSpans);
    let (filed, live) = rows.split_at(rows.len() / 2);
    tables.files(&id, &batch(&shop(), id.table, filed)).await;
    tables.live(&id, &batch(&shop(), id.table, live)).await;
    let client = Client::reading(&tables, &shop()).await;
    (tables, client)
}

fn ids(answer: &Value, list: &str) -> Vec<String> {
    let name = if list == "traces" { "trace_id" } else { "id" };
    answer[list].as_array().expect("a list").iter().map(|item| item[name].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_page_by_page_lose_and_repeat_nothing_under_equal_times() {
    // Many of one time, so that pages end in the middle of them.
    let rows: Vec<Value> = (0..250).map(|n| log(n, NOW - (n as Micros / 90) * SECOND, json!({}))).collect();
    let (_tables, client) = filled(&rows).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/logs?limit=40".to_owned();
    loop {
        let page = client.get(&path).await.ok();
        seen.extend(ids(&page, "logs"));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/logs?limit=40&cursor={cursor}"),
            None => break,
        }
    }
    let mut expected: Vec<(Micros, String)> = (0..250).map(|n| (-(n as Micros / 90), format!("log-{n:04}"))).collect();
    expected.sort_by(|a, b| b.cmp(a));
    assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_found_by_each_parameter() {
    let trace = format!("{:032x}", 7);
    let rows = [
        log(0, NOW - 30 * SECOND, json!({"resource___service___name": "cart", "level": "ERROR", "body": "100% full"})),
        log(1, NOW - 20 * SECOND, json!({"resource___service___name": "cart", "level": "WARN", "body": "1000 full"})),
        log(
            2,
            NOW - 10 * SECOND,
            json!({"context___trace_id": trace, "attributes___exception___message": "Disk_Full"}),
        ),
        log(3, NOW - 7_200 * SECOND, json!({"level": "FATAL"})),
        log(
            4,
            NOW + 60 * SECOND,
            json!({"attributes": "{\"my.own\": {\"a\": 1}}", "attributes___http___route": "/r", "resource": "{\"team\": \"blue\"}"}),
        ),
        span(7, "a", None, NOW - 5 * SECOND, json!({})),
    ];
    let (_tables, client) = filled(&rows).await;
    for (parameters, expected) in [
        ("", vec!["log-0004", "log-0002", "log-0001", "log-0000"]),
        ("start=-3h", vec!["log-0004", "log-0002", "log-0001", "log-0000", "log-0003"]),
        ("start=-25s&end=now", vec!["log-0002", "log-0001"]),
        ("start=2026-11-20T01:59:40Z&end=2026-11-20T01:59:50Z", vec!["log-0001"]),
        ("start=2026-11-20T02:59:40%2B01:00&end=2026-11-20T02:59:50%2B01:00", vec!["log-0001"]),
        ("service=cart", vec!["log-0001", "log-0000"]),
        ("level=error,Warn", vec!["log-0001", "log-0000"]),
        ("q=100%25", vec!["log-0000"]),
        ("q=FULL", vec!["log-0002", "log-0001", "log-0000"]),
        ("q=disk_f", vec!["log-0002"]),
        ("q=disk.f", vec![]),
        (&format!("trace_id={}", trace.to_uppercase()), vec!["log-0002"]),
        ("limit=1", vec!["log-0004"]),
    ] {
        let answer = client.get(&format!("/api/v1/logs?{parameters}")).await.ok();
        assert_eq!(ids(&answer, "logs"), expected, "{parameters}");
    }
    let newest = client.get("/api/v1/logs?limit=1").await.ok()["logs"][0].clone();
    assert_eq!(newest["attributes"], json!({"http.route": "/r", "my.own": {"a": 1}}));
    assert_eq!(newest["resource"], json!({"team": "blue"}));
    assert_eq!((&newest["body"], newest.get("trace_id")), (&json!("line 4"), None));
    for (wrong, name) in [
        ("start=yesterday", "start"),
        ("start=-1h&end=-2h", "end"),
        ("level=LOUD", "level"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("cursor=abc", "cursor"),
        ("trace_id=7", "trace_id"),
        ("q=", "q"),
        ("colour=red", "colour"),
    ] {
        let reply = client.get(&format!("/api/v1/logs?{wrong}")).await;
        assert_eq!(reply.error(), (400, "bad_request".into()), "{wrong}");
        assert!(reply.text().contains(&format!("`{name}`")), "{wrong}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_are_listed_once_each_newest_first() {
    let mut rows = Vec::new();
    for trace in 1..=30_u32 {
        let when = NOW - 600 * SECOND + Micros::from(trace) * SECOND;
        let failed = if trace % 10 == 0 { "ERROR" } else { "UNSET" };
        let root = format!("{trace:012x}0000");
        rows.push(span(
            trace,
            &root,
            None,
            when,
            json!({"name": "GET /", "status_code": failed, "duration": 5_000_000, "end_time": at(when + 5_000)}),
        ));
        for child in 1..=3 {
            let more = json!({"name": "call", "resource___service___name": "back", "duration": child * 100_000_000 * i64::from(trace % 7 == 0)});
            rows.push(span(trace, &format!("{trace:012x}{child:04x}"), Some(&root), when + Micros::from(child), more));
        }
    }
    // Two traces whose newest spans share a time.
    rows.push(span(31, "e1", None, NOW - SECOND, json!({})));
    rows.push(span(32, "e2", Some("gone"), NOW - SECOND, json!({"name": "orphan"})));
    rows.push(log(0, NOW, json!({"context___trace_id": format!("{:032x}", 99)})));
    let (_tables, client) = filled(&rows).await;

    let all: Vec<String> = (1..=32_u32).rev().map(|trace| format!("{trace:032x}")).collect();
    for limit in [1, 7, 20, 200] {
        let mut seen = Vec::new();
        let mut path = format!("/api/v1/traces?limit={limit}");
        loop {
            let page = client.get(&path).await.ok();
            seen.extend(ids(&page, "traces"));
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/api/v1/traces?limit={limit}&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(seen, all, "by {limit}");
    }
    let of = |traces: &[u32]| traces.iter().map(|trace| format!("{trace:032x}")).collect::<BTreeSet<_>>();
    for (parameters, expected) in [
        ("status=error", of(&[10, 20, 30])),
        ("service=back&min_duration=250ms", of(&[7, 14, 21, 28])),
        ("name=orphan", of(&[32])),
        ("service=front&name=call", of(&[])),
        ("start=-5s", of(&[31, 32])),
        ("end=2026-11-20T01:50:03Z", of(&[1, 2])),
    ] {
        let answer = client.get(&format!("/api/v1/traces?limit=200&{parameters}")).await.ok();
        assert_eq!(ids(&answer, "traces").into_iter().collect::<BTreeSet<_>>(), expected, "{parameters}");
    }
    let seventh = client.get("/api/v1/traces?service=back&min_duration=250ms").await.ok()["traces"][3].clone();
    assert_eq!(
        seventh,
        json!({
            "trace_id": format!("{:032x}", 7), "matched_at": "2026-11-20T01:50:07.000003Z", "start": "2026-11-20T01:50:07.000000Z",
            "duration_ns": 5_000_000, "name": "GET /", "service": "front", "status": "UNSET", "spans": 4, "errors": 0,
            "services": ["back", "front"],
        })
    );
    for (wrong, name) in
        [("status=BAD", "status"), ("min_duration=5", "min_duration"), ("limit=201", "limit"), ("q=x", "q")]
    {
        let reply = client.get(&format!("/api/v1/traces?{wrong}")).await;
        assert_eq!(reply.error(), (400, "bad_request".into()), "{wrong}");
        assert!(reply.text().contains(&format!("`{name}`")), "{wrong}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_whole_and_in_the_order_of_a_tree() {
    let rows = [
        span(5, "aa", None, NOW - 9 * SECOND, json!({"events": "[{\"name\": \"e\"}]"})),
        span(5, "bb", Some("aa"), NOW - 8 * SECOND, json!({})),
        log(1, NOW - 7 * SECOND, json!({"context___trace_id": format!("{:032x}", 5), "context___span_id": "bb"})),
        span(6, "cc", None, NOW - 6 * SECOND, json!({})),
        span(5, "dd", Some("aa"), NOW - 5 * SECOND, json!({})),
        span(5, "ee", Some("bb"), NOW - 4 * SECOND, json!({})),
        span(5, "ff", Some("lost"), NOW - 3 * SECOND, json!({})),
    ];
    let (_tables, client) = filled(&rows).await;
    let path = format!("/api/v1/traces/{:032X}", 5);
    let answer = client.get(&path).await.ok();
    let items = answer["items"].as_array().expect("a list");
    let placed: Vec<(&str, &str, u64)> = items
        .iter()
        .map(|item| (item["id"].as_str().unwrap(), item["type"].as_str().unwrap(), item["depth"].as_u64().unwrap()))
        .collect();
    let expected = [
        ("aa", "span", 0),
        ("bb", "span", 1),
        ("log-0001", "log", 2),
        ("ee", "span", 2),
        ("dd", "span", 1),
        ("ff", "span", 0),
    ];
    assert_eq!(placed, expected);
    assert_eq!((&items[5]["parent_missing"], &items[0]["events"]), (&json!(true), &json!([{"name": "e"}])));
    assert_eq!((&items[0]["duration_ns"], &items[0]["attributes"]), (&json!(1_000_000), &json!({})));
    assert_eq!((&answer["truncated"], &answer["statistics"]["rows"]), (&Value::Null, &json!(6)));
    let later = client.get(&format!("{path}?start=-6s")).await.ok();
    assert_eq!(later["items"].as_array().expect("a list").len(), 3);
    assert_eq!(client.get(&format!("/api/v1/traces/{:032x}", 77)).await.error(), (404, "not_found".into()));
    assert_eq!(client.get("/api/v1/traces/xyz").await.error(), (400, "bad_request".into()));
    assert_eq!(client.get(&format!("{path}?begin=-6s")).await.error(), (400, "bad_request".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_the_schema() {
    let tables = Tables::new();
    let id = TableId::new(shop(), TableName::Metrics);
    let point = |name: &str, series: &str, when: Micros, more: Value| {
        let mut row = json!({"timestamp": at(when), "metric_name": name, "metric_type": "gauge", "unit": "By", "series_id": series, "value": 1.0});
        row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        row
    };
    let rows = [
        point("memory", "1", NOW - 100, json!({"description": "how much", "resource___service___name": "cart"})),
        point("memory", "2", NOW - 50, json!({})),
        point(
            "requests",
            "3",
            NOW - 10,
            json!({"metric_type": "sum", "unit": "1", "temporality": "cumulative", "is_monotonic": true}),
        ),
        point("old", "4", NOW - 2 * 86_400 * SECOND, json!({})),
    ];
    tables.live(&id, &batch(&shop(), id.table, &rows)).await;
    let client = Client::reading(&tables, &shop()).await;
    let answer = client.get("/api/v1/metrics").await.ok();
    assert_eq!(
        answer["metrics"],
        json!([
            {"name": "memory", "type": "gauge", "unit": "By", "description": "how much", "temporality": null, "is_monotonic": null,
             "series": 2, "last_seen": "2026-11-20T01:59:59.999950Z"},
            {"name": "requests", "type": "sum", "unit": "1", "description": null, "temporality": "cumulative", "is_monotonic": true,
             "series": 1, "last_seen": "2026-11-20T01:59:59.999990Z"},
        ])
    );
    for (parameters, n) in [("start=-3d", 3), ("q=MEM", 1), ("service=cart", 1), ("service=none", 0), ("limit=1", 1)] {
        let answer = client.get(&format!("/api/v1/metrics?{parameters}")).await.ok();
        assert_eq!(answer["metrics"].as_array().expect("a list").len(), n, "{parameters}");
        assert_eq!(!answer["truncated"].is_null(), parameters == "limit=1", "{parameters}");
    }

    let schema = client.get("/api/v1/schema").await.ok();
    let tables = schema["tables"].as_array().expect("a list");
    assert_eq!((&tables[0]["name"], &tables[1]["name"]), (&json!("otel_logs_and_spans"), &json!("otel_metrics")));
    assert_eq!(tables[0]["partition_columns"], json!(["date", "signal"]));
    let columns = tables[0]["columns"].as_array().expect("a list");
    assert!(columns.contains(&json!({"name": "timestamp", "type": "timestamptz"})));
    assert!(columns.contains(
        &json!({"name": "resource___service___name", "type": "text", "key": "service.name", "of": "resource"})
    ));
    for table in tables {
        for column in table["columns"].as_array().expect("a list") {
            let sql =
                format!("SELECT {} FROM {} LIMIT 1", column["name"].as_str().unwrap(), table["name"].as_str().unwrap());
            let answer = client.query(&json!({ "sql": sql }), "*/*").await.ok();
            assert_eq!(answer["columns"][0]["type"], column["type"], "{sql}");
        }
    }
}
