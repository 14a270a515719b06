//! `query`: requests behind an HTTP API and behind a function URL, and questions of other functions.

use std::time::Duration;

use model::Scope;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use query::Delivery;
use query::cloud::{Edge, Queries};
use serde_json::{Value, json};
use tests::tables::{Tables, project};
use url::Url;

use super::{body_of, call, create, http, invoke, invoke_streamed, land, sample, shop};

const CALL: Duration = Duration::from_secs(60);
/// What Lambda takes as the answer of one call.
const LAMBDA_BYTES_MAX: usize = 6 << 20;

fn behind(edge: Edge, tables: &Tables) -> Queries {
    Queries::new(tables.app.clone(), &[], edge)
}

async fn with(delivery: Delivery, rows: i64) -> (Tables, String) {
    let tables = Tables::with(|settings| settings.delivery = delivery);
    create(&tables, &shop()).await;
    land(&tables, &shop(), rows).await;
    let key = tables.key(&shop(), &[Scope::Read]).await;
    (tables, key)
}

const ONE_PIECE: Delivery = Delivery::OnePiece { bytes_max: 6_000_000 };

#[tokio::test(flavor = "multi_thread")]
async fn requests_behind_an_http_api_are_answered_in_one_piece_or_linked() {
    let (tables, key) = with(ONE_PIECE, 8_000).await;
    let function = behind(Edge::HttpApi, &tables);
    let ask = async |event: Value| invoke(&function, event, &call(&tables, CALL)).await;

    let counted = body_of(&ask(http("query/http-api-query.json", &key, None)).await, 200);
    assert_eq!(counted["rows"], json!([[8_000]]));
    for limit in [5_000, 7_000] {
        let request = json!({"sql": "SELECT id, body FROM otel_logs_and_spans", "limit": limit});
        let answer = ask(http("query/http-api-query.json", &key, Some(request))).await;
        assert!(answer.to_string().len() < LAMBDA_BYTES_MAX, "{limit}");
        let is_linked = answer["headers"]["plimsoll-result"] == "linked";
        assert_eq!(is_linked, limit == 7_000, "about 6.9 MB");
        let body = body_of(&answer, 200);
        if is_linked {
            let url = Url::parse(body["result"]["url"].as_str().expect("a link")).expect("a URL");
            let key = Path::from(url.path().trim_start_matches('/'));
            let object = tables.store.get(&key).await.expect("it is there").bytes().await.expect("read");
            let whole: Value = serde_json::from_slice(&object).expect("JSON");
            assert_eq!(whole["rows"].as_array().map(Vec::len), Some(limit));
        } else {
            assert_eq!(body["rows"].as_array().map(Vec::len), Some(limit));
        }
    }
    for name in ["http-api-logs", "http-api-trace"] {
        let answer = ask(http(&format!("query/{name}.json"), &key, None)).await;
        assert!(answer["statusCode"] == 200 || answer["statusCode"] == 404, "{name}: {answer}");
    }
    let stranger = ask(http("query/http-api-query.json", "pl_r_nobody", None)).await;
    assert_eq!(body_of(&stranger, 401)["error"]["code"], "unauthorized");
}

