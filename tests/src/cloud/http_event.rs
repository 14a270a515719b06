//! An HTTP request as the event that API Gateway (HTTP API) and function URLs make of it, payload format 2.0, and back.
//!
//! A body is base64 unless its type is text and nothing encodes it. Header names are lower-case, several values of one are
//! joined by commas, cookies are apart; API Gateway says the length of a body that came in pieces.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clock::{Clock, SystemClock};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request};
use serde_json::{Map, Value, json};

use super::ACCOUNT;
use super::lambda::request_id;

/// Where the request came in.
#[derive(Clone, Debug)]
pub enum Edge {
    /// With the route that fits, such as `GET /api/v1/traces/{trace_id}`, and what its parameters hold.
    HttpApi {
        route: String,
        parameters: BTreeMap<String, String>,
    },
    FunctionUrl,
}

/// The event, as the function gets it.
pub fn event(edge: &Edge, request: &request::Parts, body: &[u8]) -> Bytes {
    let (headers, cookies) = headers_of(request, body.len());
    let now = SystemClock.now();
    let at = chrono::DateTime::from_timestamp_micros(now).expect("a time");
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let user_agent = headers.get("user-agent").cloned().unwrap_or_default();
    let route_key = match edge {
        Edge::HttpApi { route, .. } => route.as_str(),
        Edge::FunctionUrl => "$default",
    };
    let (body, is_base64_encoded) = body_of(&request.headers, body);
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": request.uri.path(),
        "rawQueryString": request.uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "devcloud01",
            "domainName": host,
            "domainPrefix": "devcloud01",
            "http": {
                "method": request.method.as_str(),
                "path": request.uri.path(),
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": user_agent,
            },
            "requestId": request_id(),
            "routeKey": route_key,
            "stage": "$default",
            "time": at.format("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now / 1_000,
        },
        "isBase64Encoded": is_base64_encoded,
    });
    if let Some(body) = body {
        event["body"] = body.into();
    }
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    let query = query_of(request.uri.query().unwrap_or_default());
    if !query.is_empty() {
        event["queryStringParameters"] = query.into();
    }
    if let Edge::HttpApi { parameters, .. } = edge
        && !parameters.is_empty()
    {
        event["pathParameters"] = json!(parameters);
    }
    event.to_string().into()
}

/// The response that the edge makes of a whole answer; none if it is no answer to HTTP.
pub fn response(answer: &[u8]) -> Option<Response<Bytes>> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let Some(status) = answer["statusCode"].as_u64() else {
        // Anything else is the body of a success.
        return Response::builder().header(CONTENT_TYPE, "application/json").body(answer.to_string().into()).ok();
    };
    let mut headers = HeaderMap::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(text).ok()?);
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        headers.append(SET_COOKIE, HeaderValue::try_from(cookie.as_str()?).ok()?);
    }
    let text = answer["body"].as_str().unwrap_or_default();
    let body = match answer["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(text).ok()?.into(),
        _ => Bytes::from(text.to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    *response.headers_mut() = headers;
    Some(response)
}

/// What the edge itself answers: `{"message": ..}`.
pub fn refusal(status: StatusCode, message: &str) -> Response<Bytes> {
    let body = json!({ "message": message }).to_string();
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    response.body(body.into()).expect("a response")
}

fn headers_of(request: &request::Parts, body_bytes: usize) -> (Map<String, Value>, Vec<String>) {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == COOKIE {
            cookies.extend(value.split("; ").map(str::to_owned));
        } else if name != TRANSFER_ENCODING {
            headers
                .entry(name.as_str().to_owned())
                .and_modify(|all| {
                    all.push(',');
                    all.push_str(&value);
                })
                .or_insert(value);
        }
    }
    if body_bytes > 0 || request.headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH.to_string(), body_bytes.to_string());
    }
    headers.insert("x-forwarded-for".into(), "127.0.0.1".into());
    headers.insert("x-forwarded-port".into(), "443".into());
    headers.insert("x-forwarded-proto".into(), "https".into());
    (headers.into_iter().map(|(name, value)| (name, value.into())).collect(), cookies)
}

