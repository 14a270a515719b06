//! What a failed SDK call came to, in words and without the SDK's types.

#![cfg_attr(
    not(any(
        feature = "objects",
        feature = "invoke",
        feature = "mail",
        feature = "seal",
        feature = "secrets",
        feature = "stack"
    )),
    allow(dead_code, reason = "no door that is opened here needs it")
)]

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// A call that failed, after the SDK's own retries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// HTTP status; none: no answer came.
    pub status: Option<u16>,
    /// The service's name of the error, such as `ThrottlingException`; none: no answer came, or not from the service itself.
    pub code: Option<String>,
    /// The service's words, or what lies between it and us.
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Not reached, throttled, or an error of the service's own: the same call may work later, and may have taken effect.
    Unavailable,
    /// No answer in time; it may have taken effect.
    TimedOut,
    /// There is nothing to sign the call with.
    NoKeys,
    /// Who calls may not, or is not known.
    Denied,
    /// What is asked for cannot be; nothing was changed.
    Refused,
}

/// Codes of a service that is too busy, whatever their HTTP status.
const BUSY: [&str; 8] = [
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "ProvisionedThroughputExceededException",
    "SlowDown",
    "LimitExceededException",
    "RequestThrottled",
];
/// Codes of a caller who may not call, whatever their HTTP status.
const DENIED: [&str; 9] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
];

/// So that an error stays readable.
const WORDS_CHARS_MAX: usize = 300;

impl Fault {
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{code}: {}", self.words),
            None => f.write_str(&self.words),
        }
    }
}

impl std::error::Error for Fault {}

/// Any operation's error.
pub(crate) fn fault<E>(error: SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(answered) = &error else {
        let (kind, words) = unanswered(&error);
        return Fault { kind, status: None, code: None, words };
    };
    let (code, status) = (answered.err().code().map(str::to_owned), answered.raw().status().as_u16());
    let words = answered.err().message().map_or_else(|| format!("status {status} without words"), str::to_owned);
    Fault { kind: kind_of(code.as_deref().unwrap_or_default(), status), status: Some(status), code, words }
}

/// No answer of the service came: in plain words why not.
fn unanswered<E: std::error::Error + 'static>(error: &SdkError<E, HttpResponse>) -> (FaultKind, String) {
    let sources =
        || std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| (*error).source());
    if let Some(keys) = sources().find_map(|source| source.downcast_ref::<CredentialsError>()) {
        return (FaultKind::NoKeys, no_keys(keys));
    }
    match error {
        SdkError::TimeoutError(_) => (FaultKind::TimedOut, "it did not answer in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (FaultKind::TimedOut, "it did not answer in time".to_owned())
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            let last = sources().last().map(|last| last.to_string().replace('\n', ";")).unwrap_or_default();
            (FaultKind::Unavailable, format!("it cannot be reached: {last}"))
        }
        SdkError::ConstructionFailure(_) => (FaultKind::Refused, causes(error)),
        _ => (FaultKind::Unavailable, causes(error)),
    }
}

/// The SDK's own providers say that they are many and that none had any.
pub(crate) fn no_keys(error: &CredentialsError) -> String {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => "no AWS credentials were found".to_owned(),
        other => format!("the AWS credentials could not be had: {}", causes(other)),
    }
}

/// The SDK's own kinds say little; their sources say which host, and why not.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    let mut words: Vec<String> = sources.map(|source| source.to_string().replace('\n', ";")).collect();
    words.dedup();
    if words.is_empty() { error.to_string() } else { words.join(": ").chars().take(WORDS_CHARS_MAX).collect() }
}

fn kind_of(code: &str, status: u16) -> FaultKind {
    match status {
        _ if BUSY.contains(&code) => FaultKind::Unavailable,
        _ if DENIED.contains(&code) => FaultKind::Denied,
        429 | 500.. => FaultKind::Unavailable,
        401 | 403 => FaultKind::Denied,
        _ => FaultKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_to_blame_is_read_from_code_and_status() {
        for (code, status, kind) in [
            ("ThrottlingException", 400, FaultKind::Unavailable),
            ("InternalError", 500, FaultKind::Unavailable),
            ("AccessDeniedException", 400, FaultKind::Denied),
            ("Forbidden", 403, FaultKind::Denied),
            ("ResourceNotFoundException", 404, FaultKind::Refused),
        ] {
            assert_eq!(kind_of(code, status), kind, "{code}");
        }
    }
}
