//! SQS's own mover of dead letters, which no emulator has: a server that answers as SQS does.

use std::net::Ipv4Addr;

use aws::operate::{MoveTask, Moved};
use aws::{Cloud, Endpoints};
use aws_credential_types::Credentials;
use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Knows the queues `dead` and `live`, and moves from one to the other unless `dead` is `busy`.
async fn sqs(headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let arn = |url: &Value| {
        format!("arn:aws:sqs:eu-central-1:1:{}", url.as_str().expect("a URL").rsplit('/').next().expect("a name"))
    };
    let target = headers["x-amz-target"].to_str().expect("text");
    let from = body["SourceArn"].as_str().unwrap_or_default();
    let answer = match target {
        "AmazonSQS.GetQueueAttributes" => json!({ "Attributes": { "QueueArn": arn(&body["QueueUrl"]) } }),
        "AmazonSQS.StartMessageMoveTask" if from.ends_with(":busy") => {
            let refused = json!({ "__type": "com.amazonaws.sqs#UnsupportedOperation", "message": "There is already a task running." });
            // Beside its own name, the one that it had before SQS spoke JSON.
            let name = ("x-amzn-query-error", "AWS.SimpleQueueService.UnsupportedOperation;Sender");
            return (StatusCode::BAD_REQUEST, [name], refused.to_string()).into_response();
        }
        "AmazonSQS.StartMessageMoveTask" => {
            assert_eq!(
                (from, &body["DestinationArn"]),
                ("arn:aws:sqs:eu-central-1:1:dead", &json!("arn:aws:sqs:eu-central-1:1:live"))
            );
            json!({ "TaskHandle": "a task" })
        }
        "AmazonSQS.ListMessageMoveTasks" => json!({ "Results": [{
            "Status": "FAILED", "SourceArn": from, "ApproximateNumberOfMessagesMoved": 7, "StartedTimestamp": 1,
            "FailureReason": "AWS.SimpleQueueService.NonExistentQueue" }] }),
        other => panic!("{other} is not expected"),
    };
    answer.to_string().into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn sqs_moves_dead_letters_itself_where_it_can() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(sqs)).await });
    let keys = Credentials::new("id", "secret", None, None, "tests");
    let cloud = Cloud::with_keys("eu-central-1", keys, Endpoints::everywhere(&url));

    let letters = cloud.dead_letters(&format!("{url}/1/dead"), &format!("{url}/1/live"));
    assert_eq!(letters.start().await.expect("started"), Moved::BySqs);
    let failure = Some("AWS.SimpleQueueService.NonExistentQueue".to_owned());
    let task = letters.task().await.expect("told");
    assert_eq!(task, Some(MoveTask { status: "FAILED".to_owned(), moved: 7, failure }));

    // A mover that is under way already must not be helped by hand.
    let busy = cloud.dead_letters(&format!("{url}/1/busy"), &format!("{url}/1/live"));
    let fault = busy.start().await.expect_err("it runs already");
    assert!(fault.to_string().contains("already a task running"), "{fault}");
}