fn body_of(headers: &HeaderMap, body: &[u8]) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let is_encoded = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes() != b"identity");
    match std::str::from_utf8(body) {
        Ok(text) if !is_encoded && is_text(headers) => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    const TEXTS: [&str; 3] = ["application/json", "application/javascript", "application/xml"];
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/") || TEXTS.contains(&kind.as_str())
}

/// Decoded; several values of one name joined by commas.
fn query_of(query: &str) -> Map<String, Value> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters.into_iter().map(|(name, value)| (name, value.into())).collect()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn made(edge: &Edge, request: http::request::Builder, body: &[u8]) -> Value {
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        serde_json::from_slice(&event(edge, &parts, body)).expect("JSON")
    }

    #[test]
    fn bodies_are_text_only_if_their_type_is_and_nothing_encodes_them() {
        let cases: [(&str, Option<&str>, &[u8], Option<&str>, bool); 6] = [
            ("application/json; charset=utf-8", None, b"{}", Some("{}"), false),
            ("application/json", Some("gzip"), b"\x1f\x8b", Some("H4s="), true),
            ("application/json", Some("identity"), b"{}", Some("{}"), false),
            ("application/x-protobuf", None, b"abc", Some("YWJj"), true),
            ("text/plain", None, b"\xff", Some("/w=="), true),
            ("application/x-protobuf", None, b"", None, false),
        ];
        for (kind, encoding, body, text, is_base64) in cases {
            let mut request = Request::post("/v1/traces").header("content-type", kind);
            if let Some(encoding) = encoding {
                request = request.header("content-encoding", encoding);
            }
            let event = made(&Edge::FunctionUrl, request, body);
            assert_eq!(event["body"].as_str(), text, "{kind} {encoding:?}");
            assert_eq!(event["isBase64Encoded"], is_base64, "{kind} {encoding:?}");
        }
    }

    #[test]
    fn headers_cookies_and_parameters_are_put_as_aws_puts_them() {
        let request = Request::get("/api/v1/traces/4bf9?a=1&b=x%20y&a=2")
            .header("Accept", "a")
            .header("accept", "b")
            .header("Cookie", "c=1; d=2")
            .header("Transfer-Encoding", "chunked")
            .header("host", "127.0.0.1:1234");
        let edge = Edge::HttpApi {
            route: "GET /api/v1/traces/{trace_id}".into(),
            parameters: [("trace_id".into(), "4bf9".into())].into(),
        };
        let event = made(&edge, request, b"");
        assert_eq!(event["headers"]["accept"], "a,b");
        assert_eq!(event["headers"]["transfer-encoding"], Value::Null);
        assert_eq!(event["cookies"], json!(["c=1", "d=2"]));
        assert_eq!(event["rawQueryString"], "a=1&b=x%20y&a=2");
        assert_eq!(event["queryStringParameters"], json!({ "a": "1,2", "b": "x y" }));
        assert_eq!(event["pathParameters"], json!({ "trace_id": "4bf9" }));
        assert_eq!(event["routeKey"], "GET /api/v1/traces/{trace_id}");
        assert_eq!(event["requestContext"]["domainName"], "127.0.0.1:1234");
    }

    #[test]
    fn answers_become_responses_and_what_is_none_is_told() {
        let answer = json!({ "statusCode": 503, "headers": { "retry-after": "3" }, "cookies": ["a=1"], "body": "/w==", "isBase64Encoded": true });
        let response = response(answer.to_string().as_bytes()).expect("an answer");
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (503, b"\xff".as_slice()));
        assert_eq!(
            (&response.headers()["retry-after"], &response.headers()["set-cookie"]),
            (&"3".parse().expect("a value"), &"a=1".parse().expect("a value"))
        );

        assert!(super::response(b"no JSON").is_none());
        assert!(super::response(br#"{"statusCode": 9999}"#).is_none());
        let plain = super::response(br#"{"ok":1}"#).expect("a body");
        assert_eq!((plain.status().as_u16(), plain.body().as_ref()), (200, br#"{"ok":1}"#.as_slice()));
    }
}
