//! `plimsoll query`.

use axum::http::Method;
use serde_json::{Value, json};

use super::Fake;

fn answer_of_two_rows() -> Value {
    json!({
        "columns": [{ "name": "service", "type": "Utf8" }, { "name": "n", "type": "Int64" }],
        "rows": [["web", 1234], ["a, \"b\"", null]],
        "truncated": { "limit": 2, "advice": "raise `limit`" },
        "warnings": ["segment s1 is damaged"],
        "statistics": {
            "rows": 2, "files_considered": 56, "files_opened": 3, "row_groups_considered": 12, "row_groups_opened": 4,
            "bytes_scanned": 2048, "live_segments_considered": 2, "live_segments_read": 1,
            "snapshot_version": { "otel_metrics": 52 }, "planning_ms": 1.5, "total_ms": 7.25,
        },
    })
}

/// As it ends, if `truncated`.
fn end_line(truncated: Value) -> String {
    format!("{}\n", json!({ "end": { "truncated": truncated, "warnings": [], "statistics": { "rows": 2 } } }))
}

#[test]
fn an_answer_that_lies_in_the_bucket_is_fetched_without_our_key() {
    let csv = format!("service,n\r\nweb,1234\r\n\"a, \"\"b\"\"\",\r\n{}", end_line(Value::Null));
    for (args, in_bucket, expected) in [
        (&["--csv"][..], csv, "service,n\nweb,1234\n\"a, \"\"b\"\"\",\n"),
        (&["--json"], format!("{{\"n\":1}}\n{}", end_line(Value::Null)), "[{\"n\":1}]\n"),
        (&[], answer_of_two_rows().to_string(), "service     n\n───────  ────\nweb      1234\na, \"b\"\n"),
    ] {
        let bucket = Fake::answering_text(&[(200, in_bucket)]);
        let url = format!("{}/projects/shop/results/2026-11-20/1?X-Amz-Signature=s", bucket.url);
        let linked =
            json!({ "result": { "url": url, "rows": 2 }, "truncated": null, "warnings": [], "statistics": {} });
        let fake = Fake::answering(&[(200, linked.clone())]);
        let (code, out, err) = fake.run(&[&["query", "SELECT 1"], args].concat());
        assert_eq!((code, out.as_str()), (0, expected), "{err}");
        let (method, path, key, _) = bucket.asked().remove(0);
        let expected = "/projects/shop/results/2026-11-20/1?X-Amz-Signature=s";
        assert_eq!((method, path.as_str(), key.as_str()), (Method::GET, expected, ""));

        let gone = Fake::answering_text(&[(403, "<Error><Code>AccessDenied</Code></Error>".to_owned())]);
        let mut linked = linked;
        linked["result"]["url"] = format!("{}/x", gone.url).into();
        let (code, _, err) = Fake::answering(&[(200, linked)]).run(&[&["query", "SELECT 1"], args].concat());
        assert!(code != 0 && err.contains("403") && err.contains("AccessDenied"), "{err}");
    }
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
        "truncated: 2 rows are shown, the limit is 2: raise `--limit`\nwarning: segment s1 is damaged\n\
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
fn query_writes_json_and_csv_for_other_programs_as_the_api_sends_them() {
    let rows = "{\"service\":\"web\",\"n\":0.30000000000000004}\n{\"service\":\"a, \\\"b\\\"\",\"n\":null}\n";
    let fake = Fake::answering_text(&[(200, format!("{rows}{}", end_line(Value::Null)))]);
    let (code, out, err) = fake.run_within(Some(10), &["query", "SELECT 1", "--json", "--limit", "2000000"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let expected = "[{\"service\":\"web\",\"n\":0.30000000000000004},\n {\"service\":\"a, \\\"b\\\"\",\"n\":null}]\n";
    assert_eq!(out, expected);
    let asked: Value = serde_json::from_slice(&fake.asked()[0].3).expect("JSON");
    assert_eq!(asked, json!({ "sql": "SELECT 1", "limit": 2_000_000, "end_line": true }));
}

#[test]
fn rows_for_other_programs_that_are_not_all_there_are_a_failure() {
    let csv = "n\r\n1\r\n2\r\n";
    let truncated = end_line(json!({ "limit": 2, "advice": "raise `limit` (up to 50000000), or page by `timestamp`" }));
    let fake = Fake::answering_text(&[(200, format!("{csv}{truncated}"))]);
    let (code, out, err) = fake.run(&["query", "SELECT 1", "--csv"]);
    assert_eq!((code, out.as_str()), (1, "n\n1\n2\n"));
    assert!(err.contains("truncated: 2 rows are shown") && err.contains("raise `--limit` (up to 50000000)"), "{err}");
    // Whoever says how many gets as many.
    let (code, _, err) = fake.run(&["query", "SELECT 1", "--csv", "--limit", "2"]);
    assert!(code == 0 && err.contains("truncated"), "{err}");

    let (code, out, err) = Fake::answering_text(&[(200, csv.to_owned())]).run(&["query", "SELECT 1", "--csv"]);
    assert_eq!((code, out.as_str()), (1, "n\n1\n"));
    assert!(err.contains("the answer broke off") && err.contains("not all of it"), "{err}");
}

#[test]
fn advice_of_the_server_names_options() {
    let error = json!({ "error": {
        "code": "result_too_large", "message": "the answer is larger than 67108864 bytes", "request_id": "r",
        "hint": "select fewer columns, lower `limit`, or ask for `Accept: application/x-ndjson`, which is streamed",
    }});
    let (_, _, err) = Fake::answering(&[(422, error)]).run(&["query", "SELECT 1"]);
    assert!(err.ends_with("lower `--limit`, or ask for `--json` or `--csv`, which are streamed\n"), "{err}");
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
