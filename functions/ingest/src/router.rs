//! The paths of OTLP over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::post;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request};
use model::Signal;
use otlp::ContentType;

use crate::export::{export, refuse};
use crate::{App, Refusal};

/// `POST /v1/{traces,logs,metrics}`; anything else is refused with a google.rpc.Status.
pub fn router(app: Arc<App>) -> Router {
    let cors = edge::cors(&app.settings.cors_origins);
    let mut router = Router::new();
    for signal in Signal::ALL {
        let app = Arc::clone(&app);
        let route = post(move |request: Request<Body>| export(app, signal, request));
        router = router.route(signal.path(), route.fallback(move |headers: HeaderMap| wrong_method(signal, headers)));
    }
    router.fallback(unknown_path).layer(cors)
}

async fn wrong_method(signal: Signal, headers: HeaderMap) -> Response {
    let mut response = refuse(&Refusal::WrongMethod { path: signal.path() }, reply_as(&headers));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

async fn unknown_path(headers: HeaderMap) -> Response {
    refuse(&Refusal::UnknownPath, reply_as(&headers))
}

pub(crate) fn reply_as(headers: &HeaderMap) -> ContentType {
    let sent = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    ContentType::parse(sent).unwrap_or(ContentType::Json)
}
