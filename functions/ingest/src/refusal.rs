//! Why a request is refused, and what the client is told: the HTTP status decides whether it sends the data again.
//!
//! Exporters retry only 429, 502, 503 and 504, so whatever may pass is one of these, and never a 500.

use std::sync::Arc;

use http::StatusCode;
use meta::quota::QuotaRefusal;
use model::{Scope, Signal};
use objects::RootError;
use otlp::{DecodeError, InflateError, JsonError};

use crate::land::LandError;

/// A bucket's owner is no faster than this.
const BUCKET_RETRY_AFTER_S: u64 = 30;

/// One reason each; the text says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("nothing is here; send OTLP to POST /v1/traces, /v1/logs or /v1/metrics")]
    UnknownPath,
    #[error("{path} takes POST only")]
    WrongMethod { path: &'static str },
    #[error("content type `{0}` is not taken; send application/x-protobuf or application/json")]
    UnsupportedMediaType(String),
    #[error("content encoding `{0}` is not taken; send identity, gzip, zstd or deflate")]
    UnsupportedEncoding(String),
    #[error("{0}; send one key as `Authorization: Bearer <key>` or `x-api-key: <key>`")]
    Key(#[source] edge::AuthError),
    #[error("the API key is unknown or was revoked")]
    WrongKey,
    #[error("this API key lacks the scope `{}`", .0.as_str())]
    MissingScope(Scope),
    #[error("the body is larger than {bytes_max} bytes; send smaller batches")]
    TooLarge { bytes_max: usize },
    #[error("{0}")]
    Inflate(#[source] InflateError),
    #[error("the body is no OTLP {} request: {source}", .signal.as_str())]
    Protobuf {
        signal: Signal,
        #[source]
        source: DecodeError,
    },
    #[error("the body is no OTLP/JSON {} request: {source}", .signal.as_str())]
    Json {
        signal: Signal,
        #[source]
        source: JsonError,
    },
    #[error("the body broke off: {what}")]
    BrokenBody { what: String },
    #[error("the body did not arrive within {within_s} s")]
    SlowBody { within_s: u64 },
    #[error(transparent)]
    Quota(#[from] QuotaRefusal),
    #[error("too many bytes are in flight on this server; try again")]
    Overloaded,
    #[error("storage did not answer; nothing was acknowledged, send the same request again")]
    Storage(#[source] Arc<LandError>),
    /// The project's own bucket is out of reach, and its owner can do something about it.
    #[error("{said}; nothing was acknowledged, send the same request again then")]
    Bucket {
        said: String,
        #[source]
        source: Arc<LandError>,
    },
    #[error("the metadata store did not answer; send the same request again")]
    Metadata(#[source] meta::StoreError),
    #[error("the time for this request was over; send the same request again")]
    Late,
    #[error("this request could not be worked on; send it again")]
    Crashed,
}

impl From<Arc<LandError>> for Refusal {
    fn from(source: Arc<LandError>) -> Self {
        match RootError::behind(source.as_ref()).filter(|error| error.is_the_owners()) {
            Some(error) => Self::Bucket { said: error.to_string(), source },
            None => Self::Storage(source),
        }
    }
}

impl Refusal {
    pub fn http_status(&self) -> StatusCode {
        match self {
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType(_) | Self::UnsupportedEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Key(_) | Self::WrongKey => StatusCode::UNAUTHORIZED,
            Self::MissingScope(_) => StatusCode::FORBIDDEN,
            Self::TooLarge { .. } | Self::Inflate(InflateError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Inflate(_) | Self::Protobuf { .. } | Self::Json { .. } | Self::BrokenBody { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::Quota(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::SlowBody { .. }
            | Self::Overloaded
            | Self::Storage(_)
            | Self::Bucket { .. }
            | Self::Metadata(_)
            | Self::Late
            | Self::Crashed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The google.rpc.Code beside it.
    pub fn rpc_code(&self) -> i32 {
        match self.http_status() {
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            StatusCode::NOT_FOUND => 5,
            StatusCode::METHOD_NOT_ALLOWED => 12,
            StatusCode::PAYLOAD_TOO_LARGE => 11,
            StatusCode::TOO_MANY_REQUESTS => 8,
            StatusCode::SERVICE_UNAVAILABLE => 14,
            _ => 3,
        }
    }

    /// Seconds after which to try again; none: the same request will be refused again.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Quota(refusal) => Some(refusal.retry_after_s),
            Self::Bucket { .. } => Some(BUCKET_RETRY_AFTER_S),
            other => (other.http_status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
        }
    }

    /// A short fixed word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::WrongMethod { .. } => "wrong_method",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::UnsupportedEncoding(_) => "unsupported_encoding",
            Self::Key(_) | Self::WrongKey => "unauthorized",
            Self::MissingScope(_) => "forbidden",
            Self::TooLarge { .. } | Self::Inflate(InflateError::TooLarge { .. }) => "too_large",
            Self::Inflate(_) | Self::Protobuf { .. } | Self::Json { .. } | Self::BrokenBody { .. } => "malformed",
            Self::SlowBody { .. } => "slow_body",
            Self::Quota(_) => "quota",
            Self::Overloaded => "overloaded",
            Self::Storage(_) | Self::Metadata(_) => "storage",
            Self::Bucket { .. } => "bucket",
            Self::Late => "late",
            Self::Crashed => "crashed",
        }
    }
}
