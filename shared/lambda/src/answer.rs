//! A response as the answer of an HTTP event: plain text where it is text, base64 only where it must be.

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, SET_COOKIE};
use http::response::Parts;
use http::{HeaderMap, HeaderValue};
use serde_json::value::{RawValue, to_raw_value};

/// What Lambda takes as one answer; above it the caller would be told of an error of ours, without any words.
pub(crate) const ANSWER_BYTES_MAX: usize = 6_291_556;

/// None: larger than Lambda takes.
pub(crate) fn whole(head: Parts, body: Bytes) -> Option<Box<RawValue>> {
    let mut answer = ApiGatewayV2httpResponse::default();
    answer.status_code = head.status.as_u16().into();
    let is_compressed = head.headers.contains_key(CONTENT_ENCODING);
    (answer.headers, answer.cookies) = one_value_each(head.headers);
    (answer.body, answer.is_base64_encoded) = match String::from_utf8(body.into()) {
        Ok(text) if text.is_empty() => (None, false),
        Ok(text) if !is_compressed => (Some(encodings::Body::Text(text)), false),
        Ok(text) => (Some(encodings::Body::Binary(text.into())), true),
        Err(binary) => (Some(encodings::Body::Binary(binary.into_bytes())), true),
    };
    let json = to_raw_value(&answer).expect("headers were made text above, and the rest is plain fields");
    (json.get().len() <= ANSWER_BYTES_MAX).then_some(json)
}

/// An answer has one value a header: several are joined as HTTP allows; cookies, of which that is not true, go apart.
pub(crate) fn one_value_each(headers: HeaderMap) -> (HeaderMap, Vec<String>) {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let cookies = headers.get_all(SET_COOKIE).iter().map(text).collect();
    let mut joined = HeaderMap::with_capacity(headers.keys_len());
    for name in headers.keys().filter(|name| **name != SET_COOKIE) {
        let values: Vec<String> = headers.get_all(name).iter().map(text).collect();
        if let Ok(value) = HeaderValue::from_str(&values.join(", ")) {
            joined.insert(name, value);
        }
    }
    (joined, cookies)
}

#[cfg(test)]
mod tests {
    use http::Response;
    use serde_json::{Value, json};

    use super::*;

    fn answered(headers: &[(&'static str, &'static str)], body: &[u8]) -> Option<Value> {
        let (mut head, ()) = Response::new(()).into_parts();
        for (name, value) in headers {
            head.headers.append(*name, HeaderValue::from_static(value));
        }
        whole(head, Bytes::copy_from_slice(body)).map(|json| serde_json::from_str(json.get()).expect("JSON"))
    }

    #[test]
    fn text_stays_text_and_only_the_rest_is_base64() {
        let cases: [(&[(&str, &str)], &[u8], Value, bool); 5] = [
            (&[("content-type", "application/json")], b"{\"a\":1}", json!("{\"a\":1}"), false),
            (&[("content-type", "application/x-ndjson")], b"{}\n{}\n", json!("{}\n{}\n"), false),
            (&[("content-type", "application/x-protobuf")], &[8, 255], json!("CP8="), true),
            (&[("content-encoding", "gzip")], b"ab", json!("YWI="), true),
            (&[("content-type", "application/x-protobuf")], b"", Value::Null, false),
        ];
        for (headers, body, expected, is_base64) in cases {
            let answer = answered(headers, body).expect("small");
            assert_eq!(answer["statusCode"], 200);
            assert_eq!((&answer["body"], &answer["isBase64Encoded"]), (&expected, &json!(is_base64)), "{headers:?}");
        }
    }

    #[test]
    fn several_values_of_a_header_all_arrive() {
        let headers = [("vary", "origin"), ("vary", "accept"), ("set-cookie", "a=1, x"), ("set-cookie", "b=2")];
        let answer = answered(&headers, b"").expect("small");
        assert_eq!(answer["headers"], json!({"vary": "origin, accept"}));
        assert_eq!(answer["cookies"], json!(["a=1, x", "b=2"]));
    }

    #[test]
    fn an_answer_over_the_limit_is_none() {
        assert!(answered(&[], &vec![b'a'; ANSWER_BYTES_MAX - 200]).is_some());
        assert!(answered(&[], &vec![b'a'; ANSWER_BYTES_MAX]).is_none());
        assert!(answered(&[], &vec![b'"'; ANSWER_BYTES_MAX / 2]).is_none(), "a quote takes two bytes");
    }
}
