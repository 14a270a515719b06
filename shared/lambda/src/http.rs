//! An axum router as a function: events in, answers out, none of them late, and no panic that gets out.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use clock::{Clock, within};
use edge::{ApiError, ErrorCode, REQUEST_ID};
use futures::FutureExt;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower::ServiceExt;

use crate::answer::{ANSWER_BYTES_MAX, whole};
use crate::streamed::streamed;
use crate::{Answer, Call, Failure, Function, HttpEvent};

/// Why a request is answered from here and not by the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The event is no request; AWS never sends such.
    Unreadable,
    /// The time of the call is over; what it began may still take effect.
    Late,
    /// A bug of ours.
    Panicked,
    /// The answer broke off while it was made.
    BrokenOff,
    /// The answer is larger than Lambda takes.
    TooLarge,
}

/// How answers leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// At once, up to 6 MB.
    Whole,
    /// As they come; only a function URL in the mode RESPONSE_STREAM takes them.
    Streamed,
}

/// What the client is told then, given the headers of its request and Lambda's request id.
pub type Refusal = fn(Stopped, &HeaderMap, &str) -> Response;

/// A router behind an HTTP API or a function URL. Its requests carry Lambda's request id in `x-request-id`, unless the
/// client sent one, and so do its responses.
pub struct Http {
    router: Router,
    refusal: Refusal,
    sending: Sending,
    clock: Arc<dyn Clock>,
}

impl Http {
    pub fn new(router: Router, refusal: Refusal, sending: Sending, clock: Arc<dyn Clock>) -> Self {
        Self { router, refusal, sending, clock }
    }

    pub async fn answer(&self, event: HttpEvent, call: &Call) -> Answer {
        let headers = event.headers().clone();
        let work = AssertUnwindSafe(self.respond(event, call)).catch_unwind();
        let stopped = match within(self.clock.as_ref(), call.time_left(self.clock.as_ref()), work).await {
            Some(Ok(Ok(answer))) => return answer,
            Some(Ok(Err(stopped))) => stopped,
            // Its words are in the log: the panic hook wrote them.
            Some(Err(_)) => Stopped::Panicked,
            None => Stopped::Late,
        };
        tracing::error!(?stopped, "a request was stopped");
        let refusal = with_id((self.refusal)(stopped, &headers, &call.request_id), call);
        self.send(refusal, call).await.expect("a refusal is short and all there")
    }

    async fn respond(&self, event: HttpEvent, call: &Call) -> Result<Answer, Stopped> {
        let mut request = event.into_request().map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "an event is no request");
            Stopped::Unreadable
        })?;
        if let (false, Ok(id)) = (request.headers().contains_key(REQUEST_ID), HeaderValue::from_str(&call.request_id)) {
            request.headers_mut().insert(REQUEST_ID, id);
        }
        let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
        self.send(with_id(response, call), call).await
    }

    async fn send(&self, response: Response, call: &Call) -> Result<Answer, Stopped> {
        if self.sending == Sending::Streamed {
            return Ok(Answer::Streamed(streamed(response, call, &self.clock)));
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
            tracing::error!(error = error.as_ref() as &dyn std::error::Error, "an answer was not made to its end");
            if error.is::<LengthLimitError>() { Stopped::TooLarge } else { Stopped::BrokenOff }
        })?;
        whole(head, body.to_bytes()).map(Answer::Whole).ok_or(Stopped::TooLarge)
    }
}

#[async_trait]
impl Function for Http {
    type Event = HttpEvent;

    async fn handle(&self, event: HttpEvent, call: &Call) -> Result<Answer, Failure> {
        Ok(self.answer(event, call).await)
    }
}

