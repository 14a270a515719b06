//! The commands against a small API of their own that answers from a script and keeps what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use clap::Parser;
use serde_json::{Value, json};

use super::{Cli, Screen, execute};

/// Method, path with query, authorization, body.
type Asked = (Method, String, String, Vec<u8>);

/// Answers every request with the next of its answers; the last one again and again.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone)]
struct Script {
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Vec<(u16, String)>>,
}

impl Fake {
    fn answering(answers: &[(u16, Value)]) -> Self {
        Self::answering_text(&answers.iter().map(|(status, body)| (*status, body.to_string())).collect::<Vec<_>>())
    }

    fn answering_text(answers: &[(u16, String)]) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script = Script { asked: Arc::clone(&asked), answers: Arc::new(answers.to_vec()) };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        runtime.spawn(async move { axum::serve(listener, Router::new().fallback(answer).with_state(script)).await });
        Self { url, asked, _runtime: runtime }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic holds it").clone()
    }

    /// Exit code, stdout and stderr of a command line spoken to this API with the key `k`.
    fn run(&self, args: &[&str]) -> (u8, String, String) {
        self.run_within(None, args)
    }

    fn run_within(&self, width: Option<usize>, args: &[&str]) -> (u8, String, String) {
        let connection = ["--url", &self.url, "--key", "k"];
        run(width, &args.iter().chain(&connection).copied().collect::<Vec<_>>())
    }
}

async fn answer(
    State(script): State<Script>,
    method: Method,
    uri: Uri,
    headers: header::HeaderMap,
    body: Bytes,
) -> Response {
    let key = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut asked = script.asked.lock().expect("no panic holds it");
    let (status, text) = script.answers[asked.len().min(script.answers.len() - 1)].clone();
    asked.push((method, path, key, body.to_vec()));
    let retry_after_s = if status == 429 { "7200" } else { "0" };
    (StatusCode::from_u16(status).expect("a status"), [(header::RETRY_AFTER, retry_after_s)], text).into_response()
}

fn run(width: Option<usize>, args: &[&str]) -> (u8, String, String) {
    let cli = Cli::try_parse_from(["plimsoll"].iter().chain(args)).expect("a valid command line");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = execute(cli.command, &mut Screen { out: &mut out, err: &mut err, width });
    (code, String::from_utf8(out).expect("utf-8"), String::from_utf8(err).expect("utf-8"))
}

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
fn whoever_answers_but_is_not_plimsoll_is_shown() {
    let (code, _, err) = Fake::answering_text(&[(502, "<html>bad gateway".to_owned())]).run(&["status"]);
    assert_eq!(code, 1);
    assert!(err.contains("answered 502") && err.contains("<html>bad gateway"), "{err}");
}

#[test]
fn nobody_there_is_said_with_what_to_do() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let url = format!("http://127.0.0.1:{port}");
    let (code, _, err) = run(None, &["query", "SELECT 1", "--url", &url, "--key", "k"]);
    assert_eq!(code, 1);
    assert!(
        err.starts_with(&format!("error: cannot reach {url}")) && err.contains("is `plimsoll serve` running?"),
        "{err}"
    );
    let (code, _, err) = run(None, &["demo", "--backfill", "1h", "--otlp-url", &url, "--key", "k"]);
    assert_eq!(code, 1);
    assert!(err.contains("is `plimsoll serve` running?"), "{err}");
}

#[test]
fn the_right_key_comes_from_the_credentials_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("utf-8");
    let fake = Fake::answering(&[(200, json!({ "tables": [] }))]);
    let (code, _, err) = run(None, &["status", "--url", &fake.url, "--data", data]);
    assert_eq!(code, 1);
    assert!(err.contains("credentials.json") && err.contains("PLIMSOLL_KEY"), "{err}");

    let credentials = json!({
        "project": "default", "ingest_key": "i", "read_key": "r", "admin_key": "a", "otlp_url": "http://o", "api_url": "http://a",
    });
    std::fs::write(folder.path().join("credentials.json"), credentials.to_string()).expect("written");
    let (code, out, _) = run(None, &["status", "--url", &fake.url, "--data", data]);
    assert_eq!((code, out.contains("no tables yet")), (0, true));
    assert_eq!(fake.asked()[0].2, "Bearer a");
    run(None, &["key", "list", "--url", &fake.url, "--data", data]);
    assert_eq!(fake.asked()[1].1, "/api/v1/projects/default/keys");
}

