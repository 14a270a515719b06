//! What every answer on this port has in common: a request id, errors of one shape, CORS, and no panic that gets out.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use clock::Ids;
use futures::FutureExt;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use model::panic_words;
use tracing::Instrument;

use crate::{ApiError, ErrorCode, cors};

/// Echoed if the client sends one that is fit to be logged, else drawn.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_BYTES_MAX: usize = 128;

/// In the extensions of every request.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

/// Finishes a router whose routes are all there. From outside in: request id and rendering of errors, CORS, panics.
pub fn face(routes: Router, ids: Arc<dyn Ids>, cors_origins: &[String]) -> Router {
    routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(catch_panic))
        .layer(cors(cors_origins))
        .layer(from_fn_with_state(ids, identify))
}

/// An error as [`face`] answers it, for whoever stands in front of a face.
pub fn answer_of(error: ApiError, request_id: &str) -> Response {
    with_id(error.into_response(), request_id)
}

async fn unknown_path(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::not_found(format!("nothing is at `{}`", shown(uri.path())))
        .hint("GET /api/v1/openapi.json lists all paths")
}

/// Axum adds the header `allow`.
async fn wrong_method(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    let message = format!("`{}` does not take {}", shown(uri.path()), shown(method.as_str()));
    ApiError::new(ErrorCode::MethodNotAllowed, message).hint("the header `allow` lists what it takes")
}

async fn catch_panic(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => ApiError::internal(Panicked(panic_words(panic.as_ref()))).into_response(),
    }
}

async fn identify(State(ids): State<Arc<dyn Ids>>, mut request: Request, next: Next) -> Response {
    let id: Arc<str> = sent_id(request.headers()).map_or_else(|| ids.fresh().into(), Arc::from);
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let span = tracing::info_span!("request", id = %id, method = %request.method(), path = request.uri().path());
    async {
        let mut response = with_id(next.run(request).await, &id);
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
    .instrument(span)
    .await
}

/// An error gets its body anew, with the request id; its status and headers stand.
fn with_id(mut response: Response, id: &str) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        log(&error);
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = error.body(id);
    }
    response
}

fn log(error: &ApiError) {
    if error.code.status().is_server_error() {
        tracing::error!(code = ?error.code, error = error as &dyn Error, "request failed");
    } else {
        tracing::debug!(code = ?error.code, %error, "request refused");
    }
}

