//! Who is calling: the key of a request, looked up, and what it may do.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use meta::StoreError;
use meta::keys::{Caller, Keys};
use model::Scope;

use crate::{ApiError, ErrorCode};

const API_KEY: &str = "x-api-key";
const SCHEME: &str = "bearer";
/// AWS's own signature, which the function URL has checked before it called us: no key of ours.
const SIGV4: &str = "AWS4-HMAC-SHA256 ";
const HOW: &str = "send it as `Authorization: Bearer <key>` or `x-api-key: <key>`";

/// Why a caller is turned away.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("no API key was sent")]
    Missing,
    #[error("the header `authorization` holds no bearer token")]
    NoBearer,
    #[error("different keys were sent in the headers `authorization` and `x-api-key`")]
    Two,
    #[error("the API key is unknown or was revoked")]
    Unknown,
    #[error("this API key lacks the scope `{}`", .0.as_str())]
    LacksScope(Scope),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The key that a request carries, as text. Sent more than once it must be the same: nobody may guess which one counts.
pub fn sent_key(headers: &HeaderMap) -> Result<&str, AuthError> {
    let ours = |value: &&HeaderValue| !value.as_bytes().starts_with(SIGV4.as_bytes());
    let bearers = headers.get_all(AUTHORIZATION).iter().filter(ours).map(|value| {
        let token = value.to_str().ok().and_then(bearer_token);
        token.ok_or(AuthError::NoBearer)
    });
    let plain =
        headers.get_all(API_KEY).iter().map(|value| value.to_str().map(str::trim).map_err(|_| AuthError::Unknown));
    let mut found = None;
    for key in bearers.chain(plain) {
        let key = key?;
        if found.replace(key).is_some_and(|other| other != key) {
            return Err(AuthError::Two);
        }
    }
    found.ok_or(AuthError::Missing)
}

/// An extractor: the holder of the request's key. What the key may do is asked by [`require`].
#[derive(Clone, Debug)]
pub struct Authenticated(pub Caller);

impl<S> FromRequestParts<S> for Authenticated
where
    Arc<Keys>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let keys = Arc::<Keys>::from_ref(state);
        Ok(Self(authenticate(&parts.headers, &keys).await?))
    }
}

/// Refuses a caller whose key lacks a scope, and names it.
pub fn require(caller: &Caller, scope: Scope) -> Result<(), AuthError> {
    if caller.scopes.allows(scope) { Ok(()) } else { Err(AuthError::LacksScope(scope)) }
}

async fn authenticate(headers: &HeaderMap, keys: &Keys) -> Result<Caller, AuthError> {
    keys.authenticate(sent_key(headers)?).await?.ok_or(AuthError::Unknown)
}

/// The scheme's case does not matter (RFC 9110, 11.1).
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim())
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::Missing | AuthError::NoBearer => Self::new(ErrorCode::Unauthorized, message).hint(HOW),
            AuthError::Two => Self::new(ErrorCode::Unauthorized, message).hint("send one key, once"),
            AuthError::Unknown => Self::new(ErrorCode::Unauthorized, message)
                .hint("list the project's keys with an admin key, or make a new one"),
            AuthError::LacksScope(scope) => {
                Self::new(ErrorCode::Forbidden, message).hint(format!("use a key with the scope `{}`", scope.as_str()))
            }
            AuthError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_comes_twice_must_say_the_same() {
        let cases = [
            ("x-api-key", ["k", "k"], Some("k")),
            ("x-api-key", ["k", "other"], None),
            ("x-api-key", ["", "k"], None),
            ("authorization", ["Bearer k", "bearer k"], Some("k")),
            ("authorization", ["Bearer k", "Bearer other"], None),
            ("authorization", ["Bearer k", "Basic abc"], None),
        ];
        for (name, values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(name, HeaderValue::from_static(value));
            }
            assert_eq!(sent_key(&headers).ok(), expected, "{name} {values:?}");
        }
    }

    #[test]
    fn a_key_is_found_in_either_header_and_two_must_agree() {
        let cases: [(Option<&str>, Option<&str>, Result<&str, &str>); 12] = [
            (Some("AWS4-HMAC-SHA256 Credential=a"), Some("k"), Ok("k")),
            (Some("AWS4-HMAC-SHA256 Credential=a"), None, Err("no API key")),
            (None, None, Err("no API key")),
            (Some("Bearer k"), None, Ok("k")),
            (Some("bearer  k "), None, Ok("k")),
            (None, Some("k"), Ok("k")),
            (Some("Bearer k"), Some("k"), Ok("k")),
            (Some("Bearer k"), Some("other"), Err("different keys")),
            (Some("Basic abc"), None, Err("no bearer token")),
            (Some("Basic abc"), Some("k"), Err("no bearer token")),
            (Some("k"), None, Err("no bearer token")),
            (Some("Bearer k"), Some("k\u{e9}"), Err("unknown")),
        ];
        for (authorization, api_key, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in [(AUTHORIZATION.as_str(), authorization), (API_KEY, api_key)] {
                if let Some(value) = value {
                    let name = http::HeaderName::from_static(name);
                    headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
                }
            }
            match (sent_key(&headers), expected) {
                (Ok(key), Ok(expected)) => assert_eq!(key, expected),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, expected) => panic!("{authorization:?} {api_key:?}: {found:?} instead of {expected:?}"),
            }
        }
    }
}
