//! Bodies, queries and paths as typed values; what does not read is refused in words, with its place.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::{ApiError, ErrorCode, words};

/// Largest body on this port.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Of a parameter that is refused.
const SHOWN_CHARS_MAX: usize = 100;
/// How long a body may take to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);
/// Seconds after which a request whose body was late may come again.
const LATE_RETRY_S: u64 = 1;

/// A JSON body. Sent as `application/json`, at most [`BODY_BYTES_MAX`]. Where there is one, nothing stands after the `?`: a
/// parameter that nobody reads would be taken for one that holds.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T>(pub T);

/// The same where every field may be left out: an empty body, of whatever type, and `null` stand for the default.
#[derive(Clone, Copy, Debug)]
pub struct JsonBodyOrDefault<T>(pub T);

/// The parameters after the `?`.
#[derive(Clone, Copy, Debug)]
pub struct QueryOf<T>(pub T);

/// No parameters, neither after the `?` nor in a body.
#[derive(Clone, Copy, Debug)]
pub struct NoParameters;

/// The parameters in the path.
#[derive(Clone, Copy, Debug)]
pub struct PathOf<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        check_query::<T>(&head)?;
        check_content_type(&head)?;
        let bytes = read(body, BODY_WAIT_MAX).await?;
        parse(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for JsonBodyOrDefault<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        check_query::<T>(&head)?;
        let bytes = read(body, BODY_WAIT_MAX).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        check_content_type(&head)?;
        if bytes.trim_ascii() == b"null" { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::bad_request(words::query(&rejection.body_text()))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NoParameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match first_parameter(parts) {
            Some(name) => Err(unknown_parameter(name).hint("it takes none")),
            None => Ok(Self),
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

/// Refuses parameters after the `?`, and names those that the body takes.
fn check_query<T: DeserializeOwned>(head: &Parts) -> Result<(), ApiError> {
    let Some(name) = first_parameter(head) else { return Ok(()) };
    Err(unknown_parameter(name).hint(match fields_of::<T>() {
        Some(fields) => format!("what this path takes goes into the body, as JSON: {fields}"),
        None => "what this path takes goes into the body, as JSON".to_owned(),
    }))
}

fn unknown_parameter(name: &str) -> ApiError {
    let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
    ApiError::bad_request(format!("`{shown}` is no parameter of this path: it takes none after the `?`"))
}

/// The name of the first parameter after the `?`, as it is written.
fn first_parameter(head: &Parts) -> Option<&str> {
    let parameters = head.uri.query()?.split('&').filter(|parameter| !parameter.is_empty());
    parameters.map(|parameter| parameter.split('=').next().unwrap_or_default()).next()
}

/// The fields that a body may have, as serde lists them: "`table`", "one of `a`, `b`"; none if it takes any.
fn fields_of<T: DeserializeOwned>() -> Option<String> {
    let error = serde_json::from_str::<T>(r#"{"?":null}"#).err()?.to_string();
    let (_, listed) = error.split_once("expected ")?;
    Some(listed.split(" at line ").next().unwrap_or(listed).to_owned())
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

async fn read(body: Body, within: Duration) -> Result<Bytes, ApiError> {
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
    let late = |_| {
        let message = format!("the body did not arrive within {} s", within.as_secs());
        ApiError::new(ErrorCode::Unavailable, message).hint("send the same request again").retry_after(LATE_RETRY_S)
    };
    tokio::time::timeout(within, all).await.map_err(late)?
}

fn broken(error: &(dyn std::error::Error + 'static)) -> ApiError {
    if error.is::<LengthLimitError>() {
        ApiError::new(ErrorCode::PayloadTooLarge, format!("the body is larger than {BODY_BYTES_MAX} bytes"))
    } else {
        ApiError::bad_request(format!("the body broke off: {error}"))
    }
}

/// Every body here is an object; serde alone would take a list of its fields' values as well.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    if !is_object && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
        return Err(ApiError::bad_request("the body does not fit: it is JSON, but no object `{...}`"));
    }
    serde_json::from_slice(bytes).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> ApiError {
    // serde_json appends its own ` at line 1 column 2`.
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let message = match error.classify() {
        serde_json::error::Category::Data => format!("the body does not fit: {}", words::plain(what)),
        _ => format!("the body is no JSON: {what}"),
    };
    ApiError::bad_request(message).at(error.line() as u64, error.column() as u64)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Asked {
        limit: u32,
        name: String,
    }

    #[test]
    fn a_body_is_an_object_and_errors_are_in_plain_words() {
        let cases = [
            (r#"[5, "a"]"#, "no object"),
            ("7", "no object"),
            ("null", "no object"),
            ("[5", "no JSON"),
            ("", "no JSON"),
            (r#"{"limit": "a"}"#, "invalid type: string \"a\", expected a whole number from 0 to 4294967295"),
            (r#"{"limit": -1}"#, "expected a whole number"),
            (r#"{"name": [1]}"#, "invalid type: list, expected a string"),
            (r#"{"nam": "a"}"#, "unknown field `nam`, expected `limit` or `name`"),
        ];
        for (body, expected) in cases {
            let error = parse::<Asked>(body.as_bytes()).expect_err(body);
            assert!(error.message.contains(expected), "{body}: {error}");
            assert_eq!(error.code, ErrorCode::BadRequest);
        }
        assert_eq!(parse::<Asked>(b" \n{\"limit\": 5}").expect("it fits"), Asked { limit: 5, name: String::new() });
    }

    #[tokio::test]
    async fn an_empty_body_stands_for_the_default_only_where_that_is_said() {
        let asked = |body: &'static str| Request::new(Body::from(body));
        let empty = JsonBodyOrDefault::<Asked>::from_request(asked(""), &()).await.expect("taken");
        assert_eq!(empty.0, Asked::default());
        let mut null = asked("null ");
        null.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let null = JsonBodyOrDefault::<Asked>::from_request(null, &()).await.expect("taken");
        assert_eq!(null.0, Asked::default());
        for refused in [
            JsonBodyOrDefault::<Asked>::from_request(asked("{}"), &()).await.map(|body| body.0),
            JsonBody::<Asked>::from_request(asked(""), &()).await.map(|body| body.0),
        ] {
            assert_eq!(refused.expect_err("without a content type").code, ErrorCode::UnsupportedMediaType);
        }
    }

    #[tokio::test]
    async fn a_parameter_that_nobody_reads_is_refused_with_the_names_of_those_that_hold() {
        let asked = |uri: &'static str| {
            let request = Request::builder().uri(uri).header(CONTENT_TYPE, "application/json");
            request.body(Body::from("{}")).expect("a request")
        };
        for uri in ["/x?table=a", "/x?table", "/x?&table=a&limit=5"] {
            for refused in [
                JsonBodyOrDefault::<Asked>::from_request(asked(uri), &()).await.map(|body| body.0),
                JsonBody::<Asked>::from_request(asked(uri), &()).await.map(|body| body.0),
            ] {
                let error = refused.expect_err(uri);
                assert_eq!(error.message, "`table` is no parameter of this path: it takes none after the `?`");
                let hint = error.hint.as_deref();
                assert_eq!(hint, Some("what this path takes goes into the body, as JSON: `limit` or `name`"));
            }
            let mut head = asked(uri).into_parts().0;
            let error = NoParameters::from_request_parts(&mut head, &()).await.expect_err(uri);
            assert_eq!((error.code, error.hint.as_deref()), (ErrorCode::BadRequest, Some("it takes none")));
        }
        for uri in ["/x", "/x?", "/x?&"] {
            assert!(JsonBody::<Asked>::from_request(asked(uri), &()).await.is_ok(), "{uri}");
            assert!(NoParameters::from_request_parts(&mut asked(uri).into_parts().0, &()).await.is_ok(), "{uri}");
        }
    }

    #[tokio::test]
    async fn a_query_string_that_does_not_fit_is_told_in_plain_words() {
        let mut parts = Request::builder().uri("/x?limit=a").body(()).expect("a request").into_parts().0;
        let error = QueryOf::<Asked>::from_request_parts(&mut parts, &()).await.expect_err("no number");
        assert_eq!(error.message, "the parameters do not fit: limit: no whole number");
    }

    #[tokio::test]
    async fn a_body_that_is_late_may_come_again() {
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let error = read(never, Duration::ZERO).await.expect_err("late");
        assert_eq!((error.code, error.retry_after_s), (ErrorCode::Unavailable, Some(LATE_RETRY_S)));
    }
}
