//! A blocking HTTP client that never turns a status into an error.

use std::time::Duration;

use local::serve::Credentials;
use model::Signal;
use serde_json::{Value, json};
use ureq::Agent;

/// Speaks to one running Plimsoll with its first keys.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    pub keys: Credentials,
}

/// An answer, whatever its status.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: status {} {}", self.status, self.text()))
    }
}

impl Client {
    pub fn new(keys: Credentials) -> Self {
        Self::patient_for(Duration::from_secs(60), keys)
    }

    /// One that hangs up when there is no whole answer within `patience`.
    pub fn patient_for(patience: Duration, keys: Credentials) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(patience));
        Self { agent: config.build().into(), keys }
    }

    /// Any request; `None` if the server did not answer.
    pub fn try_send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Reply> {
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = match method {
            "GET" | "DELETE" | "HEAD" | "OPTIONS" if body.is_empty() => self.agent.run(request.body(()).ok()?),
            _ => self.agent.run(request.body(body).ok()?),
        };
        let mut response = sent.ok()?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().ok()?;
        Some(Reply { status, headers, body })
    }

    pub fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_send(method, url, headers, body).unwrap_or_else(|| panic!("no answer to {method} {url}"))
    }

    /// An OTLP export as protobuf with the ingest key.
    pub fn export(&self, signal: Signal, body: &[u8]) -> Reply {
        self.export_as(
            signal,
            &[("content-type", "application/x-protobuf"), ("x-api-key", &self.keys.ingest_key)],
            body,
        )
    }

    pub fn export_as(&self, signal: Signal, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.send("POST", &format!("{}{}", self.keys.otlp_url, signal.path()), headers, body)
    }

    /// `POST /api/v1/query` with the read key.
    pub fn query(&self, request: &Value) -> Reply {
        self.api("POST", "/api/v1/query", &self.keys.read_key, Some(request))
    }

    /// Rows of a query that must succeed.
    pub fn sql(&self, sql: &str) -> Vec<Vec<Value>> {
        let reply = self.query(&json!({ "sql": sql, "limit": 100_000 }));
        assert_eq!(reply.status, 200, "{sql}\n{}", reply.text());
        serde_json::from_value(reply.json()["rows"].clone()).expect("rows are lists")
    }

    /// The only value of a query that must succeed.
    pub fn scalar(&self, sql: &str) -> Value {
        let rows = self.sql(sql);
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}");
        rows[0][0].clone()
    }

    pub fn count(&self, what: &str) -> u64 {
        self.scalar(&format!("SELECT count(*) FROM {what}")).as_u64().expect("a count")
    }

    pub fn api(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> Reply {
        let url = format!("{}{path}", self.keys.api_url);
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(method, &url, &[("x-api-key", key), ("content-type", "application/json")], body.as_bytes())
    }

    /// One compaction and maintenance pass over everything; must succeed.
    pub fn compact(&self) -> Value {
        let reply = self.api("POST", "/api/v1/compact", &self.keys.admin_key, Some(&json!({})));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    pub fn status(&self) -> Value {
        let reply = self.api("GET", "/api/v1/status", &self.keys.admin_key, None);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }
}

/// Asks again until the answer is yes; panics after `within`.
pub fn eventually(what: &str, within: Duration, mut ask: impl FnMut() -> bool) {
    let step = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    while !ask() {
        assert!(waited < within, "not within {within:?}: {what}");
        std::thread::sleep(step);
        waited += step;
    }
}
