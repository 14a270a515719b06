//! What every [`QueryRunner`] promises. What SQL means is not its business: that is tested at the query function's door.

use std::sync::Arc;

use doors::{QueryRunError, QueryRunner, Question};
use futures::future::BoxFuture;
use model::ProjectId;
use serde_json::{Value, json};

/// A runner, and a project whose tables it reaches.
pub struct World {
    pub runner: Arc<dyn QueryRunner>,
    pub project: ProjectId,
}

pub type Case = fn(World) -> BoxFuture<'static, ()>;

pub const CASES: &[(&str, Case)] = &[
    ("rows come with their types, and with what they took", |w| Box::pin(rows(w))),
    ("parameters are values, by place and by name", |w| Box::pin(parameters(w))),
    ("more rows than asked for are left out, and that is said", |w| Box::pin(truncated(w))),
    ("a refusal has a code, words and advice, and stays", |w| Box::pin(refused(w))),
    ("a query ends when its time is over", |w| Box::pin(in_time(w))),
    ("a question that cannot be carried is refused", |w| Box::pin(too_large(w))),
];

async fn rows(world: World) {
    let sql = "SELECT 1 AS n, 'ü\n' AS t, 9007199254740993 AS big, 0.5::double AS d, NULL AS nothing, \
               TIMESTAMP '2026-11-20T00:00:00Z' AS at";
    let answer = world.runner.run(&world.ask(sql)).await.expect("answered");
    let columns: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["n", "t", "big", "d", "nothing", "at"]);
    assert_eq!(answer.columns[0].kind, "bigint");
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(answer.rows[0][..5], [json!(1), json!("ü\n"), json!("9007199254740993"), json!(0.5), Value::Null]);
    assert!(answer.rows[0][5].as_str().is_some_and(|at| at.starts_with("2026-11-20T00:00:00")), "{:?}", answer.rows);
    assert_eq!((answer.statistics.rows, answer.truncated, answer.warnings.len()), (1, None, 0));
}

async fn parameters(world: World) {
    for (sql, params) in [
        ("SELECT $1::bigint + $2::bigint", json!([40, 2])),
        ("SELECT $a::bigint + $b::bigint", json!({ "a": 40, "b": 2 })),
    ] {
        let question = Question { params: Some(params), ..world.ask(sql) };
        assert_eq!(world.runner.run(&question).await.expect("answered").rows, [[json!(42)]]);
    }
}

async fn truncated(world: World) {
    let question = Question { limit: Some(2), ..world.ask("SELECT value FROM generate_series(1, 5)") };
    let answer = world.runner.run(&question).await.expect("answered");
    assert_eq!(answer.rows.len(), 2);
    let truncated = answer.truncated.expect("said");
    assert!(truncated.limit == 2 && !truncated.advice.is_empty(), "{truncated:?}");
}

async fn refused(world: World) {
    let cases = [
        ("SELEC 1", "sql_syntax"),
        ("SELECT nothing_of_this_name", "unknown_column"),
        ("DROP TABLE otel_metrics", "read_only"),
    ];
    for (sql, code) in cases {
        let error = world.runner.run(&world.ask(sql)).await.expect_err(sql);
        assert!(!error.is_retryable(), "{error}");
        let QueryRunError::Refused(refusal) = error else { panic!("{sql}: {error}") };
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(!refusal.message.is_empty());
    }
}

async fn in_time(world: World) {
    let sql = "SELECT count(*) FROM generate_series(1, 10000000) AS a(x), generate_series(1, 10000000) AS b(y)";
    let question = Question { timeout_ms: Some(50), ..world.ask(sql) };
    let error = world.runner.run(&question).await.expect_err("too long");
    assert!(!error.is_retryable(), "{error}");
    assert!(matches!(&error, QueryRunError::Refused(refusal) if refusal.code == "query_timeout"), "{error:?}");
}

async fn too_large(world: World) {
    let sql = format!("SELECT '{}'", "x".repeat(doors::PAYLOAD_BYTES_MAX));
    let error = world.runner.run(&world.ask(&sql)).await.expect_err("too large");
    assert!(!error.is_retryable(), "{error}");
}

impl World {
    fn ask(&self, sql: &str) -> Question {
        let project = self.project.clone();
        Question { project, sql: sql.to_owned(), params: None, limit: None, timeout_ms: None }
    }
}
