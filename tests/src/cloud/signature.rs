//! Whether a request is signed as a function URL with `AuthType: AWS_IAM` asks: SigV4, recomputed here from its description
//! and by no library that signs.

use std::collections::BTreeMap;

use clock::{Clock, SystemClock};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use ring::{digest, hmac};

use super::REGION;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "lambda";
/// How far a signature's time may be away.
const SKEW_MAX_S: i64 = 300;

/// Secrets of those who may call, by the ids of their access keys.
#[derive(Clone, Debug, Default)]
pub struct Signers(BTreeMap<String, String>);

/// Why a request is turned away, with 403 and these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    #[error("Forbidden")]
    NoSignature,
    #[error("Credential should be scoped to correct service: 'lambda', and to a valid region.")]
    Scope,
    #[error("The security token included in the request is invalid.")]
    Unknown,
    #[error("Signature expired, or not yet current.")]
    Time,
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."
    )]
    Mismatch,
}

/// What `authorization` holds.
struct Claim<'h> {
    access_key_id: &'h str,
    /// `<date>/<region>/<service>/aws4_request`
    scope: &'h str,
    signed_headers: &'h str,
    signature: &'h str,
}

impl Signers {
    pub fn with(mut self, access_key_id: &str, secret: &str) -> Self {
        self.0.insert(access_key_id.to_owned(), secret.to_owned());
        self
    }

    pub fn check(&self, request: &Parts, body: &[u8]) -> Result<(), NotSigned> {
        let claim = request.headers.get(AUTHORIZATION).and_then(|value| claim(value.to_str().ok()?));
        let claim = claim.ok_or(NotSigned::NoSignature)?;
        let at = text(request, "x-amz-date").ok_or(NotSigned::NoSignature)?;
        if claim.scope != format!("{}/{REGION}/{SERVICE}/aws4_request", &at[..at.len().min(8)]) {
            return Err(NotSigned::Scope);
        }
        let secret = self.0.get(claim.access_key_id).ok_or(NotSigned::Unknown)?;
        let signed_at = chrono::NaiveDateTime::parse_from_str(&at, "%Y%m%dT%H%M%SZ").map_err(|_| NotSigned::Time)?;
        let away_s = SystemClock.now() / 1_000_000 - signed_at.and_utc().timestamp();
        if away_s.abs() > SKEW_MAX_S {
            return Err(NotSigned::Time);
        }
        let names: Vec<&str> = claim.signed_headers.split(';').collect();
        let must =
            ["x-amz-security-token", "x-amz-date"].into_iter().filter(|name| request.headers.contains_key(*name));
        if !names.contains(&HOST.as_str()) || must.into_iter().any(|name| !names.contains(&name)) {
            return Err(NotSigned::Mismatch);
        }
        let canonical = canonical(request, &names, claim.signed_headers, body).ok_or(NotSigned::Mismatch)?;
        let to_sign = format!("{ALGORITHM}\n{at}\n{}\n{}", claim.scope, sha256(canonical.as_bytes()));
        let key = claim.scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
        if hex(&hmac(&key, &to_sign)) == claim.signature { Ok(()) } else { Err(NotSigned::Mismatch) }
    }
}

fn claim(header: &str) -> Option<Claim<'_>> {
    let parts = header.strip_prefix(ALGORITHM)?.trim().split(',').map(str::trim);
    let parts: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
    let (access_key_id, scope) = parts.get("Credential")?.split_once('/')?;
    Some(Claim {
        access_key_id,
        scope,
        signed_headers: parts.get("SignedHeaders")?,
        signature: parts.get("Signature")?,
    })
}

/// None: a header that is said to be signed is not there.
fn canonical(request: &Parts, names: &[&str], signed_headers: &str, body: &[u8]) -> Option<String> {
    let headers: Option<Vec<String>> =
        names.iter().map(|name| Some(format!("{name}:{}\n", text(request, name)?))).collect();
    let query = request.uri.query().unwrap_or_default();
    let mut query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (encoded(&name, ""), encoded(&value, "")))
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(format!(
        "{}\n{}\n{}\n{}\n{signed_headers}\n{}",
        request.method,
        encoded(request.uri.path(), "/"),
        query.join("&"),
        headers?.concat(),
        sha256(body),
    ))
}

fn text(request: &Parts, name: &str) -> Option<String> {
    let values: Option<Vec<&str>> =
        request.headers.get_all(name).iter().map(|value| value.to_str().ok().map(str::trim)).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.join(","))
}

/// Everything but what RFC 3986 leaves unreserved, and `kept`.
fn encoded(text: &str, kept: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-_.~".contains(c) || kept.contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws::{Cloud, Endpoints, Unsigned};
    use aws_credential_types::Credentials;
    use http::Request;

    use super::*;

    fn request(url: &str, headers: &[(String, String)]) -> Parts {
        let mut request = Request::post(url).header("host", "127.0.0.1:4318");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[tokio::test]
    async fn the_command_line_s_signature_holds_for_the_very_request_it_was_made_for() {
        const URL: &str = "http://127.0.0.1:4318/v1/logs?b=2%20x&a=1";
        let signers = Signers::default().with("AKIAOPERATOR", "secret");
        for (token, id, secret, expected) in [
            (None, "AKIAOPERATOR", "secret", Ok(())),
            (Some("session"), "AKIAOPERATOR", "secret", Ok(())),
            (None, "AKIAOPERATOR", "other", Err(NotSigned::Mismatch)),
            (None, "AKIASTRANGER", "secret", Err(NotSigned::Unknown)),
        ] {
            let keys = Credentials::new(id, secret, token.map(str::to_owned), None, "test");
            let signer = Cloud::with_keys(REGION, keys, Endpoints::default()).signer(Arc::new(SystemClock));
            let headers = [("x-api-key", "pl_i_1")];
            let unsigned = Unsigned { method: "POST", url: URL, headers: &headers, body: b"{}" };
            let mut signed = signer.sign(unsigned).await.expect("signed");
            signed.push(("x-api-key".to_owned(), "pl_i_1".to_owned()));
            assert_eq!(signers.check(&request(URL, &signed), b"{}"), expected, "{token:?} {id}");
            if expected.is_ok() {
                assert_eq!(signers.check(&request(URL, &signed), b"{ }"), Err(NotSigned::Mismatch), "another body");
                let other = URL.replace("a=1", "a=2");
                assert_eq!(signers.check(&request(&other, &signed), b"{}"), Err(NotSigned::Mismatch), "another query");
                signed.last_mut().expect("the key").1 = "pl_i_2".to_owned();
                assert_eq!(signers.check(&request(URL, &signed), b"{}"), Err(NotSigned::Mismatch), "another key");
            }
        }
        assert_eq!(signers.check(&request(URL, &[]), b"{}"), Err(NotSigned::NoSignature));
        let keys = Credentials::new("AKIAOPERATOR", "secret", None, None, "test");
        let elsewhere = Cloud::with_keys("us-east-1", keys, Endpoints::default()).signer(Arc::new(SystemClock));
        let unsigned = Unsigned { method: "POST", url: URL, headers: &[], body: b"{}" };
        let signed = elsewhere.sign(unsigned).await.expect("signed");
        assert_eq!(signers.check(&request(URL, &signed), b"{}"), Err(NotSigned::Scope));
    }
}
