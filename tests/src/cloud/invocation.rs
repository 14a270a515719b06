//! What goes into a function and what comes out, with the limits and the words of the Invoke API.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use model::Micros;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Of an event that is invoked with an answer awaited, and of a whole answer: 6 MB.
pub const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;

/// What a function answered.
#[derive(Debug)]
pub enum Answer {
    Whole(Bytes),
    Streamed(Streamed),
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Streamed {
    pub prelude: Prelude,
    /// An error is the last item: the function went away in the middle.
    pub body: mpsc::Receiver<Result<Bytes, CutOff>>,
}

/// What goes ahead of a streamed body, up to eight zero bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Prelude {
    #[serde(with = "status")]
    pub status_code: StatusCode,
    #[serde(with = "headers")]
    pub headers: HeaderMap,
    pub cookies: Vec<String>,
}

/// A streamed answer ended before its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the function went away in the middle of its answer")]
pub struct CutOff;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    #[error("no function is named {0}")]
    Unknown(String),
    #[error("as many invocations run as the function may have at once")]
    Throttled,
    #[error("the event has {bytes} bytes, more than {PAYLOAD_BYTES_MAX}")]
    EventTooLarge { bytes: usize },
    /// The function itself, or what became of its process.
    #[error("{error_type}: {message}")]
    Failed { error_type: String, message: String },
}

impl InvokeError {
    pub(crate) fn failed(error_type: &str, message: impl Into<String>) -> Self {
        Self::Failed { error_type: error_type.to_owned(), message: message.into() }
    }

    /// As the payload of an answer with `X-Amz-Function-Error`.
    pub fn payload(&self) -> Value {
        match self {
            Self::Failed { error_type, message } => json!({ "errorType": error_type, "errorMessage": message }),
            other => json!({ "message": other.to_string() }),
        }
    }
}

/// One invocation as it went: what CloudWatch would have in its REPORT line.
#[derive(Clone, Debug)]
pub struct Invoked {
    pub function: String,
    pub request_id: String,
    /// What for, in a few words: `POST /v1/traces`, `sqs 3`.
    pub what: String,
    pub ended_at: Micros,
    /// From the moment the function got the event.
    pub took: Duration,
    /// If the process was started for it: until it asked for its first event.
    pub init: Option<Duration>,
    /// The most the process had resident so far.
    pub memory_peak_bytes: u64,
    pub result: Result<Summary, InvokeError>,
}

/// Of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// If it answers HTTP.
    pub status: Option<u16>,
    /// None: it was still coming.
    pub bytes: Option<usize>,
}

impl Summary {
    pub(crate) fn of(answer: &Answer) -> Self {
        #[derive(Deserialize)]
        struct Response {
            #[serde(rename = "statusCode")]
            status: Option<u16>,
        }
        match answer {
            Answer::Whole(bytes) => {
                let response: Option<Response> = serde_json::from_slice(bytes).ok();
                Self { status: response.and_then(|response| response.status), bytes: Some(bytes.len()) }
            }
            Answer::Streamed(streamed) => Self { status: Some(streamed.prelude.status_code.as_u16()), bytes: None },
        }
    }
}

mod status {
    use http::StatusCode;
    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<StatusCode, D::Error> {
        StatusCode::from_u16(u16::deserialize(from)?).map_err(D::Error::custom)
    }
}

mod headers {
    use std::collections::BTreeMap;

    use http::HeaderMap;
    use serde::{Deserialize, Deserializer, de::Error};
    use serde_json::Value;

    /// A value is a text or a list of texts.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HeaderMap, D::Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in BTreeMap::<String, Value>::deserialize(from)? {
            let name = http::HeaderName::try_from(name).map_err(D::Error::custom)?;
            let values = match value {
                Value::Array(values) => values,
                one => vec![one],
            };
            for value in values {
                let text = value.as_str().ok_or_else(|| D::Error::custom("a header that is no text"))?;
                headers.append(name.clone(), http::HeaderValue::from_str(text).map_err(D::Error::custom)?);
            }
        }
        Ok(headers)
    }
}