/// A refusal in the shape of the API's errors; ingest has its own.
pub fn api_refusal(stopped: Stopped, _: &HeaderMap, request_id: &str) -> Response {
    let unavailable = |message| ApiError::new(ErrorCode::Unavailable, message).retry_after(1);
    let error = match stopped {
        Stopped::Unreadable => ApiError::bad_request("the event that came with this request could not be read"),
        Stopped::Late => unavailable("the time for this request was over before its answer was there")
            .hint("ask for less, or try again; what was to be changed may have been changed"),
        Stopped::Panicked => ApiError::new(ErrorCode::Internal, "something went wrong on the server")
            .hint("this is our fault; the function's log says more under the request id"),
        Stopped::BrokenOff => unavailable("the answer broke off while it was made").hint("send the same request again"),
        Stopped::TooLarge => ApiError::new(
            ErrorCode::ResultTooLarge,
            format!("the answer is larger than the {ANSWER_BYTES_MAX} bytes that Lambda takes"),
        )
        .hint("ask for fewer rows or columns"),
    };
    edge::answer_of(error, request_id)
}

fn with_id(mut response: Response<Body>, call: &Call) -> Response<Body> {
    if let (false, Ok(id)) = (response.headers().contains_key(REQUEST_ID), HeaderValue::from_str(&call.request_id)) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::routing::get;
    use bytes::Bytes;
    use clock::SystemClock;
    use serde_json::{Value, json};

    use super::*;

    fn routes() -> Router {
        let broken = || futures::stream::iter([Ok(Bytes::from("a")), Err(std::io::Error::other("gone"))]);
        Router::new()
            .route("/ok", get(|headers: HeaderMap| async move { format!("{:?}", headers.get(REQUEST_ID)) }))
            .route("/slow", get(|| tokio::time::sleep(Duration::from_secs(3600))))
            .route(
                "/panic",
                get(|| async {
                    if true {
                        panic!("on purpose")
                    }
                }),
            )
            .route("/broken", get(move || async move { Body::from_stream(broken()) }))
            .route("/large", get(|| async { vec![b'a'; ANSWER_BYTES_MAX + 1] }))
    }

    fn event(path: &str, headers: Value, body: Value) -> HttpEvent {
        let event = json!({
            "version": "2.0", "rawPath": path, "headers": headers, "body": body, "isBase64Encoded": true,
            "requestContext": {"stage": "$default", "http": {"method": "GET"}},
        });
        serde_json::from_value(event).expect("an event")
    }

    async fn ask(event: HttpEvent, time_ms: i64) -> Value {
        let clock = Arc::new(SystemClock);
        let call = Call { request_id: "r-1".into(), stop_at: clock.now() + time_ms * 1000 };
        let http = Http::new(routes(), api_refusal, Sending::Whole, clock);
        let Ok(Answer::Whole(json)) = http.handle(event, &call).await else { panic!("streamed") };
        serde_json::from_str(json.get()).expect("JSON")
    }

    #[tokio::test]
    async fn whatever_stops_a_request_it_is_answered_in_the_shape_of_errors() {
        for (path, time_ms, body, status, code) in [
            ("/slow", 10, Value::Null, 503, "unavailable"),
            ("/ok", -5, Value::Null, 200, ""),
            ("/panic", 60_000, Value::Null, 500, "internal"),
            ("/broken", 60_000, Value::Null, 503, "unavailable"),
            ("/large", 60_000, Value::Null, 422, "result_too_large"),
            ("/ok", 60_000, json!("!"), 400, "bad_request"),
        ] {
            let answer = ask(event(path, json!({}), body), time_ms).await;
            assert_eq!(answer["statusCode"], status, "{path}: {answer}");
            assert_eq!(answer["headers"]["x-request-id"], "r-1", "{path}");
            assert_eq!(answer["headers"]["retry-after"].is_string(), status == 503, "{path}");
            if status != 200 {
                let told: Value = serde_json::from_str(answer["body"].as_str().expect("text")).expect("JSON");
                assert_eq!((&told["error"]["code"], &told["error"]["request_id"]), (&json!(code), &json!("r-1")));
            }
        }
    }

    #[tokio::test]
    async fn a_request_has_lambda_s_request_id_unless_the_client_sent_one() {
        for (sent, id) in [(json!({}), "r-1"), (json!({"x-request-id": "mine"}), "mine")] {
            let answer = ask(event("/ok", sent, Value::Null), 60_000).await;
            assert_eq!(answer["body"], format!("Some({id:?})"));
        }
    }
}
