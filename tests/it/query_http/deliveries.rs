//! How answers get to the one who asked: with trailers, streamed without, in one piece or linked; and how one that broke off is
//! told from a whole one.

use std::time::Duration;

use arrow::ipc::reader::StreamReader;
use axum::Extension;
use axum::body::Body;
use clock::Clock;
use http::Request;
use http_body_util::BodyExt;
use model::{ProjectId, Scope, TableId, TableName};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use query::{AnswerBy, Delivery};
use serde_json::{Value, json};
use tests::tables::{NOW, Tables, at, batch, project};
use tower::ServiceExt;
use url::Url;

use super::{Client, Reply, shop};

const ONE_PIECE: Delivery = Delivery::OnePiece { bytes_max: 100_000 };
/// 2,000 rows of about 200 bytes.
const ALL: &str = "SELECT id, timestamp, body FROM otel_logs_and_spans ORDER BY id";
/// Some rows, then an error.
const BREAKS: &str =
    "SELECT value, 1 / (value - 900000) AS broken, repeat('x', 100) AS filler FROM generate_series(1, 1000000)";
const FORMS: [(&str, &str); 4] = [
    ("application/json", "json"),
    ("application/x-ndjson", "ndjson"),
    ("text/csv", "csv"),
    ("application/vnd.apache.arrow.stream", "arrows"),
];

async fn fill(tables: &Tables, project: &ProjectId) {
    let id = TableId::new(project.clone(), TableName::LogsAndSpans);
    let row = |i: i64| {
        json!({
            "timestamp": at(NOW - 10_000_000 + i), "signal": "log", "id": format!("{i:06}"),
            "body": format!("{project} said \"{i}\"{}", "\n".repeat(150)),
        })
    };
    tables.live(&id, &batch(project, id.table, &(0..2_000).map(row).collect::<Vec<_>>())).await;
}

async fn asked_in(delivery: Delivery) -> (Tables, Client) {
    let tables = Tables::with(|settings| settings.delivery = delivery);
    fill(&tables, &shop()).await;
    let client = Client::reading(&tables, &shop()).await;
    (tables, client)
}

/// The object that a link names, without the signature.
fn key_of(url: &str) -> Path {
    Path::from(Url::parse(url).expect("a URL").path().trim_start_matches('/'))
}