#[test]
fn status_shows_tables_and_what_is_wrong_with_them() {
    let tables = json!({ "tables": [{
        "project": "default", "table": "otel_metrics", "live_segments": 3, "live_bytes": 4096, "oldest_live_age_s": 12.5,
        "open_batch": { "seq": 4 }, "files": 12, "rows": 1234567, "bytes": 9_000_000, "version": 52,
        "last_commit_at": "2020-01-01T00:00:00.000000Z", "compaction_lag_s": 12.5, "quarantined": 2,
        "stop": "the ledger was restored", "uri": "file:///data/objects/default/otel_metrics/",
    }]});
    let fake = Fake::answering(&[(200, tables.clone())]);
    let (code, out, _) = fake.run(&["status"]);
    assert_eq!(code, 0);
    for part in [
        "default",
        "3+",
        "4.1 kB",
        "12 s",
        "1,234,567",
        "9.0 MB",
        " d ago",
        "file:///data/objects/default/otel_metrics/",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    assert!(
        out.contains("STOPPED default/otel_metrics: the ledger was restored") && out.contains("2 segments could not"),
        "{out}"
    );
    let (_, out, _) = fake.run(&["status", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), tables);
}

#[test]
fn status_shows_a_table_that_cannot_be_read_beside_the_others_and_fails() {
    let tables = json!({ "tables": [
        { "project": "default", "table": "otel_metrics", "rows": null, "error": "entry 1 is damaged", "uri": "file:///m/" },
        { "project": "shop", "table": "otel_metrics", "rows": 77, "error": null, "uri": "file:///s/" },
    ]});
    let fake = Fake::answering(&[(200, tables.clone())]);
    let (code, out, _) = fake.run(&["status"]);
    assert_eq!(code, 1);
    for part in ["UNREADABLE default/otel_metrics: entry 1 is damaged", "shop", "77", "file:///m/"] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    let (code, out, _) = fake.run(&["status", "--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).expect("JSON")), (1, tables));
}

#[test]
fn status_names_the_first_quarantined_segments_and_why() {
    let bad = |n: usize| {
        json!({
            "segment": format!("s{n}"), "key": format!("landing/{n}"), "rows": n, "reason": "object is not there", "since": "2026-01-01",
        })
    };
    let table = |n: usize| {
        json!({ "tables": [{
            "project": "default", "table": "otel_metrics", "quarantined": n,
            "quarantined_segments": (1..=n).map(bad).collect::<Vec<_>>(),
        }]})
    };
    let fake = Fake::answering(&[(200, table(1)), (200, table(12))]);
    let (_, out, _) = fake.run(&["status"]);
    assert!(out.contains("1 segment could not be read"), "{out}");
    assert!(out.ends_with("  landing/1 (1 row, since 2026-01-01): object is not there\n"), "{out}");
    let (_, out, _) = fake.run(&["status"]);
    assert!(out.contains("landing/10 (10 rows") && !out.contains("landing/11"), "{out}");
    assert!(out.ends_with("  and 2 more; `plimsoll status --json` names them\n"), "{out}");
}

#[test]
fn compact_tells_what_it_did_and_fails_if_a_table_did() {
    let fake = Fake::answering(&[
        (
            200,
            json!({ "tables": [{ "project": "default", "table": "otel_metrics", "outcome": "committed", "rows": 7 }] }),
        ),
        (
            200,
            json!({ "tables": [{ "project": "default", "table": "otel_metrics", "outcome": "failed", "error": "disk" }] }),
        ),
        (200, json!({ "tables": [] })),
    ]);
    let (code, out, _) = fake.run(&["compact"]);
    assert_eq!(code, 0);
    assert!(out.contains("committed") && out.contains('7'), "{out}");
    // However narrow the terminal is.
    let (code, out, _) = fake.run_within(Some(40), &["compact"]);
    assert!(code == 1 && out.ends_with("\nFAILED default/otel_metrics: disk\n"), "{out}");
    assert_eq!(fake.run(&["compact"]), (0, "Nothing to compact.\n".to_owned(), String::new()));
}

#[test]
fn repair_says_what_was_wrong_and_fails_if_something_may_be_missing() {
    let row = |outcome: &str| {
        json!({ "tables": [{
            "project": "default", "table": "otel_metrics", "outcome": outcome, "was_stopped": "the ledger ends with batch 4",
            "segments_restored": 2, "rows_restored": 1200, "lost_objects": if outcome == "partial" { 3 } else { 0 },
        }]})
    };
    let fake = Fake::answering(&[(200, row("repaired")), (200, row("partial")), (200, row("repaired"))]);
    let (code, out, _) = fake.run(&["repair", "otel_metrics"]);
    assert_eq!(code, 0);
    for part in ["default/otel_metrics: repaired", "the ledger ends with batch 4", "2 segments", "1,200 rows"] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    assert!(!out.contains("lost"), "{out}");
    let (code, out, _) = fake.run(&["repair"]);
    assert!(code == 1 && out.contains("3 landing objects") && out.contains("may be lost"), "{out}");
    let (_, out, _) = fake.run(&["repair", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), row("repaired"));
}

#[test]
fn repair_counts_one_as_one() {
    let row = json!({ "tables": [{
        "project": "default", "table": "otel_metrics", "outcome": "partial", "segments_restored": 1, "rows_restored": 1,
        "batches_dropped": 1, "lost_objects": 1,
    }]});
    let (_, out, _) = Fake::answering(&[(200, row)]).run(&["repair"]);
    for line in [
        "  1 segment that nothing named is live again, with 1 row",
        "  1 batch never reached this table; its segments are live again",
        "  1 landing object older than 24 hours is named by nothing: its records may be lost; the log of the server names it",
    ] {
        assert!(out.lines().any(|one| one == line), "{line} is not in {out}");
    }
}

#[test]
fn lists_are_read_to_the_last_page() {
    let fake = Fake::answering(&[
        (200, json!({ "projects": [{ "id": "a", "name": "A" }], "next_cursor": "a b" })),
        (200, json!({ "projects": [{ "id": "b", "name": "B" }], "next_cursor": null })),
    ]);
    let (code, out, _) = fake.run(&["project", "list"]);
    assert_eq!((code, out.lines().count()), (0, 4));
    assert_eq!(fake.asked()[1].1, "/api/v1/projects?cursor=a%20b");
}

#[test]
fn demo_counts_what_was_taken_and_waits_when_told_to() {
    // partial_success { rejected_spans: 3, error_message: "old" }
    let partial = String::from_utf8(vec![0x0a, 7, 0x08, 3, 0x12, 3, b'o', b'l', b'd']).expect("utf-8");
    let fake = Fake::answering_text(&[(503, String::new()), (200, partial), (200, String::new())]);
    let (code, out, err) =
        run(None, &["demo", "--backfill", "2h", "--senders", "1", "--json", "--otlp-url", &fake.url, "--key", "k"]);
    assert_eq!(code, 0, "{err}");
    let sent: Value = serde_json::from_str(&out).expect("JSON");
    let total = |field: &str| {
        ["traces", "logs", "metrics"].iter().map(|s| sent["signals"][s][field].as_u64().expect("a count")).sum::<u64>()
    };
    assert_eq!(total("records"), total("acknowledged") + 3);
    assert_eq!((total("rejected"), total("waits")), (3, 1));
    assert_eq!(total("requests"), fake.asked().len() as u64 - 1);
    assert_eq!(sent["warning"], "old");
    assert!(
        fake.asked()
            .iter()
            .all(|(method, path, key, _)| { *method == Method::POST && path.starts_with("/v1/") && key == "Bearer k" })
    );
}

#[test]
fn demo_stops_at_an_error_that_waiting_does_not_mend() {
    // google.rpc.Status { message: "no such key" }
    let status = String::from_utf8([&[0x12, 11][..], b"no such key"].concat()).expect("utf-8");
    let fake = Fake::answering_text(&[(401, status)]);
    let (code, _, err) = run(None, &["demo", "--backfill", "7d", "--otlp-url", &fake.url, "--key", "wrong"]);
    assert_eq!(code, 1);
    assert!(err.contains("answered 401: no such key"), "{err}");
    assert!(fake.asked().len() <= 4, "no more than one request a sender");
}

#[test]
fn demo_does_not_wait_for_hours() {
    let fake = Fake::answering_text(&[(429, String::new())]);
    let (code, _, err) = run(None, &["demo", "--backfill", "1h", "--otlp-url", &fake.url, "--key", "k"]);
    assert_eq!(code, 1);
    assert!(err.contains("answered 429 and wants to be left alone for 7200 s more"), "{err}");
}

#[test]
fn demo_says_before_it_starts_that_a_part_is_too_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("utf-8");
    let credentials = json!({
        "project": "p", "ingest_key": "i", "read_key": "r", "admin_key": "a", "otlp_url": "http://o", "api_url": "http://a",
    });
    std::fs::write(folder.path().join("credentials.json"), credentials.to_string()).expect("written");
    let project = json!({ "settings": { "retention_days_logs_and_spans": 1, "retention_days_metrics": 30 } });
    let fake = Fake::answering_text(&[(200, project.to_string()), (200, String::new())]);
    let demo = ["demo", "--backfill", "2d", "--spans-per-day", "100", "--data", data];
    let (code, _, err) = run(None, &[&demo[..], &["--url", &fake.url, "--otlp-url", &fake.url]].concat());
    assert_eq!(code, 0, "{err}");
    assert_eq!((fake.asked()[0].1.as_str(), fake.asked()[0].2.as_str()), ("/api/v1/projects/p", "Bearer a"));
    assert!(err.contains("(logs and spans 1d)") && !err.contains("metrics 30d"), "{err}");
}

#[test]
fn the_server_s_word_on_the_time_of_a_query_becomes_the_option_s() {
    let error = json!({ "error": {
        "code": "bad_request", "message": "`timeout_ms` is 86313600000; it may be from 1 to 60000", "hint": null, "request_id": "r",
    }});
    let (code, _, err) = Fake::answering(&[(400, error)]).run(&["query", "SELECT 1", "--timeout", "999d"]);
    assert_eq!((code, err.as_str()), (1, "error: `--timeout` in ms is 86313600000; it may be from 1 to 60000\n"));
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    for args in [
        &["plimsoll", "query"][..],
        &["plimsoll", "query", "SELECT 1", "--json", "--csv"],
        &["plimsoll", "demo", "--backfill", "7"],
        &["plimsoll", "demo", "--backfill", "7d", "--rate", "5"],
        &["plimsoll", "key", "create", "--scope", "everything"],
        &["plimsoll", "status", "--unknown"],
        &["plimsoll", "status", "--url", "127.0.0.1:4319"],
        &["plimsoll", "demo", "--rate", "1e9"],
        &["plimsoll", "demo", "--rate", "NaN"],
        &["plimsoll", "demo", "--backfill", "1h", "--spans-per-day", "1e12"],
        &["plimsoll", "demo", "--backfill", "91d"],
    ] {
        assert_eq!(Cli::try_parse_from(args).map(|_| ()).map_err(|error| error.exit_code()), Err(2), "{args:?}");
    }
    assert!(matches!(Cli::try_parse_from(["plimsoll", "--help"]), Err(error) if error.exit_code() == 0));
}

#[test]
fn settings_are_changed_only_where_they_are_given() {
    let project = json!({ "id": "shop", "name": "Shop", "settings": { "retention_days_metrics": 3 } });
    let fake = Fake::answering(&[(200, project)]);
    let (code, out, _) = fake.run(&["project", "settings", "shop"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "id                      shop\nname                    Shop\nretention days metrics  3\n")
    );
    fake.run(&["project", "settings", "shop", "--retention-days-metrics", "3", "--name", "S"]);
    let asked = fake.asked();
    assert_eq!((&asked[0].0, asked[0].1.as_str()), (&Method::GET, "/api/v1/projects/shop"));
    assert_eq!(asked[1].0, Method::PATCH);
    let body: Value = serde_json::from_slice(&asked[1].3).expect("JSON");
    assert_eq!(body, json!({ "settings": { "retention_days_metrics": 3 }, "name": "S" }));
}

#[test]
fn a_new_key_is_printed_alone_so_that_a_script_can_take_it() {
    let fake = Fake::answering(&[(201, json!({ "key": { "id": "1" }, "secret": "pl_i_secret" })), (200, json!({}))]);
    let (code, out, _) = fake.run(&["key", "create", "--scope", "ingest,read", "--project", "shop", "--name", "n"]);
    assert_eq!((code, out.as_str()), (0, "pl_i_secret\n"));
    let asked = fake.asked().remove(0);
    assert_eq!(asked.1, "/api/v1/projects/shop/keys");
    let body: Value = serde_json::from_slice(&asked.3).expect("JSON");
    assert_eq!(body, json!({ "name": "n", "scopes": ["ingest", "read"], "reach": "project" }));
    assert_eq!(fake.run(&["key", "revoke", "1"]).0, 0);
    assert_eq!((&fake.asked()[1].0, fake.asked()[1].1.as_str()), (&Method::DELETE, "/api/v1/keys/1"));
}
