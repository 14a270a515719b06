//! A project sees its own rows and nothing else, whatever the SQL, the path or the parameter says.

use model::{ProjectId, Scope, TableId, TableName};
use query::{Params, QueryError};
use serde_json::{Value, json};
use tests::tables::{NOW, Tables, at, batch, project};
use tower::ServiceExt;

/// What only the other project has: it may appear in no answer and in no error.
const SECRET: &str = "the-others-secret";

async fn two_projects() -> (Tables, ProjectId, ProjectId) {
    let tables = Tables::new();
    let (mine, theirs) = (project("mine"), project("theirs"));
    for (of, body) in [(&mine, "my own"), (&theirs, SECRET)] {
        for table in TableName::ALL {
            let id = TableId::new(of.clone(), table);
            let row = |n: i64| match table {
                TableName::LogsAndSpans => json!({
                    "timestamp": at(NOW - n), "signal": "log", "kind": "log", "id": format!("{body} {n}"), "body": body,
                    "context___trace_id": format!("{:032x}", if of == &theirs { 2 } else { 1 }),
                    "attributes": json!({ "said": body }).to_string(), "resource___service___name": body,
                }),
                TableName::Metrics => {
                    json!({"timestamp": at(NOW - n), "metric_name": body, "value": 1.0, "series_id": body})
                }
            };
            tables.files(&id, &batch(of, table, &[row(1), row(2)])).await;
            tables.live(&id, &batch(of, table, &[row(3)])).await;
        }
    }
    (tables, mine, theirs)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sql_reaches_another_project() {
    let (tables, mine, theirs) = two_projects().await;
    let file = {
        let log = tables.log(&TableId::new(theirs.clone(), TableName::LogsAndSpans)).await;
        log.snapshot().await.expect("a snapshot").expect("created").files[0].path.clone()
    };
    let ledger = tables.ledger.read(&TableId::new(theirs.clone(), TableName::LogsAndSpans)).await.expect("read");
    let segment = &ledger.live[0].key;
    let attempts = [
        // Filters that another system would rely on.
        "SELECT * FROM otel_logs_and_spans WHERE project_id = 'theirs'".to_owned(),
        "SELECT * FROM otel_logs_and_spans WHERE project_id = 'theirs' OR 1 = 1".to_owned(),
        "SELECT * FROM otel_logs_and_spans UNION ALL SELECT * FROM otel_logs_and_spans WHERE project_id <> 'mine'"
            .to_owned(),
        "SELECT a.* FROM otel_logs_and_spans a FULL JOIN otel_logs_and_spans b ON a.project_id <> b.project_id"
            .to_owned(),
        // Other names for tables.
        "SELECT * FROM theirs.otel_logs_and_spans".to_owned(),
        "SELECT * FROM theirs.public.otel_logs_and_spans".to_owned(),
        "SELECT * FROM plimsoll.theirs.otel_logs_and_spans".to_owned(),
        "SELECT * FROM datafusion.public.otel_logs_and_spans".to_owned(),
        "SELECT * FROM \"../theirs/otel_logs_and_spans\"".to_owned(),
        "SELECT * FROM \"theirs/otel_logs_and_spans\"".to_owned(),
        // Files.
        format!("SELECT * FROM '{file}'"),
        format!("SELECT * FROM \"otel_logs_and_spans/{file}\""),
        format!("SELECT * FROM 'theirs/{segment}'"),
        format!("SELECT * FROM 'project://root/../theirs/otel_logs_and_spans/{file}'"),
        format!("SELECT * FROM 'memory:///theirs/otel_logs_and_spans/{file}'"),
        format!("SELECT * FROM read_parquet('memory:///theirs/otel_logs_and_spans/{file}')"),
        format!("SELECT * FROM parquet_scan('theirs/otel_logs_and_spans/{file}')"),
        format!("SELECT * FROM delta_scan('theirs/otel_logs_and_spans/{file}')"),
        "SELECT * FROM read_csv('/etc/passwd')".to_owned(),
        "SELECT * FROM '/etc/passwd'".to_owned(),
        "SELECT * FROM 'file:///etc/passwd'".to_owned(),
        "SELECT * FROM glob('*')".to_owned(),
        "SELECT pg_read_file('/etc/passwd')".to_owned(),
        "SELECT load_extension('x')".to_owned(),
        // Ways to make a table of a file, or to send rows elsewhere.
        format!("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'memory:///theirs/otel_logs_and_spans/{file}'"),
        format!("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'project://root/otel_logs_and_spans/{file}'"),
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'".to_owned(),
        "CREATE UNBOUNDED EXTERNAL TABLE t (a int) STORED AS CSV LOCATION 'file:///etc/passwd'".to_owned(),
        "COPY otel_logs_and_spans TO '/tmp/stolen.csv'".to_owned(),
        "COPY (SELECT * FROM otel_logs_and_spans) TO 'project://root/x.parquet' STORED AS PARQUET".to_owned(),
        "EXPLAIN COPY otel_logs_and_spans TO '/tmp/stolen.csv'".to_owned(),
        "EXPLAIN ANALYZE INSERT INTO otel_logs_and_spans SELECT * FROM otel_logs_and_spans".to_owned(),
        "INSERT INTO otel_metrics SELECT * FROM otel_metrics".to_owned(),
        "CREATE TABLE t AS SELECT * FROM otel_logs_and_spans".to_owned(),
        "CREATE VIEW v AS SELECT * FROM otel_logs_and_spans".to_owned(),
        "CREATE OR REPLACE TABLE otel_logs_and_spans AS SELECT 1".to_owned(),
        "CREATE DATABASE theirs".to_owned(),
        "CREATE SCHEMA theirs".to_owned(),
        "CREATE FUNCTION f(DOUBLE) RETURNS DOUBLE RETURN $1".to_owned(),
        "DROP TABLE otel_logs_and_spans".to_owned(),
        "ALTER TABLE otel_logs_and_spans ADD COLUMN x INT".to_owned(),
        "TRUNCATE TABLE otel_logs_and_spans".to_owned(),
        "UPDATE otel_logs_and_spans SET body = 'x'".to_owned(),
        "DELETE FROM otel_logs_and_spans".to_owned(),
        "MERGE INTO otel_logs_and_spans t USING otel_logs_and_spans s ON t.id = s.id WHEN MATCHED THEN DELETE"
            .to_owned(),
        "SET datafusion.catalog.location = '/'".to_owned(),
        "SET datafusion.runtime.temp_directory = '/etc'".to_owned(),
        "RESET datafusion.execution.batch_size".to_owned(),
        "PREPARE p AS SELECT * FROM otel_logs_and_spans".to_owned(),
        "EXECUTE p".to_owned(),
        "DEALLOCATE p".to_owned(),
        "START TRANSACTION".to_owned(),
        "COMMIT".to_owned(),
        "USE theirs".to_owned(),
        "ATTACH 'theirs' AS t".to_owned(),
        "GRANT ALL ON otel_logs_and_spans TO theirs".to_owned(),
        "VACUUM".to_owned(),
        "LISTEN x".to_owned(),
        "SELECT 1; DROP TABLE otel_logs_and_spans".to_owned(),
        "SELECT * INTO t FROM otel_logs_and_spans".to_owned(),
        // What the system says of itself.
        "SHOW TABLES".to_owned(),
        "SHOW ALL".to_owned(),
        "SELECT * FROM information_schema.tables".to_owned(),
        "SELECT * FROM information_schema.columns".to_owned(),
        "SELECT * FROM information_schema.schemata".to_owned(),
        "SELECT * FROM information_schema.views".to_owned(),
        "SELECT * FROM information_schema.df_settings".to_owned(),
        "SELECT * FROM pg_catalog.pg_class".to_owned(),
        "EXPLAIN VERBOSE SELECT * FROM otel_logs_and_spans".to_owned(),
        "EXPLAIN ANALYZE SELECT * FROM otel_logs_and_spans ORDER BY timestamp DESC LIMIT 1".to_owned(),
    ];
    for sql in &attempts {
        let said = match tables.ask(&mine, sql).await {
            Ok(answer) => json!(answer.rows()).to_string(),
            Err(error @ (QueryError::Internal { .. } | QueryError::Unavailable { .. })) => panic!("{sql}: {error:?}"),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains(SECRET) && !said.contains("root:x:0"), "{sql}: {said}");
        // Errors say the names back that they were asked for.
        assert!(!said.contains("theirs/") || sql.contains("theirs/"), "{sql}: {said}");
    }
    for sql in attempts.iter().filter(|sql| sql.starts_with("SELECT * FROM 'the") || sql.contains("TO '/tmp")) {
        assert!(tables.ask(&mine, sql).await.is_err(), "{sql}");
    }
    assert!(!std::path::Path::new("/tmp/stolen.csv").exists());
    // And nothing was changed by any of it.
    let mine_now = tables.rows(&mine, "SELECT count(*), min(body), max(body) FROM otel_logs_and_spans").await;
    assert_eq!(mine_now, [[json!(3), json!("my own"), json!("my own")]]);
    let theirs_now = tables.rows(&theirs, "SELECT count(*), min(body), max(body) FROM otel_logs_and_spans").await;
    assert_eq!(theirs_now, [[json!(3), json!(SECRET), json!(SECRET)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_never_sql() {
    let (tables, mine, _) = two_projects().await;
    for text in [
        "' OR 1 = 1 --",
        "'; DROP TABLE otel_logs_and_spans; --",
        "\\' OR true --",
        "$1",
        "x' UNION SELECT 1 --",
        "\0",
        "''",
    ] {
        for sql in [
            "SELECT count(*) FROM otel_logs_and_spans WHERE body = $1",
            "SELECT count(*) FROM otel_logs_and_spans WHERE body LIKE $1",
        ] {
            let params = Params::from_json(Some(json!([text]))).expect("a parameter");
            let answer = tables.ask_with(&mine, sql, params).await.expect("answered");
            assert_eq!(answer.rows(), [[json!(0)]], "{text}");
        }
        let params = Params::from_json(Some(json!([text]))).expect("a parameter");
        let answer = tables.ask_with(&mine, "SELECT $1", params).await.expect("answered");
        assert_eq!(answer.rows(), [[json!(text)]]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_and_no_parameter_reaches_another_project() {
    let (tables, mine, theirs) = two_projects().await;
    let key = tables.key(&mine, &[Scope::Read]).await;
    let get = async |path: &str, key: &str| -> (u16, String) {
        let request = http::Request::builder().uri(path).header("x-api-key", key).body(axum::body::Body::empty());
        let response = tables.router().oneshot(request.expect("a request")).await.expect("infallible");
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    };
    let cursor_of_theirs = {
        let key = tables.key(&theirs, &[Scope::Read]).await;
        let (status, text) = get("/api/v1/logs?limit=1", &key).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.contains(SECRET));
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["next_cursor"].as_str().expect("there are more").to_owned()
    };
    for path in [
        "/api/v1/logs?start=-1d".to_owned(),
        format!("/api/v1/logs?start=-1d&cursor={cursor_of_theirs}"),
        format!("/api/v1/logs?start=-1d&service={SECRET}"),
        "/api/v1/logs?start=-1d&service=x%27%20OR%201=1%20--".to_owned(),
        "/api/v1/logs?start=-1d&q=%25".to_owned(),
        "/api/v1/logs?start=-1d&q=%27%20OR%20%271%27=%271".to_owned(),
        "/api/v1/traces?start=-1d".to_owned(),
        format!("/api/v1/traces?start=-1d&name={SECRET}"),
        format!("/api/v1/traces/{:032x}", 2),
        "/api/v1/metrics?start=-2d".to_owned(),
        "/api/v1/schema".to_owned(),
    ] {
        let (status, text) = get(&path, &key).await;
        assert!([200, 400, 404].contains(&status), "{path}: {status} {text}");
        assert!(!text.contains(SECRET), "{path}: {text}");
    }
    let (status, text) = get(&format!("/api/v1/traces/{:032x}", 2), &key).await;
    assert_eq!(status, 404, "{text}");
    let (status, text) = get(&format!("/api/v1/traces/{:032x}", 1), &key).await;
    assert_eq!((status, text.contains("my own")), (200, true), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_of_one_project_never_serve_another() {
    let tables = Tables::new();
    // The same names in both projects: what a restored copy of a bucket has.
    let (a, b) = (project("a"), project("b"));
    for (of, body) in [(&a, "of a"), (&b, "of b")] {
        let id = TableId::new(of.clone(), TableName::LogsAndSpans);
        let row = json!({"timestamp": at(NOW), "signal": "log", "id": "1", "body": body, "context___trace_id": "t"});
        tables.files(&id, &batch(of, id.table, &[row])).await;
    }
    for _ in 0..2 {
        for (of, body) in [(&a, "of a"), (&b, "of b")] {
            let rows = tables.rows(of, "SELECT body FROM otel_logs_and_spans WHERE context___trace_id = 't'").await;
            assert_eq!(rows, [[json!(body)]]);
        }
    }
}
