//! The functions `compact` and `query` as Lambda calls them: events in, answers out, on doors in memory that both share.

mod compactor;
mod queries;

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use futures::StreamExt;
use lambda::{Answer, Call, Function};
use meta::keys::{NewKey, Reach};
use meta::projects::Projects;
use model::{ProjectId, Scope, Segment, TableId, TableName};
use serde_json::{Value, json};
use tests::tables::{NOW, Tables, at, batch, project};

const MINUTE: Duration = Duration::from_secs(60);

fn shop() -> ProjectId {
    project("shop")
}

fn logs_and_spans(project: &ProjectId) -> TableId {
    TableId::new(project.clone(), TableName::LogsAndSpans)
}

/// A project with nothing in it.
async fn create(tables: &Tables, project: &ProjectId) {
    let projects = Projects::new(Arc::clone(&tables.items), tables.clock.clone() as Arc<dyn Clock>);
    projects.create(project, "a project").await.expect("created");
}

/// One live segment of so many log records, each of about a kilobyte, which the sweeper knows of.
async fn land(tables: &Tables, project: &ProjectId, rows: i64) -> Segment {
    let id = logs_and_spans(project);
    let row = |i: i64| {
        let body = format!("{project} said {i}: {}", "words ".repeat(160));
        json!({"timestamp": at(NOW - 10_000_000 + i), "signal": "log", "id": format!("{i:06}"), "body": body})
    };
    let segment = tables.live(&id, &batch(project, id.table, &(0..rows).map(row).collect::<Vec<_>>())).await;
    tables.ledger.put_due(&id).await.expect("due");
    segment
}

/// A sample below `events/`.
fn sample(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(name);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A sample of an HTTP event, sent with this key and body.
fn http(name: &str, key: &str, body: Option<Value>) -> Value {
    let mut event = sample(name);
    let headers = event["headers"].as_object_mut().expect("headers");
    headers.remove("authorization");
    headers.insert("x-api-key".to_owned(), key.into());
    if let Some(body) = body {
        event["body"] = body.to_string().into();
    }
    event
}

async fn admin_key(tables: &Tables) -> String {
    let scopes = vec![Scope::Admin].into();
    let new = NewKey { project: shop(), scopes, reach: Reach::Installation, name: "admin".into() };
    tables.keys.create(new).await.expect("a key").1.reveal().to_owned()
}

/// A call that may take so long.
fn call(tables: &Tables, time: Duration) -> Call {
    let stop_at = tables.clock.now() + i64::try_from(time.as_micros()).expect("short");
    Call { request_id: "c-1".to_owned(), stop_at }
}

/// Calls a function as Lambda does, with an event that it must take; its answer in one piece.
async fn invoke<F: Function>(function: &F, event: Value, call: &Call) -> Value {
    match handled(function, event, call).await {
        Answer::Whole(json) => serde_json::from_str(json.get()).expect("JSON"),
        Answer::Streamed(_) => panic!("the answer is streamed"),
    }
}

/// Status, headers and body of a streamed answer, and whether it broke off.
async fn invoke_streamed<F: Function>(
    function: &F,
    event: Value,
    call: &Call,
) -> (u16, http::HeaderMap, Vec<u8>, bool) {
    let Answer::Streamed(answer) = handled(function, event, call).await else { panic!("not streamed") };
    let (mut pieces, mut bytes) = (answer.stream, Vec::new());
    let prelude = answer.metadata_prelude;
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => bytes.extend(piece),
            Err(_) => return (prelude.status_code.as_u16(), prelude.headers, bytes, true),
        }
    }
    (prelude.status_code.as_u16(), prelude.headers, bytes, false)
}

async fn handled<F: Function>(function: &F, event: Value, call: &Call) -> Answer {
    let shown = event.to_string();
    let event: F::Event = serde_json::from_value(event).unwrap_or_else(|error| panic!("{shown}: {error}"));
    function.handle(event, call).await.unwrap_or_else(|failure| panic!("{shown}: {failure}"))
}

/// The JSON body of an HTTP answer with this status.
fn body_of(answer: &Value, status: u16) -> Value {
    assert_eq!(answer["statusCode"], status, "{answer}");
    serde_json::from_str(answer["body"].as_str().expect("a text")).expect("JSON")
}
