//! What a failed SDK call came to, in words and without the SDK's types.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// A call that failed, after the SDK's own retries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// The service's name of the error, such as `ThrottlingException`; none: the service did not answer.
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
#[cfg_attr(
    not(any(
        feature = "invoke",
        feature = "items",
        feature = "mail",
        feature = "queue",
        feature = "seal",
        feature = "secrets",
        feature = "stack"
    )),
    allow(dead_code, reason = "no door that is opened here needs it")
)]
pub(crate) fn fault<E>(error: SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(answered) = &error else {
        let kind = match &error {
            SdkError::TimeoutError(_) => FaultKind::TimedOut,
            SdkError::ConstructionFailure(_) => FaultKind::Refused,
            _ => FaultKind::Unavailable,
        };
        return Fault { kind, code: None, words: DisplayErrorContext(&error).to_string() };
    };
    let (code, status) = (answered.err().code().unwrap_or("an error without a name"), answered.raw().status().as_u16());
    let words = answered.err().message().unwrap_or("no words").to_owned();
    Fault { kind: kind_of(code, status), code: Some(code.to_owned()), words }
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
