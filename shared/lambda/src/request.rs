//! An HTTP event as a request. What a client sent is not changed: query string, headers and body are taken as they are.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::COOKIE;
use http::{HeaderValue, Request, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The only version there is of what function URLs send, and the one our HTTP API is set to.
const PAYLOAD_VERSION: &str = "2.0";
/// The stage whose name is not part of the path.
const STAGE_DEFAULT: &str = "$default";
/// What may not stand in a URL as it is, and would not mean the path if it did.
const NOT_IN_PATH: AsciiSet = CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`');
const NOT_IN_QUERY: AsciiSet = CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// An event of an HTTP API or a function URL.
#[derive(Clone, Debug)]
pub struct HttpEvent(Box<ApiGatewayV2httpRequest>);

/// What AWS never sends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the event's body is not base64, although it says so")]
    Body(#[source] base64::DecodeError),
    #[error("the event's path and query are no URL")]
    Url(#[source] http::uri::InvalidUri),
}

impl<'de> Deserialize<'de> for HttpEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Box::<ApiGatewayV2httpRequest>::deserialize(deserializer)?;
        match event.version.as_deref() {
            Some(PAYLOAD_VERSION) => Ok(Self(event)),
            other => Err(D::Error::custom(format!(
                "an HTTP event of version {PAYLOAD_VERSION} is expected, this one says {}; set the payload format version of the integration",
                other.unwrap_or("nothing")
            ))),
        }
    }
}

impl HttpEvent {
    pub(crate) fn headers(&self) -> &http::HeaderMap {
        &self.0.headers
    }

    pub(crate) fn into_request(self) -> Result<Request<Body>, Unreadable> {
        let event = *self.0;
        let uri = uri(&event)?;
        let body = body(event.body, event.is_base64_encoded)?;
        let mut request = Request::new(body);
        *request.method_mut() = event.request_context.http.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = event.headers;
        // They come apart from the other headers.
        let cookies = event.cookies.unwrap_or_default().join("; ");
        if let Ok(value) = HeaderValue::from_str(&cookies)
            && !cookies.is_empty()
        {
            request.headers_mut().insert(COOKIE, value);
        }
        Ok(request)
    }
}

fn uri(event: &ApiGatewayV2httpRequest) -> Result<Uri, Unreadable> {
    let path = event.raw_path.as_deref().unwrap_or_default();
    let path = without_stage(path, event.request_context.stage.as_deref());
    let mut text = as_in_url(path, &NOT_IN_PATH);
    if let Some(query) = event.raw_query_string.as_deref().filter(|query| !query.is_empty()) {
        text.push('?');
        text.push_str(&utf8_percent_encode(query, &NOT_IN_QUERY).to_string());
    }
    text.parse().map_err(Unreadable::Url)
}

/// The path of a stage with a name begins with that name.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let stage = stage.filter(|stage| *stage != STAGE_DEFAULT);
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ if path.is_empty() => "/",
        _ => path,
    }
}

/// A function URL hands the path over as it was sent, an HTTP API decodes it first.
fn as_in_url(path: &str, not_as_is: &'static AsciiSet) -> String {
    let mut encoded = String::with_capacity(path.len());
    for (at, part) in path.split('%').enumerate() {
        if at > 0 {
            let is_escape = part.len() >= 2 && part.bytes().take(2).all(|c| c.is_ascii_hexdigit());
            encoded.push_str(if is_escape { "%" } else { "%25" });
        }
        encoded.extend(utf8_percent_encode(part, not_as_is));
    }
    encoded
}

fn body(body: Option<String>, is_base64: bool) -> Result<Body, Unreadable> {
    match body {
        None => Ok(Body::empty()),
        Some(text) if is_base64 => Ok(Body::from(BASE64_STANDARD.decode(text).map_err(Unreadable::Body)?)),
        Some(text) => Ok(Body::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn event(changes: Value) -> Value {
        let mut event = json!({
            "version": "2.0", "rawPath": "/v1/logs", "rawQueryString": "", "headers": {"host": "h", "x": "1,2"},
            "requestContext": {"stage": "$default", "http": {"method": "POST"}}, "isBase64Encoded": false,
        });
        for (pointer, value) in changes.as_object().expect("an object") {
            match event.pointer_mut(pointer) {
                Some(place) => *place = value.clone(),
                None => event[pointer.trim_start_matches('/')] = value.clone(),
            }
        }
        event
    }

    fn request(changes: Value) -> Result<Request<Body>, Unreadable> {
        serde_json::from_value::<HttpEvent>(event(changes)).expect("an event").into_request()
    }

    #[test]
    fn the_path_loses_the_stage_and_the_query_stays_as_it_was_sent() {
        let cases = [
            ("$default", "/v1/logs", "", "/v1/logs"),
            ("prod", "/prod/v1/logs", "", "/v1/logs"),
            ("prod", "/prod", "", "/"),
            ("prod", "/production/v1", "", "/production/v1"),
            ("$default", "", "", "/"),
            ("$default", "/a", "q=a%2Bb+c&q=%E2%82%AC&empty=", "/a?q=a%2Bb+c&q=%E2%82%AC&empty="),
            ("$default", "/a", "sql=a<b c", "/a?sql=a%3Cb%20c"),
            ("$default", "/a b/\u{20ac}/100%/%41?#", "", "/a%20b/%E2%82%AC/100%25/%41%3F%23"),
        ];
        for (stage, path, query, expected) in cases {
            let request = request(json!({
                "/requestContext/stage": stage, "/rawPath": path, "/rawQueryString": query,
            }));
            assert_eq!(request.expect("a URL").uri().to_string(), expected, "{stage} {path}");
        }
    }

    #[tokio::test]
    async fn a_body_comes_plain_or_in_base64() {
        for (body, is_base64, expected) in [
            (json!("{\"a\":\"\u{20ac}\"}"), false, "{\"a\":\"\u{20ac}\"}".as_bytes()),
            (json!("AP+A"), true, &[0, 255, 128]),
            (json!("AP+A"), false, b"AP+A"),
            (Value::Null, false, b""),
            (Value::Null, true, b""),
        ] {
            let request = request(json!({"/body": body, "/isBase64Encoded": is_base64})).expect("readable");
            let bytes = request.into_body().collect().await.expect("whole").to_bytes();
            assert_eq!(bytes, expected, "{body}");
        }
        assert!(matches!(request(json!({"/body": "!", "/isBase64Encoded": true})), Err(Unreadable::Body(_))));
    }

    #[test]
    fn method_headers_and_cookies_arrive() {
        let request = request(json!({"/cookies": ["a=1", "b=2"], "/requestContext/http/method": "PATCH"}));
        let request = request.expect("readable");
        assert_eq!(request.method(), "PATCH");
        let of = |name: &str| request.headers().get(name).map(|v| v.to_str().expect("text").to_owned());
        assert_eq!((of("x"), of("cookie")), (Some("1,2".into()), Some("a=1; b=2".into())));
    }

    #[test]
    fn an_event_of_another_version_is_refused_in_words() {
        for (version, said) in [(json!("1.0"), "says 1.0"), (Value::Null, "says nothing")] {
            let error = serde_json::from_value::<HttpEvent>(event(json!({"/version": version}))).expect_err("refused");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
