//! `plimsoll query`.

use axum::http::Method;
use serde_json::{Value, json};

use super::Fake;

fn answer_of_two_rows() -> Value {
    json!({
        "columns": [{ "name": "service", "type": "Utf8" }, { "name": "n", "type": "Int64" }],
        "rows": [["web", 1234], ["a, \"b\"", null]],
        "truncated": { "limit": 2, "advice": "add a LIMIT" },
        "warnings": ["segment s1 is damaged"],
        "statistics": {
            "rows": 2, "files_considered": 56, "files_opened": 3, "row_groups_considered": 12, "row_groups_opened": 4,
            "bytes_scanned": 2048, "live_segments_considered": 2, "live_segments_read": 1,
            "snapshot_version": { "otel_metrics": 52 }, "planning_ms": 1.5, "total_ms": 7.25,
        },
    })
}

#[test]
fn an_answer_that_lies_in_the_bucket_is_fetched_without_our_key() {
    let bucket = Fake::answering(&[(200, answer_of_two_rows())]);
    let url = format!("{}/projects/shop/results/2026-11-20/1.json?X-Amz-Signature=s", bucket.url);
    let linked = json!({ "result": { "url": url, "rows": 2 }, "truncated": null, "warnings": [], "statistics": {} });
    let fake = Fake::answering(&[(200, linked.clone())]);
    let (code, out, err) = fake.run(&["query", "SELECT 1", "--csv"]);
    assert_eq!((code, out.as_str()), (0, "service,n\nweb,1234\n\"a, \"\"b\"\"\",\n"), "{err}");
    let (method, path, key, _) = bucket.asked().remove(0);
    let expected = "/projects/shop/results/2026-11-20/1.json?X-Amz-Signature=s";
    assert_eq!((method, path.as_str(), key.as_str()), (Method::GET, expected, ""));

    let gone = Fake::answering_text(&[(403, "<Error><Code>AccessDenied</Code></Error>".to_owned())]);
    let mut linked = linked;
    linked["result"]["url"] = format!("{}/x", gone.url).into();
    let (code, _, err) = Fake::answering(&[(200, linked)]).run(&["query", "SELECT 1"]);
    assert!(code != 0 && err.contains("403") && err.contains("AccessDenied"), "{err}");
}

#[test]
fn query_shows_a_table_and_remarks_beside_it() {
    let fake = Fake::answering(&[(200, answer_of_two_rows())]);
    let (code, out, err) =
        fake.run(&["query", "SELECT 1", "--stats", "--limit", "2", "--timeout", "30s", "-p", "n=5", "-p", "$s=a b"]);
    assert_eq!(code, 0);
    assert_eq!(out, "service     n\n───────  ────\nweb      1234\na, \"b\"\n");
    assert_eq!(
        err,
        "truncated: 2 rows are shown, the limit is 2: add a LIMIT\nwarning: segment s1 is damaged\n\
         2 rows in 7.2 ms (planning 1.5 ms); 3 of 56 files, 4 of 12 row groups, 2.0 kB; 1 of 2 live segments; \
         otel_metrics at version 52\n"
    );
    let (method, path, key, body) = fake.asked().remove(0);
    assert_eq!((method, path.as_str(), key.as_str()), (Method::POST, "/api/v1/query", "Bearer k"));
    let asked: Value = serde_json::from_slice(&body).expect("JSON");
    let expected = json!({ "sql": "SELECT 1", "limit": 2, "timeout_ms": 30_000, "params": { "n": 5, "s": "a b" } });
    assert_eq!(asked, expected);
}

#[test]
fn query_writes_json_and_csv_for_other_programs() {
    let fake = Fake::answering(&[(200, answer_of_two_rows())]);
    let (_, out, _) = fake.run_within(Some(10), &["query", "SELECT 1", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&out).expect("JSON"),
        json!([{ "service": "web", "n": 1234 }, { "service": "a, \"b\"", "n": null }])
    );
    let (_, out, _) = fake.run_within(Some(10), &["query", "SELECT 1", "--csv"]);
    assert_eq!(out, "service,n\nweb,1234\n\"a, \"\"b\"\"\",\n");
}

#[test]
fn an_error_of_the_sql_points_at_its_place() {
    let error = json!({ "error": {
        "code": "unknown_column", "message": "there is no column `servce`", "hint": "did you mean `service`?",
        "position": { "line": 1, "column": 8 }, "request_id": "r1",
    }});
    let (code, out, err) = Fake::answering(&[(400, error)]).run(&["query", "SELECT servce FROM t"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        err,
        "error: there is no column `servce`\n  SELECT servce FROM t\n         ^\n  did you mean `service`?\n"
    );
}

#[test]
fn the_server_s_word_on_the_time_of_a_query_becomes_the_option_s() {
    let error = json!({ "error": {
        "code": "bad_request", "message": "`timeout_ms` is 86313600000; it may be from 1 to 60000", "hint": null, "request_id": "r",
    }});
    let (code, _, err) = Fake::answering(&[(400, error)]).run(&["query", "SELECT 1", "--timeout", "999d"]);
    assert_eq!((code, err.as_str()), (1, "error: `--timeout` in ms is 86313600000; it may be from 1 to 60000\n"));
}
