//! The Lambda Runtime API, version 2018-06-01, as one process sees it.
//!
//! `next` is a long poll; an answer is whole or streamed, with its prelude; what a runtime says about its own failures is
//! passed on in its words.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use clock::{Clock, SystemClock};
use futures::StreamExt;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::environment::{Environment, Work};
use super::invocation::{Answer, CutOff, InvokeError, PAYLOAD_BYTES_MAX, Prelude, Streamed};

/// Between the prelude and the body of a streamed answer.
const DELIMITER: [u8; 8] = [0; 8];
/// A prelude holds headers; one that is longer is none.
const PRELUDE_BYTES_MAX: usize = 1 << 20;
const ERROR_BYTES_MAX: usize = 256 * 1024;
/// Pieces of a streamed answer that wait for whoever reads it.
const PIECES_WAITING_MAX: usize = 16;

type Reply = oneshot::Sender<Result<Answer, InvokeError>>;

struct Api {
    environment: Arc<Environment>,
    events: Mutex<mpsc::Receiver<Work>>,
    /// The invocation that the process has.
    current: std::sync::Mutex<Option<(String, Reply)>>,
}

pub(crate) fn router(environment: Arc<Environment>, events: mpsc::Receiver<Work>) -> Router {
    let api = Api { environment, events: Mutex::new(events), current: std::sync::Mutex::default() };
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(Arc::new(api))
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    let mut events = api.events.lock().await;
    let work = match events.try_recv() {
        Ok(work) => {
            api.environment.polled();
            Some(work)
        }
        Err(_) => {
            api.environment.freeze();
            api.environment.idle();
            let work = events.recv().await;
            api.environment.thaw();
            work
        }
    };
    let work = work.expect("the environment holds the sender");
    let deadline = SystemClock.now() / 1_000 + i64::try_from(work.timeout.as_millis()).expect("a time-out");
    let answer = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", &work.request_id)
        .header("lambda-runtime-deadline-ms", deadline)
        .header("lambda-runtime-invoked-function-arn", work.function_arn)
        .header("lambda-runtime-trace-id", trace_id(&work.request_id))
        .body(Body::from(work.event))
        .expect("a response");
    api.current.lock().expect("not poisoned").replace((work.request_id, work.reply));
    // Nobody waits any more if it was killed meanwhile.
    let _ = work.delivered.send(());
    answer
}

async fn response(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> (StatusCode, String) {
    let Some(reply) = api.reply_to(&id) else { return unknown(&id) };
    let is_streamed =
        headers.get("lambda-runtime-function-response-mode").is_some_and(|mode| mode.as_bytes() == b"streaming");
    let said = if is_streamed { stream(reply, body).await } else { whole(reply, body).await };
    api.environment.answered();
    said
}

async fn error(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> (StatusCode, String) {
    let Some(reply) = api.reply_to(&id) else { return unknown(&id) };
    // Whoever invoked it may have stopped waiting.
    let _ = reply.send(Err(diagnosis(&headers, body).await));
    api.environment.answered();
    accepted()
}

/// The process ends after it.
async fn init_error(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> (StatusCode, String) {
    let said = diagnosis(&headers, body).await;
    // Whoever waits for it to start gets this instead.
    if let Ok(work) = api.events.lock().await.try_recv() {
        let _ = work.reply.send(Err(said));
    }
    accepted()
}

async fn whole(reply: Reply, body: Body) -> (StatusCode, String) {
    let mut pieces = body.into_data_stream();
    let mut answer = BytesMut::new();
    let mut n_bytes = 0;
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            // The process ended, and is told of as that.
            return (StatusCode::BAD_REQUEST, String::new());
        };
        n_bytes += piece.len();
        if n_bytes <= PAYLOAD_BYTES_MAX {
            answer.extend_from_slice(&piece);
        }
    }
    if n_bytes > PAYLOAD_BYTES_MAX {
        let why = format!("Response payload size exceeded maximum allowed payload size ({PAYLOAD_BYTES_MAX} bytes).");
        let error = InvokeError::failed("Function.ResponseSizeTooLarge", why);
        let said = (StatusCode::PAYLOAD_TOO_LARGE, error.payload().to_string());
        let _ = reply.send(Err(error));
        return said;
    }
    let _ = reply.send(Ok(Answer::Whole(answer.freeze())));
    accepted()
}

/// Passes the body on as it comes; the runtime hears that it is accepted when all of it is there.
async fn stream(reply: Reply, body: Body) -> (StatusCode, String) {
    let mut body = body.into_data_stream();
    let mut head = BytesMut::new();
    let body_at = loop {
        if let Some(at) = head.windows(DELIMITER.len()).position(|window| window == DELIMITER) {
            break at;
        }
        match body.next().await {
            Some(Ok(piece)) if head.len() < PRELUDE_BYTES_MAX => head.extend_from_slice(&piece),
            _ => {
                let error = InvokeError::failed("Runtime.InvalidResponse", "a streamed answer without a prelude");
                let _ = reply.send(Err(error));
                return (StatusCode::BAD_REQUEST, String::new());
            }
        }
    };
    let first = head.split_off(body_at + DELIMITER.len()).freeze();
    let prelude: Prelude = match serde_json::from_slice(&head[..body_at]) {
        Ok(prelude) => prelude,
        Err(error) => {
            let _ = reply.send(Err(InvokeError::failed("Runtime.InvalidResponse", error.to_string())));
            return (StatusCode::BAD_REQUEST, String::new());
        }
    };
    let (pieces, receiver) = mpsc::channel::<Result<Bytes, CutOff>>(PIECES_WAITING_MAX);
    let _ = reply.send(Ok(Answer::Streamed(Streamed { prelude, body: receiver })));
    let mut rest = futures::stream::iter([Ok(first)]).chain(body);
    while let Some(piece) = rest.next().await {
        let is_cut_off = piece.is_err();
        // The client may have hung up; Lambda lets the function finish.
        let _ = pieces.send(piece.map_err(|_| CutOff)).await;
        if is_cut_off {
            break;
        }
    }
    accepted()
}

impl Api {
    fn reply_to(&self, id: &str) -> Option<Reply> {
        let mut current = self.current.lock().expect("not poisoned");
        current.take_if(|(request_id, _)| request_id == id).map(|(_, reply)| reply)
    }
}

/// `{"errorType": .., "errorMessage": ..}`, else the header.
async fn diagnosis(headers: &HeaderMap, body: Body) -> InvokeError {
    let body = to_bytes(body, ERROR_BYTES_MAX).await.unwrap_or_default();
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let from_header = headers.get("lambda-runtime-function-error-type").and_then(|kind| kind.to_str().ok());
    let kind = said["errorType"].as_str().or(from_header).unwrap_or("Unhandled");
    InvokeError::failed(kind, said["errorMessage"].as_str().unwrap_or_default())
}

fn accepted() -> (StatusCode, String) {
    (StatusCode::ACCEPTED, json!({ "status": "OK" }).to_string())
}

fn unknown(id: &str) -> (StatusCode, String) {
    let error = json!({ "errorType": "InvalidRequestID", "errorMessage": format!("{id} is not being invoked") });
    (StatusCode::BAD_REQUEST, error.to_string())
}

/// A root of its own for each invocation: `Root=1-<8 hex>-<24 hex>`.
fn trace_id(request_id: &str) -> String {
    let hex: String = request_id.chars().filter(char::is_ascii_hexdigit).collect();
    format!("Root=1-{}-{};Parent={};Sampled=0", &hex[..8], &hex[8..32], &hex[..16])
}
