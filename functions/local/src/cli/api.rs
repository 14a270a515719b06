//! HTTP to the API: JSON in, JSON or rows out, errors as the API words them.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use aws::Signer;
use clock::{Clock, Ids, RandomIds, SystemClock};
use http::Method;
use serde_json::Value;
use ureq::tls::TlsConfig;
use ureq::{Body, BodyReader};

use super::error::ErrorDetail;
use super::gateway::{Again, Tries, Turned};
use super::{CliError, gateway, sign, trust};

pub(super) struct Api {
    agent: ureq::Agent,
    url: String,
    /// None: what is asked needs no key.
    key: Option<String>,
    /// Of a function URL that asks for signatures.
    signer: Option<Arc<Signer>>,
    /// For whoever finds nobody there.
    unreachable_hint: String,
}

/// The API ends its queries sooner.
const TIMEOUT: Duration = Duration::from_secs(600);
/// No answer of the API in one piece is larger.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
const JSON: &str = "application/json";
/// The header that says of an answer that it is a link to it.
const RESULT: &str = "plimsoll-result";
const LINKED: &str = "linked";
/// Of an answer that is not the API's.
const SHOWN_CHARS_MAX: usize = 200;

impl Api {
    pub(super) fn new(url: &str, key: Option<String>, unreachable_hint: String, tls: TlsConfig) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .tls_config(tls)
            .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
            .build();
        let url = url.trim_end_matches('/').to_owned();
        Self { agent: config.new_agent(), url, key, signer: None, unreachable_hint }
    }

    /// From now on every request to this API is signed.
    pub(super) fn signed(self, signer: Option<Arc<Signer>>) -> Self {
        Self { signer, ..self }
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, CliError> {
        self.call(Method::GET, path, None, Again::Harmless)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.call(Method::POST, path, Some(body), Again::MayDoTwice)
    }

    /// A POST that changes nothing, or that is known again when it comes twice.
    pub(super) fn post_again(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.call(Method::POST, path, Some(body), Again::Harmless)
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.call(Method::PUT, path, Some(body), Again::MayDoTwice)
    }

    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.call(Method::PATCH, path, Some(body), Again::MayDoTwice)
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, CliError> {
        self.call(Method::DELETE, path, None, Again::MayDoTwice)
    }

    /// All pages of a list: the items under `field` of each, until there is no `next_cursor`.
    pub(super) fn list(&self, path: &str, field: &str) -> Result<Vec<Value>, CliError> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let mut page = self.get(&format!("{path}{after}"))?;
            if let Some(Value::Array(found)) = page.get_mut(field).map(Value::take) {
                items.extend(found);
            }
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(next) => after = format!("?cursor={}", percent(next)),
                None => return Ok(items),
            }
        }
    }

    /// What an answer links to.
    pub(super) fn linked(&self, url: &str) -> Result<Value, CliError> {
        let request = Request::for_link(url);
        self.whole(self.send(&request)?, &request)
    }

    /// What a POST that changes nothing is answered with as `media_type`, to be read as it comes; if the answer is a link, what
    /// that leads to.
    pub(super) fn streamed(
        &self,
        path: &str,
        body: &Value,
        media_type: &'static str,
    ) -> Result<BodyReader<'static>, CliError> {
        let mut request = self.request(Method::POST, path, Some(body), Again::Harmless);
        request.accept = media_type;
        let mut response = self.send(&request)?;
        if response.headers().get(RESULT).is_some_and(|result| result == LINKED) {
            let answer = self.whole(response, &request)?;
            let Some(url) = answer.pointer("/result/url").and_then(Value::as_str) else {
                return Err(foreign(&request.url, 200, answer.to_string().as_bytes()));
            };
            response = self.send(&Request::for_link(url))?;
        }
        Ok(response.into_body().into_reader())
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>, again: Again) -> Result<Value, CliError> {
        let request = self.request(method, path, body, again);
        self.whole(self.send(&request)?, &request)
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>, again: Again) -> Request<'_> {
        let entry = match (&self.key, &self.signer) {
            (key, Some(signer)) => Entry::Signed { signer, key: key.as_deref() },
            (Some(key), None) => Entry::Key(key),
            (None, None) => Entry::Open,
        };
        let url = format!("{}{path}", self.url);
        Request { method, url, entry, accept: JSON, body: body.map(Value::to_string), again }
    }

    /// Until it is answered with a success, which is not read yet, or for good with something else.
    fn send(&self, request: &Request<'_>) -> Result<http::Response<Body>, CliError> {
        let Request { method, url, again, .. } = request;
        let began = SystemClock.uptime();
        let mut tries = Tries::default();
        loop {
            let mut response = self.send_once(request)?;
            if response.status().is_success() {
                return Ok(response);
            }
            let retry_after = retry_after(response.headers());
            let status = response.status().as_u16();
            let text = read(&mut response).map_err(|error| self.unreachable(&error))?;
            let answer: Value = serde_json::from_slice(&text).map_err(|_| foreign(url, status, &text))?;
            let Some(turned) = Turned::of(status, &answer) else { return Err(refusal(url, status, answer, &text)) };
            let took = SystemClock.uptime().saturating_sub(began);
            match tries.next(&turned, *again, retry_after, took, chance()) {
                Some(wait) => {
                    gateway::tell(&turned, wait);
                    thread::sleep(wait);
                }
                None => return Err(turned.into_error(&format!("{method} {url}"), *again, &tries)),
            }
        }
    }

    fn send_once(&self, request: &Request<'_>) -> Result<http::Response<Body>, CliError> {
        let Request { method, url, entry, accept, body, .. } = request;
        let mut sent = http::Request::builder().method(method).uri(url).header("accept", *accept);
        match entry {
            Entry::Open => {}
            Entry::Key(key) => sent = sent.header("authorization", format!("Bearer {key}")),
            Entry::Signed { signer, key } => {
                let bytes = body.as_deref().unwrap_or_default().as_bytes();
                for (name, value) in sign::headers(signer, method.as_str(), url, *key, bytes)? {
                    sent = sent.header(name, value);
                }
            }
        }
        let malformed = |error| CliError::Usage(format!("{url}: {error}"));
        let response = match body {
            Some(body) => {
                let sent = sent.header("content-type", "application/json").body(body.as_str());
                self.agent.run(sent.map_err(malformed)?)
            }
            None => self.agent.run(sent.body(()).map_err(malformed)?),
        };
        response.map_err(|error| self.unreachable(&error))
    }

    /// A success that is JSON, or nothing.
    fn whole(&self, mut response: http::Response<Body>, request: &Request<'_>) -> Result<Value, CliError> {
        let status = response.status().as_u16();
        let text = read(&mut response).map_err(|error| self.unreachable(&error))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&text).map_err(|_| foreign(&request.url, status, &text))
    }

    fn unreachable(&self, error: &ureq::Error) -> CliError {
        CliError::Unreachable {
            url: self.url.clone(),
            cause: error.to_string(),
            hint: Some(trust::advice(error).map_or_else(|| self.unreachable_hint.clone(), str::to_owned)),
        }
    }
}

