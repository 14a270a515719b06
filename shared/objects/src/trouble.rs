//! What a failed call on a bucket comes to, in plain words, and what to do about it.
//!
//! Only for trouble with the bucket as a whole: no credentials, nobody there, no answer, no such bucket, another region,
//! access denied. What is left is said as the store said it.

use std::error::Error as StdError;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use crate::RootError;

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub what: String,
    pub advice: String,
}

/// So that an error stays readable: S3 answers with pages of XML, of any length.
const CHARS_MAX: usize = 600;
const NO_KEYS: &str = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` shows \
                       who you are";
const UNREACHABLE: &str = "is the network there? AWS_REGION, and AWS_ENDPOINT_URL_S3 if it is set, say where S3 is";
/// What to do about a store that does not answer.
pub(crate) const SILENT: &str = "try again in a moment; if it stays silent, see what lies between here and there (proxy, firewall, VPC \
                      endpoint), and that AWS_ENDPOINT_URL_S3, if it is set, names a store that speaks S3";
const NO_BUCKET: &str = "see that its name is right, and that it was not deleted; Plimsoll makes no buckets";
const UNKNOWN_KEYS: &str = "see that access key id and secret belong together and are still valid, and that they are for this \
                            endpoint";
const OTHER_REGION: &str = "set AWS_REGION to the bucket's region (of a project's own bucket: connect it with that region); `aws \
                            s3api get-bucket-location --bucket NAME` says which it is";

impl Trouble {
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }

    /// None: the error is about something else than the bucket as a whole and the way to it.
    pub fn with_bucket(error: &Error) -> Option<Self> {
        match RootError::behind(error) {
            Some(RootError::NoKeys { why }) => return Some(Self::new(why, NO_KEYS)),
            Some(root) => return Some(Self::new(root.to_string(), "see to that, and try again")),
            None => {}
        }
        let text = chain(error);
        let host = host_in(&text).unwrap_or("S3");
        match transport(error) {
            Some(HttpErrorKind::Connect) => {
                return Some(Self::new(format!("{host} cannot be reached: {}", root_cause(error)), UNREACHABLE));
            }
            Some(HttpErrorKind::Timeout) => return Some(Self::new(format!("{host} did not answer in time"), SILENT)),
            _ => {}
        }
        let code = |code: &str| text.contains(code);
        if code("NoSuchBucket") {
            return Some(Self::new("there is no such bucket", NO_BUCKET));
        }
        if code("redirect without LOCATION") || code("PermanentRedirect") || code("AuthorizationHeaderMalformed") {
            let region = between(&text, "<Region>", "</Region>").map(|region| format!(", {region}"));
            let what = format!("the bucket is in another region{}", region.unwrap_or_default());
            return Some(Self::new(what, OTHER_REGION));
        }
        if code("InvalidAccessKeyId") || code("SignatureDoesNotMatch") || code("InvalidToken") || code("ExpiredToken") {
            return Some(Self::new(format!("S3 does not take the credentials ({})", said(error)), UNKNOWN_KEYS));
        }
        None
    }

    /// The same; else that the caller may not `act` if it was refused, with what it must be allowed; else what was said.
    pub fn of(error: &Error, act: &str, permissions: &str) -> Self {
        if let Some(trouble) = Self::with_bucket(error) {
            return trouble;
        }
        match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Self::new(
                format!("access denied: these credentials may not {act} ({})", said(error)),
                format!("allow {permissions}, in the caller's own policy and in the bucket's"),
            ),
            _ => Self::new(format!("cannot {act}: {}", said(error)), "see what the store says, and try again"),
        }
    }
}

/// The words of the store on one line: of an error page its code and message; else the cause at the bottom, since what wraps it
/// says where the call went and how often.
pub(crate) fn said(error: &(dyn StdError + 'static)) -> String {
    let text = chain(error);
    let page = (between(&text, "<Code>", "</Code>"), between(&text, "<Message>", "</Message>"));
    let said = match page {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => return RootError::behind(error).map_or_else(|| root_cause(error), RootError::to_string),
    };
    said.chars().take(CHARS_MAX).collect()
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let said = cause.to_string();
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text.replace('\n', " ")
}

/// The error itself first.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn transport(error: &(dyn StdError + 'static)) -> Option<HttpErrorKind> {
    causes(error).filter_map(|error| error.downcast_ref::<HttpError>()).map(HttpError::kind).next()
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let last = causes(error).last().unwrap_or(error);
    last.to_string().replace('\n', " ").chars().take(CHARS_MAX).collect()
}

/// `https://host:port` of the first URL in a text.
fn host_in(text: &str) -> Option<&str> {
    let from = text.find("https://").or_else(|| text.find("http://"))?;
    let scheme = text[from..].find("://")? + 3;
    let end = text[from + scheme..].find(|c: char| c == '/' || c.is_whitespace());
    Some(&text[from..end.map_or(text.len(), |end| from + scheme + end)])
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    let from = text.find(start)? + start.len();
    let to = from + text[from..].find(end)?;
    Some(&text[from..to])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str);

    #[derive(Debug, thiserror::Error)]
    #[error("Error performing GET http://10.0.0.1:9000/b/k in 3s, after 4 retries")]
    struct Tried(#[source] HttpError);

    fn generic(source: impl StdError + Send + Sync + 'static) -> Error {
        Error::Generic { store: "S3", source: Box::new(source) }
    }

    fn denied(said: &'static str) -> Error {
        Error::PermissionDenied { path: "k".to_owned(), source: Box::new(Said(said)) }
    }

    #[test]
    fn trouble_with_a_bucket_is_said_in_plain_words() {
        let transport = |kind, said| generic(Tried(HttpError::new(kind, Said(said))));
        let no_keys = RootError::NoKeys { why: "no AWS credentials were found".to_owned() };
        for (error, what, advice) in [
            (no_keys.into(), "no AWS credentials were found", "AWS_PROFILE"),
            (
                transport(HttpErrorKind::Connect, "Connection refused (os error 111)"),
                "http://10.0.0.1:9000 cannot be reached: Connection refused (os error 111)",
                "AWS_ENDPOINT_URL_S3",
            ),
            (transport(HttpErrorKind::Timeout, "x"), "http://10.0.0.1:9000 did not answer in time", "try again"),
            (generic(Said("NoSuchBucket: The specified bucket does not exist")), "there is no such bucket", "its name"),
            (
                generic(Said("<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>")),
                "the bucket is in another region, eu-west-1",
                "AWS_REGION",
            ),
            (
                denied("InvalidAccessKeyId: The key does not exist in our records."),
                "S3 does not take the credentials (InvalidAccessKeyId: The key does not exist in our records.)",
                "belong together",
            ),
            (
                denied("AccessDenied: Access Denied"),
                "access denied: these credentials may not write an object (AccessDenied: Access Denied)",
                "allow s3:PutObject",
            ),
        ] {
            let trouble = Trouble::of(&error, "write an object", "s3:PutObject below the prefix");
            assert!(trouble.what.contains(what), "{} | {what}", trouble.what);
            assert!(trouble.advice.contains(advice), "{}", trouble.advice);
        }
        let other = Trouble::of(&generic(Said("<Code>Odd</Code><Message>odd</Message>")), "list", "s3:ListBucket");
        assert_eq!(other.what, "cannot list: Odd: odd");
    }
}
