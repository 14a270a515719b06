//! `POST /api/v1/query`: what is answered, in which form, and what is refused.

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use arrow::ipc::reader::StreamReader;
use model::{Scope, TableId, TableName};
use serde_json::{Value, json};
use tests::tables::{NOW, Tables, at, batch};

use super::{Client, shop};

async fn with_rows(n: usize) -> (Tables, Client) {
    let tables = Tables::with(|settings| settings.bytes_scanned_max = 5_000_000);
    let id = TableId::new(shop(), TableName::LogsAndSpans);
    let row = |i: usize| {
        json!({
            "timestamp": at(NOW - 1_000_000 + i as i64),
            "signal": "log",
            "id": format!("{i:06}"),
            "body": format!("said \"{i}\", ümlaut"),
            "duration": if i == 0 { (1_i64 << 53) + 1 } else { i as i64 },
            "hashes": ["a", "b"],
        })
    };
    let rows: Vec<Value> = (0..n).map(row).collect();
    tables.live(&id, &batch(&shop(), id.table, &rows)).await;
    let client = Client::reading(&tables, &shop()).await;
    (tables, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn json_says_columns_rows_and_what_it_took() {
    let (_tables, client) = with_rows(3).await;
    let sql = "SELECT id, timestamp, duration, 1.5 AS half, 'NaN'::float AS nan, hashes, body, NULL AS nothing, date, true AS yes, \
               id AS id FROM otel_logs_and_spans WHERE id >= $from ORDER BY id";
    let answer = client.query(&json!({"sql": sql, "params": {"from": "000000"}, "limit": 2}), "*/*").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let answer = answer.ok();
    let kinds: Vec<&str> =
        answer["columns"].as_array().expect("a list").iter().map(|c| c["type"].as_str().expect("text")).collect();
    assert_eq!(
        kinds,
        [
            "text",
            "timestamptz",
            "bigint",
            "double precision",
            "double precision",
            "text[]",
            "text",
            "unknown",
            "date",
            "boolean",
            "text"
        ]
    );
    assert_eq!(answer["columns"][0]["name"], "id");
    assert_eq!(
        answer["rows"][0],
        json!([
            "000000",
            "2026-11-20T01:59:59.000000Z",
            "9007199254740993",
            1.5,
            "NaN",
            ["a", "b"],
            "said \"0\", ümlaut",
            null,
            "2026-11-20",
            true,
            "000000"
        ])
    );
    assert_eq!(answer["rows"].as_array().expect("a list").len(), 2);
    assert_eq!(answer["truncated"]["limit"], 2);
    assert!(answer["truncated"]["advice"].as_str().expect("advice").contains("limit"));
    assert_eq!(answer["warnings"], json!([]));
    let statistics = &answer["statistics"];
    assert_eq!((&statistics["rows"], &statistics["live_segments_read"]), (&json!(2), &json!(1)));
    for name in [
        "files_considered",
        "files_opened",
        "row_groups_considered",
        "row_groups_opened",
        "bytes_scanned",
        "snapshot_version",
        "planning_ms",
        "total_ms",
    ] {
        assert!(!statistics[name].is_null(), "{name}: {statistics}");
    }
    let whole = client.query(&json!({"sql": "SELECT $1::int + $2", "params": [1, 2]}), "application/json").await.ok();
    assert_eq!((&whole["rows"], &whole["truncated"]), (&json!([[3]]), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_streamed_as_ndjson_csv_and_arrow() {
    let (_tables, client) = with_rows(3).await;
    let request = json!({"sql": "SELECT id, body, duration, status_message, duration AS duration FROM otel_logs_and_spans ORDER BY id", "limit": 2});

    let reply = client.query(&request, "application/x-ndjson").await;
    assert_eq!(reply.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = reply.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["id"], "000001");
    assert_eq!((&lines[1]["duration"], lines[1].as_object().expect("an object").len()), (&json!(1), 5));
    // Short answers say at the head what long ones say in trailers.
    let truncated: Value = serde_json::from_slice(reply.headers["plimsoll-truncated"].as_bytes()).expect("JSON");
    let statistics: Value = serde_json::from_slice(reply.headers["plimsoll-statistics"].as_bytes()).expect("JSON");
    assert_eq!((&truncated["limit"], &statistics["rows"]), (&json!(2), &json!(2)));

    let reply = client.query(&request, "text/csv").await;
    let text = reply.text();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines[1], "000000,\"said \"\"0\"\", ümlaut\",9007199254740993,,9007199254740993");
    assert!(lines[0].starts_with("id,body,duration,status_message,"), "{text}");

    let reply = client.query(&request, "application/vnd.apache.arrow.stream").await;
    let mut stream = StreamReader::try_new(reply.body.as_slice(), None).expect("an Arrow stream");
    assert_eq!(stream.schema().field(0).data_type(), &DataType::Utf8);
    let rows = stream.next().expect("a batch").expect("reads");
    assert_eq!(rows.column(1).as_string::<i32>().value(1), "said \"1\", ümlaut");
    assert_eq!(rows.column(2).as_primitive::<Int64Type>().value(0), (1 << 53) + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_say_in_trailers_what_is_known_only_at_the_end() {
    let (_tables, client) = with_rows(20_000).await;
    let request =
        json!({"sql": "SELECT id, body, body || body AS twice FROM otel_logs_and_spans ORDER BY id", "limit": 15_000});
    for (accept, first) in [("application/x-ndjson", "{\"id\":\"000000\""), ("text/csv", "id,body,twice")] {
        let reply = client.query(&request, accept).await;
        assert!(reply.text().starts_with(first));
        assert!(reply.headers.get("plimsoll-statistics").is_none());
        let statistics: Value = serde_json::from_slice(reply.trailers["plimsoll-statistics"].as_bytes()).expect("JSON");
        assert_eq!((&statistics["rows"], reply.trailers.contains_key("plimsoll-truncated")), (&json!(15_000), true));
    }
    let reply = client.query(&request, "application/vnd.apache.arrow.stream").await;
    let stream = StreamReader::try_new(reply.body.as_slice(), None).expect("an Arrow stream");
    assert_eq!(stream.map(|batch| batch.expect("reads").num_rows()).sum::<usize>(), 15_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said() {
    let (tables, client) = with_rows(3).await;
    let json_type = ("content-type", "application/json");
    for (body, status, code, words) in [
        ("{\"sql\": \"SELECT 1\", \"lmit\": 3}", 400, "bad_request", "lmit"),
        ("{\"limit\": 3}", 400, "bad_request", "sql"),
        ("{\"sql\": \"SELECT 1\", \"limit\": -3}", 400, "bad_request", ""),
        ("{\"sql\": \"SELECT 1\", \"limit\": 100001}", 400, "bad_request", "`limit`"),
        ("{\"sql\": \"SELECT 1\", \"timeout_ms\": 0}", 400, "bad_request", "`timeout_ms`"),
        ("{\"sql\": \"SELECT $1\"}", 400, "bad_request", "$1"),
        ("{\"sql\": \"SELECT $1\", \"params\": 3}", 400, "bad_request", "params"),
        ("{\"sql\": \"SELECT $1\", \"params\": [{\"a\": 1}]}", 400, "bad_request", "$1"),
        ("{\"sql\": \"SELECT 1; SELECT 2\"}", 400, "bad_request", "2 statements"),
        ("{\"sql\": \"\"}", 400, "bad_request", "no SQL"),
        ("{\"sql\": \"SELEC\"}", 400, "sql_syntax", "SELEC"),
        ("{\"sql\": \"SELECT nme FROM otel_logs_and_spans\"}", 400, "unknown_column", "nme"),
        ("{\"sql\": \"DROP TABLE otel_metrics\"}", 400, "read_only", "DROP TABLE"),
        ("{\"sql\": \"SELECT 1/0\"}", 400, "sql_semantic", "division by zero"),
        (
            "{\"sql\": \"SELECT sum(a.value * b.value) FROM generate_series(1, 100000000) a CROSS JOIN generate_series(1, 1000000) b\", \"timeout_ms\": 50}",
            422,
            "query_timeout",
            "50 ms",
        ),
        ("{", 400, "bad_request", "JSON"),
    ] {
        let reply = client.send("POST", "/api/v1/query", &[json_type], body).await;
        assert_eq!(reply.error(), (status, code.to_owned()), "{body}: {}", reply.text());
        assert!(reply.json()["error"]["message"].as_str().expect("words").contains(words), "{}", reply.text());
        assert!(!reply.json()["error"]["request_id"].as_str().expect("an id").is_empty());
    }
    let reply = client
        .send("POST", "/api/v1/query", &[json_type], "{\"sql\": \"SELECT\\n  nme FROM otel_logs_and_spans\"}")
        .await;
    assert_eq!(reply.json()["error"]["position"], json!({"line": 2, "column": 3}));
    assert!(reply.json()["error"]["hint"].as_str().expect("a hint").contains("name"));

    let sql = json!({"sql": "SELECT 1"});
    assert_eq!(client.query(&sql, "image/png").await.error(), (415, "unsupported_media_type".into()));
    let reply = client.send("POST", "/api/v1/query", &[("content-type", "text/plain")], "SELECT 1").await;
    assert_eq!(reply.error(), (415, "unsupported_media_type".into()));
    let reply = client.send("POST", "/api/v1/query", &[json_type], &" ".repeat(2 << 20)).await;
    assert_eq!(reply.error(), (413, "payload_too_large".into()));
    assert_eq!(client.get("/api/v1/query").await.error(), (405, "method_not_allowed".into()));
    assert_eq!(client.get("/api/v1/nothing").await.error(), (404, "not_found".into()));

    // Errors before the first row have their status, streamed or not.
    let wrong = json!({"sql": "SELECT id::bigint / 0 FROM otel_logs_and_spans"});
    for accept in ["application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"] {
        assert_eq!(client.query(&wrong, accept).await.error(), (400, "sql_semantic".into()), "{accept}");
    }

    let paths = [
        "/api/v1/logs",
        "/api/v1/traces",
        "/api/v1/metrics",
        "/api/v1/schema",
        "/api/v1/traces/00000000000000000000000000000001",
    ];
    let ingesting = Client { key: tables.key(&shop(), &[Scope::Ingest]).await, routes: tables.router() };
    let stranger = Client { key: "plim_nobody".into(), routes: tables.router() };
    for path in paths {
        assert_eq!(ingesting.get(path).await.error(), (403, "forbidden".into()), "{path}");
        assert_eq!(stranger.get(path).await.error(), (401, "unauthorized".into()), "{path}");
    }
    assert_eq!(ingesting.query(&sql, "*/*").await.error(), (403, "forbidden".into()));
    assert_eq!(stranger.query(&sql, "*/*").await.error(), (401, "unauthorized".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_is_described() {
    let (_tables, client) = with_rows(1).await;
    let described = serde_json::to_value(query::openapi()).expect("serialises");
    let paths = described["paths"].as_object().expect("paths");
    let expected = [
        "/api/v1/query",
        "/api/v1/logs",
        "/api/v1/traces",
        "/api/v1/traces/{trace_id}",
        "/api/v1/metrics",
        "/api/v1/schema",
    ];
    assert_eq!(paths.len(), expected.len());
    for path in expected {
        for (method, operation) in paths[path].as_object().expect("operations") {
            assert!(operation["responses"]["200"].is_object(), "{method} {path}");
            let reply = client.send(&method.to_uppercase(), &path.replace("{trace_id}", "x"), &[], "").await;
            assert_ne!(reply.status.as_u16(), 404, "{path}");
            assert_ne!(reply.status.as_u16(), 405, "{path}");
        }
    }
    let parameters = paths["/api/v1/logs"]["get"]["parameters"].as_array().expect("parameters");
    let names: Vec<&str> = parameters.iter().map(|p| p["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["start", "end", "service", "level", "q", "trace_id", "limit", "cursor"]);
    for schema in [
        "QueryRequest",
        "QueryAnswer",
        "Statistics",
        "LogsAnswer",
        "TracesAnswer",
        "TraceAnswer",
        "MetricsAnswer",
        "SchemaAnswer",
        "ErrorAnswer",
    ] {
        assert!(described["components"]["schemas"][schema].is_object(), "{schema}");
    }
}
