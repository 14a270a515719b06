//! The query API as clients see it: forms of answers, errors, pages.

mod answers;
mod deliveries;
mod lists;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use model::{ProjectId, Scope};
use serde_json::Value;
use tests::tables::{Tables, project};
use tower::ServiceExt;

/// A client of the routes, without a port between.
struct Client {
    routes: Router,
    key: String,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    /// What came after a streamed body.
    trailers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    async fn reading(tables: &Tables, project: &ProjectId) -> Self {
        Self { routes: tables.router(), key: tables.key(project, &[Scope::Read]).await }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("x-api-key", &self.key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let (head, body) = self.routes.clone().oneshot(request).await.expect("infallible").into_parts();
        let body = body.collect().await.expect("a whole body");
        let trailers = body.trailers().cloned().unwrap_or_default();
        Reply { status: head.status, headers: head.headers, trailers, body: body.to_bytes().to_vec() }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    async fn query(&self, request: &Value, accept: &str) -> Reply {
        let headers = [("content-type", "application/json"), ("accept", accept)];
        self.send("POST", "/api/v1/query", &headers, &request.to_string()).await
    }
}

impl Reply {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The answer of a request that must be answered.
    fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }

    fn error(&self) -> (u16, String) {
        let code = self.json()["error"]["code"].as_str().expect("an error has a code").to_owned();
        (self.status.as_u16(), code)
    }
}

fn shop() -> ProjectId {
    project("shop")
}
