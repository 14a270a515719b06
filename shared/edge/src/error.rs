//! An error as it is answered: `{"error": {code, message, hint, position?: {line, column}, request_id}}`.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use meta::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ErrorCode;

/// Seconds after which a request that found a store silent may come again.
const UNAVAILABLE_RETRY_S: u64 = 1;

/// What went wrong, in words for the one who asked. The request id is added by [`crate::face`], which also logs errors
/// of ours with their `source`; the source is never answered.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    pub position: Option<Position>,
    pub retry_after_s: Option<u64>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// A place in the text that was sent; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

/// The body of every error on this port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorAnswer {
    pub error: ErrorDetail,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    pub code: ErrorCode,
    pub message: String,
    /// What to do about it, if there is anything to say.
    pub hint: Option<String>,
    /// Where in the SQL or JSON that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Also in the header `x-request-id`; name it when you ask for help.
    pub request_id: String,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, position: None, retry_after_s: None, source: None }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// A bug of ours, or damage; the one who asked is told nothing more.
    pub fn internal(source: impl Error + Send + Sync + 'static) -> Self {
        let hint = "this is our fault; the server's log says more under the request id";
        Self::new(ErrorCode::Internal, "something went wrong on the server").hint(hint).caused_by(source)
    }

    /// `what` did not answer.
    pub fn unavailable(what: &str, source: impl Error + Send + Sync + 'static) -> Self {
        Self::new(ErrorCode::Unavailable, format!("{what} did not answer"))
            .hint("send the same request again")
            .retry_after(UNAVAILABLE_RETRY_S)
            .caused_by(source)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn at(mut self, line: u64, column: u64) -> Self {
        self.position = Some(Position { line, column });
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// For the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn body(&self, request_id: &str) -> Body {
        let detail = ErrorDetail {
            code: self.code,
            message: self.message.clone(),
            hint: self.hint.clone(),
            position: self.position,
            request_id: request_id.to_owned(),
        };
        let text = serde_json::to_vec(&ErrorAnswer { error: detail }).expect("text and numbers always serialise");
        Body::from(text)
    }
}

/// The body is rendered anew by [`crate::face`], which knows the request id.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let mut response = Response::new(self.body(""));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::unavailable("the metadata store", error),
            // A condition that its caller did not expect, or an item that does not read.
            StoreError::ConditionFailed { .. } | StoreError::Invalid(_) => Self::internal(error),
        }
    }
}