/// Makes millions of batches of one that came in, without a pause of its own.
const ENDLESS: &str = "SELECT count(*)::text FROM generate_series(1, 4000000) a, generate_series(1, 4000000) b";

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_long_for_its_edge_says_so() {
    let (tables, key) = with(ONE_PIECE, 1).await;
    let request = json!({"sql": ENDLESS, "timeout_ms": 20_000});
    let event = http("query/http-api-query.json", &key, Some(request));
    let answer = invoke(&behind(Edge::HttpApi, &tables), event, &call(&tables, Duration::from_millis(2_200))).await;
    let error = body_of(&answer, 422)["error"].clone();
    assert_eq!(error["code"], "query_timeout");
    assert!(error["message"].as_str().expect("words").contains("200 ms that were left"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_function_url_a_query_out_of_time_is_refused_before_its_first_row_and_cut_after_it() {
    let (tables, key) = with(Delivery::Streamed, 1).await;
    let function = behind(Edge::FunctionUrl, &tables);
    let rows = "SELECT repeat('x', 1000) FROM generate_series(1, 1000)";
    for (sql, is_cut) in [(ENDLESS.to_owned(), false), (format!("{rows} UNION ALL {ENDLESS}"), true)] {
        let request = json!({"sql": sql, "timeout_ms": 1_500});
        let event = http("query/function-url-query-ndjson.json", &key, Some(request));
        let (status, _, body, broke_off) = invoke_streamed(&function, event, &call(&tables, CALL)).await;
        let text = String::from_utf8(body).expect("text");
        let end = text.trim_end().lines().last().unwrap_or_default();
        assert_eq!((status, broke_off), (if is_cut { 200 } else { 422 }, false), "{end}");
        assert!(end.contains("longer than 1500 ms"), "{end}");
        assert_eq!(end.starts_with("{\"broken_off\":"), is_cut, "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_url_streams_what_no_single_answer_could_hold() {
    let (tables, key) = with(Delivery::Streamed, 8_000).await;
    let function = behind(Edge::FunctionUrl, &tables);
    let request = json!({"sql": "SELECT id, body FROM otel_logs_and_spans ORDER BY id", "end_line": true});
    let event = http("query/function-url-query-ndjson.json", &key, Some(request));
    let (status, headers, body, broke_off) = invoke_streamed(&function, event, &call(&tables, CALL)).await;
    assert_eq!((status, broke_off), (200, false));
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert!(!headers.contains_key("trailer"), "a function URL has none");
    assert!(body.len() > LAMBDA_BYTES_MAX, "{}", body.len());
    let text = String::from_utf8(body).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines.len(), &lines[7_999]["id"]), (8_001, &json!("007999")));
    assert_eq!(lines[8_000]["end"]["statistics"]["rows"], 8_000);

    let request = json!({"sql": "SELECT no_such FROM otel_metrics"});
    let event = http("query/function-url-query-ndjson.json", &key, Some(request));
    let (status, _, body, broke_off) = invoke_streamed(&function, event, &call(&tables, CALL)).await;
    assert_eq!((status, broke_off), (400, false));
    assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON")["error"]["code"], "unknown_column");
}

fn question(project: &str, sql: &str) -> Value {
    json!({"v": 1, "query": {"project": project, "sql": sql}})
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_of_other_functions_are_answered_without_http() {
    let (tables, _) = with(ONE_PIECE, 3).await;
    let function = behind(Edge::HttpApi, &tables);
    let ask = async |event: Value, time: Duration| invoke(&function, event, &call(&tables, time)).await;

    let answer = ask(sample("query/direct.json"), CALL).await;
    assert_eq!((&answer["v"], &answer["ok"]["rows"]), (&json!(1), &json!([[3]])));
    assert_eq!(answer["ok"]["columns"], json!([{"name": "n", "type": "bigint"}]));
    assert!(answer["error"].is_null() && answer["ok"]["statistics"]["total_ms"].is_number(), "{answer}");

    let mut dated = question("shop", "SELECT 1");
    dated["query"]["timeout_ms"] = json!(0);
    for (event, time, code, words) in [
        (question("shop", "SELEC"), CALL, "sql_syntax", "SELEC"),
        (question("shop", "DROP TABLE otel_metrics"), CALL, "read_only", "only read"),
        (question("shop", ENDLESS), Duration::from_millis(2_200), "query_timeout", "were left"),
        (
            question("shop", "SELECT repeat('x', 1000) FROM generate_series(1, 7000)"),
            CALL,
            "result_too_large",
            "carried",
        ),
        (dated, CALL, "bad_request", "timeout_ms"),
    ] {
        let answer = ask(event.clone(), time).await;
        assert_eq!((&answer["v"], &answer["error"]["code"]), (&json!(1), &json!(code)), "{event}");
        let message = answer["error"]["message"].as_str().expect("words");
        assert!(message.contains(words) && answer["ok"].is_null(), "{answer}");
    }
    for wrong in [json!({"v": 1}), question("../shop", "SELECT 1"), json!({"act": "sweep"})] {
        assert!(serde_json::from_value::<lambda::Event<doors::Asked>>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_for_one_project_sees_that_project_only() {
    let (tables, _) = with(ONE_PIECE, 3).await;
    let stock = project("stock");
    create(&tables, &stock).await;
    land(&tables, &stock, 5).await;
    let function = behind(Edge::HttpApi, &tables);
    for (name, rows) in [("shop", 3), ("stock", 5), ("nobody", 0)] {
        let all = question(name, "SELECT body FROM otel_logs_and_spans");
        let answer = invoke(&function, all, &call(&tables, CALL)).await;
        let found = answer["ok"]["rows"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        assert_eq!(found.len(), rows, "{name}");
        assert!(found.iter().all(|row| row[0].as_str().expect("text").starts_with(name)), "{name}");
        let reach = question(name, "SELECT * FROM plimsoll.stock.otel_logs_and_spans");
        let answer = invoke(&function, reach, &call(&tables, CALL)).await;
        assert_eq!(answer["error"]["code"], "sql_semantic", "{answer}");
    }
}