fn rows_in(form: &str, bytes: &[u8]) -> usize {
    let lines = || std::str::from_utf8(bytes).expect("text").lines();
    match form {
        "json" => serde_json::from_slice::<Value>(bytes).expect("JSON")["rows"].as_array().expect("a list").len(),
        "ndjson" => lines().filter(|line| serde_json::from_str::<Value>(line).expect("JSON").is_object()).count(),
        // A body has line breaks.
        "csv" => lines().filter(|line| line.contains("said")).count(),
        _ => StreamReader::try_new(bytes, None).expect("a stream").map(|rows| rows.expect("rows").num_rows()).sum(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_for_one_piece_lies_in_the_store_and_is_linked() {
    let (tables, client) = asked_in(ONE_PIECE).await;
    for (accept, ending) in FORMS {
        let reply = client.query(&json!({"sql": ALL, "limit": 1_500}), accept).await;
        assert_eq!(reply.headers["plimsoll-result"], "linked", "{accept}");
        let answer = reply.ok();
        let result = &answer["result"];
        let url = result["url"].as_str().expect("a link");
        let key = key_of(url);
        assert!(key.as_ref().starts_with("shop/results/2026-11-20/"), "{key}");
        assert!(key.as_ref().ends_with(&format!(".{ending}")) && url.ends_with("?lasts=900"), "{url}");
        assert_eq!(result["expires_at"], at(NOW + 900_000_000));
        assert!(result["content_type"].as_str().expect("text").starts_with(accept), "{result}");
        let object = tables.store.get(&key).await.expect("it is there").bytes().await.expect("read");
        assert_eq!((result["bytes"].as_u64(), result["rows"].as_u64()), (Some(object.len() as u64), Some(1_500)));
        assert_eq!(rows_in(ending, &object), 1_500, "{accept}");
        assert_eq!((&answer["truncated"]["limit"], &answer["statistics"]["rows"]), (&json!(1_500), &json!(1_500)));
        assert_eq!(answer["warnings"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fits_is_sent_as_ever() {
    let (tables, client) = asked_in(ONE_PIECE).await;
    for (accept, form) in FORMS {
        let reply = client.query(&json!({"sql": ALL, "limit": 100}), accept).await;
        assert!(!reply.headers.contains_key("plimsoll-result"), "{accept}");
        assert_eq!((reply.status.as_u16(), rows_in(form, &reply.body)), (200, 100), "{accept}");
        assert_eq!(reply.headers.contains_key("plimsoll-statistics"), form != "json", "{accept}");
        assert!(reply.trailers.is_empty());
    }
    let listed = tables.store.list_with_delimiter(Some(&Path::from("shop"))).await.expect("listed");
    assert!(!listed.common_prefixes.iter().any(|folder| folder.as_ref().ends_with("results")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_an_error_and_is_not_linked() {
    let (tables, client) = asked_in(ONE_PIECE).await;
    let reply = client.query(&json!({"sql": BREAKS, "limit": 2_000_000}), "application/x-ndjson").await;
    assert_eq!(reply.error(), (400, "sql_semantic".into()), "{}", reply.text());
    let listed = tables.store.list_with_delimiter(Some(&Path::from("shop/results/2026-11-20"))).await.expect("listed");
    assert!(listed.objects.is_empty(), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_a_project_lie_below_its_own_root() {
    let (tables, _) = asked_in(ONE_PIECE).await;
    let other = project("other");
    fill(&tables, &other).await;
    for (project, name) in [(shop(), "shop"), (other, "other")] {
        let client = Client::reading(&tables, &project).await;
        let answer = client.query(&json!({"sql": ALL}), "application/x-ndjson").await.ok();
        let key = key_of(answer["result"]["url"].as_str().expect("a link"));
        assert!(key.as_ref().starts_with(&format!("{name}/results/")), "{key}");
        let object = tables.store.get(&key).await.expect("there").bytes().await.expect("read");
        let text = std::str::from_utf8(&object).expect("text");
        assert_eq!(text.matches(&format!("{name} said")).count(), 2_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_cut_to_what_fits_and_go_on_where_they_were_cut() {
    let (_tables, client) = asked_in(ONE_PIECE).await;
    let (mut ids, mut path) = (Vec::new(), "/api/v1/logs?start=-1h&limit=1000".to_owned());
    loop {
        let page = client.get(&path).await.ok();
        let logs = page["logs"].as_array().expect("a list");
        assert!((1..500).contains(&logs.len()), "{}", logs.len());
        assert!(serde_json::to_string(&page.to_string()).expect("text").len() <= 100_000, "it fits as it is sent");
        ids.extend(logs.iter().map(|log| log["id"].as_str().expect("an id").to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/logs?start=-1h&limit=1000&cursor={cursor}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..2_000).rev().map(|i| format!("{i:06}")).collect();
    assert_eq!(ids, expected);
}

/// What arrives, and whether it broke off.
async fn received(tables: &Tables, asked: &Value, accept: &str) -> (Vec<u8>, bool) {
    let key = tables.key(&shop(), &[Scope::Read]).await;
    let request =
        Request::builder().method("POST").uri("/api/v1/query").header("x-api-key", key).header("accept", accept);
    let request = request.header("content-type", "application/json").body(Body::from(asked.to_string()));
    let response = tables.router().oneshot(request.expect("a request")).await.expect("infallible");
    assert_eq!(response.status(), 200);
    let (mut body, mut bytes) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend(frame.into_data().unwrap_or_default()),
            Err(_) => return (bytes, true),
        }
    }
    (bytes, false)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_part_of_an_answer_for_the_whole() {
    let tables = Tables::with(|settings| settings.delivery = Delivery::Streamed);
    let request = json!({"sql": BREAKS, "limit": 2_000_000});

    let (ndjson, broke_off) = received(&tables, &request, "application/x-ndjson").await;
    assert!(broke_off);
    let text = String::from_utf8(ndjson).expect("text");
    let last = text.lines().next_back().expect("lines");
    assert!(last.starts_with("{\"broken_off\":\"") && last.contains("division by zero"), "{last}");
    assert!(serde_json::from_str::<Value>(last).is_err(), "no reader takes it for a row");

    let (csv, broke_off) = received(&tables, &request, "text/csv").await;
    assert!(broke_off);
    let text = String::from_utf8(csv).expect("text");
    assert_eq!(text.matches('"').count() % 2, 1, "a quote stays open");

    let (arrow, broke_off) = received(&tables, &request, "application/vnd.apache.arrow.stream").await;
    assert!(broke_off);
    let mut rows = StreamReader::try_new(arrow.as_slice(), None).expect("a head");
    assert!(rows.any(|rows| rows.is_err()), "a reader finds an error at the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_line_says_that_the_answer_is_all_there_if_it_is_asked_for() {
    for delivery in [Delivery::Trailers, Delivery::Streamed, ONE_PIECE] {
        let (_tables, client) = asked_in(delivery).await;
        for limit in [10, 1_900] {
            let request = json!({"sql": ALL, "limit": limit, "end_line": true});
            let reply = client.query(&request, "application/x-ndjson").await;
            if reply.headers.contains_key("plimsoll-result") {
                continue;
            }
            let lines: Vec<Value> =
                reply.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            let end = &lines.last().expect("lines")["end"];
            assert_eq!((lines.len(), &end["statistics"]["rows"]), (limit + 1, &json!(limit)), "{delivery:?}");
            assert_eq!((&end["truncated"]["limit"], &end["warnings"]), (&json!(limit), &json!([])));
            let has_trailers = !reply.trailers.is_empty();
            assert_eq!(has_trailers, delivery == Delivery::Trailers && limit > 1_000, "{delivery:?} {limit}");
        }
        let reply = client.query(&json!({"sql": "SELECT 1 AS n", "end_line": true}), "text/csv").await;
        let text = reply.text();
        let (csv, end) = text.split_at(text.find('{').expect("an end"));
        let end: Value = serde_json::from_str(end).expect("JSON");
        assert_eq!((csv, &end["end"]["statistics"]["rows"]), ("n\r\n1\r\n", &json!(1)), "{delivery:?}");
        for accept in ["application/json", "application/vnd.apache.arrow.stream"] {
            let reply = client.query(&json!({"sql": "SELECT 1", "end_line": true}), accept).await;
            assert_eq!(reply.error(), (400, "bad_request".into()), "{accept}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_stopped_before_its_process_must_have_answered_and_says_so() {
    let (tables, client) = asked_in(Delivery::Trailers).await;
    let by = |left: Duration| Extension(AnswerBy(tables.clock.uptime() + left));
    let endless =
        "SELECT sum(a.value * b.value) FROM generate_series(1, 100000000) a CROSS JOIN generate_series(1, 1000000) b";
    let ask = async |left: Duration, request: Value| -> Reply {
        let client = Client { routes: client.routes.clone().layer(by(left)), key: client.key.clone() };
        client.query(&request, "*/*").await
    };
    let reply = ask(Duration::from_millis(2_100), json!({"sql": endless})).await;
    assert_eq!(reply.error(), (422, "query_timeout".into()));
    assert!(reply.text().contains("100 ms that were left"), "{}", reply.text());
    let reply = ask(Duration::from_secs(60), json!({"sql": endless, "timeout_ms": 50})).await;
    assert!(reply.text().contains("longer than 50 ms") && !reply.text().contains("left"), "{}", reply.text());
    ask(Duration::from_secs(60), json!({"sql": "SELECT 1"})).await.ok();
}
