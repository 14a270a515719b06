//! Bodies, queries and paths as typed values; what does not read is refused in words, with its place.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::{ApiError, ErrorCode};

/// Largest body on this port.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);

/// A JSON body. Sent as `application/json`, at most [`BODY_BYTES_MAX`].
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T>(pub T);

/// The parameters after the `?`.
#[derive(Clone, Copy, Debug)]
pub struct QueryOf<T>(pub T);

/// The parameters in the path.
#[derive(Clone, Copy, Debug)]
pub struct PathOf<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        check_content_type(&head)?;
        let bytes = read(body).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| unreadable(&error))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => Err(ApiError::bad_request(error.body_text())),
            Err(other) => Err(ApiError::bad_request(other.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(ApiError::bad_request(error.body_text())),
            // The route and the handler disagree about the parameters.
            Err(other) => Err(ApiError::internal(other)),
        }
    }
}

fn check_content_type(head: &Parts) -> Result<(), ApiError> {
    let sent = head.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("(not text)")).unwrap_or("(none)");
    let media_type = sent.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let shown: String = sent.chars().take(100).collect();
    Err(ApiError::new(ErrorCode::UnsupportedMediaType, format!("content type `{shown}` is not taken here"))
        .hint("send `content-type: application/json`"))
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let mut body = Limited::new(body, BODY_BYTES_MAX);
    let all = async {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|error| broken(error.as_ref()))?.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes.freeze())
    };
    let late = |_| ApiError::bad_request(format!("the body did not arrive within {} s", BODY_WAIT_MAX.as_secs()));
    tokio::time::timeout(BODY_WAIT_MAX, all).await.map_err(late)?
}

fn broken(error: &(dyn std::error::Error + 'static)) -> ApiError {
    if error.is::<LengthLimitError>() {
        ApiError::new(ErrorCode::PayloadTooLarge, format!("the body is larger than {BODY_BYTES_MAX} bytes"))
    } else {
        ApiError::bad_request(format!("the body broke off: {error}"))
    }
}

fn unreadable(error: &serde_json::Error) -> ApiError {
    // serde_json appends its own ` at line 1 column 2`.
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let message = match error.classify() {
        serde_json::error::Category::Data => format!("the body does not fit: {what}"),
        _ => format!("the body is no JSON: {what}"),
    };
    ApiError::bad_request(message).at(error.line() as u64, error.column() as u64)
}
