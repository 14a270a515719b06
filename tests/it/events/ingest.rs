//! Ingest as a function: OTLP in events of both edges; what lands, and what is told.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::*;

#[tokio::test]
async fn otlp_lands_from_every_edge_in_every_form() {
    for (sample, logs_and_spans, metrics) in [
        ("ingest/http-api-logs-json.json", 2, 0),
        ("ingest/http-api-traces-protobuf-gzip.json", 2, 0),
        ("ingest/http-api-metrics-protobuf.json", 0, 2),
        ("ingest/http-api-stage.json", 2, 0),
        ("ingest/function-url-traces-json.json", 1, 0),
        ("ingest/function-url-logs-json-gzip.json", 2, 0),
    ] {
        let world = Installation::new().await;
        let ingest = world.ingest();
        for time in ["first", "second"] {
            let answer = world.answer(&ingest, sample).await;
            assert_eq!(answer["statusCode"], 200, "{sample}, {time} time: {answer}");
            let as_sent = events::load::<Value>(sample)["headers"]["content-type"].clone();
            assert_eq!(answer["headers"]["content-type"], as_sent, "{sample}");
            assert_eq!(answer["headers"]["x-request-id"], REQUEST_ID, "{sample}");
            let rows = (world.live_rows(TableName::LogsAndSpans).await, world.live_rows(TableName::Metrics).await);
            assert_eq!(rows, (logs_and_spans, metrics), "{sample}, {time} time");
        }
        assert_eq!(world.queue.depth(), 1, "{sample}: one trigger a second");
    }
}

#[tokio::test]
async fn usage_is_noted_before_the_answer_since_the_process_may_freeze_for_good() {
    let world = Installation::new().await;
    world.answer(&world.ingest(), "ingest/http-api-logs-json.json").await;
    let body = events::load::<Value>("ingest/http-api-logs-json.json")["body"].as_str().expect("text").len();
    let stored = world.quota().bytes_of_day(&shop(), events::SENT_AT).await.expect("read");
    assert_eq!(stored, body as u64);
}

#[tokio::test]
async fn what_cannot_be_taken_is_told_in_otlp_s_words() {
    let world = Installation::new().await;
    let ingest = world.ingest();
    let answer = world.answer(&ingest, "ingest/http-api-not-gzip.json").await;
    assert_eq!(answer["statusCode"], 400, "{answer}");
    assert_eq!(answer["headers"]["content-type"], "application/x-protobuf");
    let status = BASE64_STANDARD.decode(answer["body"].as_str().expect("text")).ok();
    let status = status.filter(|_| answer["isBase64Encoded"] == true).map_or_else(
        || answer["body"].as_str().expect("text").to_owned(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    );
    assert!(status.contains("gzip"), "{status}");
    let answer = world.answer(&ingest, "ingest/function-url-unknown-path.json").await;
    assert_eq!((answer["statusCode"].as_u64(), &answer["isBase64Encoded"]), (Some(404), &Value::Bool(false)));
    assert!(answer["body"].as_str().expect("text").contains("/v1/traces"), "{answer}");
}

#[tokio::test]
async fn a_browser_may_send_after_its_preflight() {
    let world = Installation::new().await;
    let answer = world.answer(&world.ingest(), "ingest/http-api-preflight.json").await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["headers"]["access-control-allow-origin"], "https://shop.example");
    let allowed = answer["headers"]["access-control-allow-headers"].as_str().expect("text");
    assert!(allowed.contains("x-api-key"), "{allowed}");
}
