//! HTTP to the API: JSON in, JSON out, errors as the API words them.

use std::sync::Arc;
use std::time::Duration;

use aws::Signer;
use http::Method;
use serde_json::Value;
use ureq::tls::TlsConfig;

use super::error::ErrorDetail;
use super::{CliError, sign, trust};

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
/// No answer of the API is larger.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
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
        self.call(Method::GET, path, None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.call(Method::POST, path, Some(body))
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.call(Method::PUT, path, Some(body))
    }

    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.call(Method::PATCH, path, Some(body))
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, CliError> {
        self.call(Method::DELETE, path, None)
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

    /// What an answer links to. The link is all that is needed: our key is nothing to whoever keeps it.
    pub(super) fn linked(&self, url: &str) -> Result<Value, CliError> {
        self.ask(Method::GET, url, Entry::Open, None)
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, CliError> {
        let entry = match (&self.key, &self.signer) {
            (key, Some(signer)) => Entry::Signed { signer, key: key.as_deref() },
            (Some(key), None) => Entry::Key(key),
            (None, None) => Entry::Open,
        };
        self.ask(method, &format!("{}{path}", self.url), entry, body)
    }

    fn ask(&self, method: Method, url: &str, entry: Entry<'_>, body: Option<&Value>) -> Result<Value, CliError> {
        let unreachable = |error: ureq::Error| CliError::Unreachable {
            url: self.url.clone(),
            cause: error.to_string(),
            hint: Some(trust::advice(&error).map_or_else(|| self.unreachable_hint.clone(), str::to_owned)),
        };
        let body = body.map(Value::to_string);
        let mut request = http::Request::builder().method(&method).uri(url).header("accept", "application/json");
        match entry {
            Entry::Open => {}
            Entry::Key(key) => request = request.header("authorization", format!("Bearer {key}")),
            Entry::Signed { signer, key } => {
                let sent = body.as_deref().unwrap_or_default().as_bytes();
                for (name, value) in sign::headers(signer, method.as_str(), url, key, sent)? {
                    request = request.header(name, value);
                }
            }
        }
        let response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body);
                self.agent.run(request.map_err(|error| CliError::Usage(format!("{url}: {error}")))?)
            }
            None => {
                let request = request.body(());
                self.agent.run(request.map_err(|error| CliError::Usage(format!("{url}: {error}")))?)
            }
        };
        let mut response = response.map_err(unreachable)?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unreachable)?;
        understand(url, status, &text)
    }
}

/// How a request gets in.
enum Entry<'e> {
    Open,
    Key(&'e str),
    Signed { signer: &'e Signer, key: Option<&'e str> },
}

fn understand(url: &str, status: u16, text: &[u8]) -> Result<Value, CliError> {
    if (200..300).contains(&status) && text.is_empty() {
        return Ok(Value::Null);
    }
    let foreign = || {
        let body = String::from_utf8_lossy(text).chars().take(SHOWN_CHARS_MAX).collect();
        CliError::Foreign { url: url.to_owned(), status, body }
    };
    let mut answer: Value = serde_json::from_slice(text).map_err(|_| foreign())?;
    if status == 403 && sign::is_refusal_of_aws(&answer) {
        return Err(sign::refused(url, &answer));
    }
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let detail = answer.get_mut("error").map(Value::take).ok_or_else(foreign)?;
    let detail: ErrorDetail = serde_json::from_value(detail).map_err(|_| foreign())?;
    Err(CliError::Refused { status, detail: Box::new(detail), sql: None })
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
