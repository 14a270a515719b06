//! Queries as a function: requests of both edges, and questions asked directly.

use ::query::cloud::{Edge, Queries};
use ::query::{App, Doors, Meters, Settings};
use futures::StreamExt;
use tempfile::TempDir;

use super::*;

/// A store with the two records of a sample; the folder is where queries spill.
async fn world() -> (Installation, TempDir) {
    let world = Installation::new().await;
    world.answer(&world.ingest(), "ingest/http-api-logs-json.json").await;
    (world, TempDir::new().expect("a folder"))
}

impl Installation {
    fn query(&self, edge: Edge, spill: &TempDir) -> Queries {
        let doors = Doors {
            ledger: self.ledger.clone(),
            roots: self.roots.clone(),
            logs: self.logs(),
            keys: Arc::clone(&self.keys),
            clock: self.clock.clone(),
            ids: Arc::new(RandomIds),
        };
        let app = App::new(doors, Meters::default(), Settings::new(spill.path().to_owned())).expect("started");
        Queries::new(app, &[], edge)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_behind_an_http_api_and_asked_directly() {
    let (world, spill) = world().await;
    let query = world.query(Edge::HttpApi, &spill);
    let counted = world.answer(&query, "query/http-api-query.json").await;
    assert_eq!(body(&counted)["rows"], json!([[2]]), "{counted}");
    let logs = world.answer(&query, "query/http-api-logs.json").await;
    let found = body(&logs)["logs"].as_array().map(Vec::len);
    assert_eq!(found, Some(1), "the query string says which: {logs}");
    let trace = world.answer(&query, "query/http-api-trace.json").await;
    assert_eq!(trace["statusCode"], 404, "nothing was sent of it: {trace}");
    let direct = world.answer(&query, "query/direct.json").await;
    assert_eq!(direct["ok"]["rows"], json!([[2]]), "{direct}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_url_streams() {
    let (world, spill) = world().await;
    let query = world.query(Edge::FunctionUrl, &spill);
    let call = Call { request_id: REQUEST_ID.into(), stop_at: world.clock.now() + TIME_S * 1_000_000 };
    let answer = query.handle(events::load("query/function-url-query-ndjson.json"), &call).await;
    let Ok(Answer::Streamed(response)) = answer else { panic!("not streamed") };
    assert_eq!(response.metadata_prelude.status_code, 200);
    let pieces: Vec<_> = response.stream.map(|piece| piece.expect("no error")).collect().await;
    let text = String::from_utf8(pieces.concat()).expect("text");
    assert!(text.contains("out of stock") && text.contains("10 \u{20ac}"), "{text}");
}