/// What is sent, as often as it must be.
struct Request<'r> {
    method: Method,
    url: String,
    entry: Entry<'r>,
    accept: &'static str,
    body: Option<String>,
    again: Again,
}

impl Request<'_> {
    /// The link is all that is needed: our key is nothing to whoever keeps what it leads to.
    fn for_link(url: &str) -> Self {
        let (method, url) = (Method::GET, url.to_owned());
        Self { method, url, entry: Entry::Open, accept: "*/*", body: None, again: Again::Harmless }
    }
}

/// How a request gets in.
enum Entry<'e> {
    Open,
    Key(&'e str),
    Signed { signer: &'e Signer, key: Option<&'e str> },
}

fn read(response: &mut http::Response<Body>) -> Result<Vec<u8>, ureq::Error> {
    response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()
}

/// What is no success, and not the edge's word.
fn refusal(url: &str, status: u16, mut answer: Value, text: &[u8]) -> CliError {
    if status == 403
        && let Some(refused) = sign::refused(url, &answer)
    {
        return refused;
    }
    match serde_json::from_value::<ErrorDetail>(answer["error"].take()) {
        Ok(detail) => CliError::Refused { status, detail: Box::new(detail), sql: None },
        Err(_) => foreign(url, status, text),
    }
}

fn foreign(url: &str, status: u16, text: &[u8]) -> CliError {
    let body = String::from_utf8_lossy(text).chars().take(SHOWN_CHARS_MAX).collect();
    CliError::Foreign { url: url.to_owned(), status, body }
}

/// In seconds, as it is nearly always given.
fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// From 0 to 1.
fn chance() -> f64 {
    let drawn = RandomIds.secret();
    f64::from(u16::from_le_bytes([drawn[0], drawn[1]])) / f64::from(u16::MAX)
}

/// A query parameter's value.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