fn sent_id(headers: &HeaderMap) -> Option<&str> {
    let fit = |c: u8| c.is_ascii_alphanumeric() || b"-_.:/+=".contains(&c);
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    ((1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(fit)).then_some(id)
}

fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 200;
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::{get, post};
    use clock::CountingIds;
    use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN};
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use serde::Deserialize;
    use tower::ServiceExt;

    use super::*;
    use crate::{BODY_BYTES_MAX, ErrorAnswer, JsonBody, PathOf, QueryOf};

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        n: u8,
    }

    fn routes() -> Router {
        Router::new()
            .route(
                "/panic",
                get(|| async {
                    if true {
                        panic!("on purpose")
                    }
                }),
            )
            .route("/body", post(|JsonBody(wanted): JsonBody<Wanted>| async move { wanted.n.to_string() }))
            .route("/query", get(|QueryOf(wanted): QueryOf<Wanted>| async move { wanted.n.to_string() }))
            .route("/path/{n}", get(|PathOf(n): PathOf<u8>| async move { n.to_string() }))
            .route(
                "/store",
                get(|| async {
                    let error =
                        meta::StoreError::Unavailable { context: "x".into(), may_have_happened: true, source: None };
                    ApiError::from(error)
                }),
            )
    }

    async fn ask(request: Request<Body>) -> (http::response::Parts, Vec<u8>) {
        let face = face(routes(), Arc::new(CountingIds::default()), &["https://app.test".to_owned()]);
        let (head, body) = face.oneshot(request).await.expect("infallible").into_parts();
        (head, body.collect().await.expect("whole").to_bytes().to_vec())
    }

    fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
        let builder = Request::builder().method(method).uri(path).header("content-type", "application/json");
        builder.body(body.into()).expect("a request")
    }

    #[tokio::test]
    async fn whatever_goes_wrong_is_answered_in_one_shape() {
        let too_large = vec![b' '; BODY_BYTES_MAX + 1];
        let plain = Request::builder().method("POST").uri("/body").header("content-type", "text/plain");
        let plain = plain.body(Body::from("{}")).expect("a request");
        let cases = [
            (request("GET", "/none", ""), 404, "not_found", "`/none`", None),
            (request("PUT", "/body", ""), 405, "method_not_allowed", "PUT", None),
            (request("GET", "/panic", ""), 500, "internal", "went wrong", None),
            (request("GET", "/store", ""), 503, "unavailable", "metadata store", None),
            (request("GET", "/query?n=300", ""), 400, "bad_request", "n: ", None),
            (request("GET", "/query?m=3", ""), 400, "bad_request", "`m`", None),
            (request("GET", "/path/x", ""), 400, "bad_request", "`x`", None),
            (plain, 415, "unsupported_media_type", "text/plain", None),
            (request("POST", "/body", too_large), 413, "payload_too_large", "1048576", None),
            (request("POST", "/body", "{\n  \"n\": }"), 400, "bad_request", "no JSON", Some((2, 8))),
            (request("POST", "/body", "{\"n\": 1000}"), 400, "bad_request", "does not fit", Some((1, 10))),
            (request("POST", "/body", "{\"n\": 1, \"x\": 2}"), 400, "bad_request", "`x`", Some((1, 12))),
        ];
        for (request, status, code, words, position) in cases {
            let what = format!("{} {}", request.method(), request.uri());
            let (head, body) = ask(request).await;
            let text = String::from_utf8(body).expect("text");
            assert_eq!(head.status.as_u16(), status, "{what}: {text}");
            let answer: ErrorAnswer = serde_json::from_str(&text).expect("the shape of an error");
            assert_eq!(serde_json::to_value(answer.error.code).expect("a code"), code, "{what}");
            assert!(answer.error.message.contains(words), "{what}: {text}");
            assert_eq!(answer.error.position.map(|at| (at.line, at.column)), position, "{what}: {text}");
            assert_eq!(head.headers[REQUEST_ID], answer.error.request_id, "{what}");
            assert!(!answer.error.request_id.is_empty(), "{what}");
            assert_eq!(head.headers["content-type"], "application/json", "{what}");
            assert_eq!(head.headers.contains_key("retry-after"), status == 503, "{what}");
            assert_eq!(head.headers.get("allow").map(|v| v == "POST"), (status == 405).then_some(true), "{what}");
        }
    }

    #[tokio::test]
    async fn a_request_id_is_echoed_if_it_is_fit_to_be_logged() {
        for (sent, echoed) in [("abc-1", true), ("a b", false), (&"x".repeat(129), false)] {
            let mut request = request("GET", "/path/7", "");
            request.headers_mut().insert(REQUEST_ID, HeaderValue::from_str(sent).expect("a value"));
            let (head, body) = ask(request).await;
            assert_eq!((head.status, body.as_slice()), (StatusCode::OK, b"7".as_slice()));
            assert_eq!(head.headers[REQUEST_ID] == sent, echoed, "{sent}");
        }
    }

    #[tokio::test]
    async fn a_browser_of_a_set_origin_reads_errors_too() {
        for (origin, allowed) in [("https://app.test", true), ("https://other.test", false)] {
            for path in ["/panic", "/none", "/path/7"] {
                let mut request = request("GET", path, "");
                request.headers_mut().insert(ORIGIN, HeaderValue::from_str(origin).expect("a value"));
                let (head, _) = ask(request).await;
                assert_eq!(head.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).is_some_and(|o| o == origin), allowed);
            }
        }
        let mut preflight = request("OPTIONS", "/body", "");
        for (name, value) in [("origin", "https://app.test"), ("access-control-request-method", "POST")] {
            preflight.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let (head, _) = ask(preflight).await;
        assert_eq!(head.status, StatusCode::OK);
        let headers = head.headers["access-control-allow-headers"].to_str().expect("text");
        for wanted in ["content-type", "content-encoding", "authorization", "x-api-key"] {
            assert!(headers.contains(wanted), "{headers}");
        }
    }
}
