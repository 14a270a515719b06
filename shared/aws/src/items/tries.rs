//! How often a call is tried, how long it pauses in between, and what its failures mean.
//!
//! A busy store (throttling, conflicts with other writers) and one that does not answer are asked again, after pauses that
//! grow and are drawn at random; a store that refuses is not.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use clock::{Clock, Ids, RandomIds};
use meta::StoreError;

use crate::fault::{Fault, fault};

/// Tries of one call, the first included.
pub(super) const TRIES_MAX: u32 = 10;
/// No try begins later than this after the first.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);
/// The pause after the first try is drawn from zero to this, after each further one to twice as much, up to the greatest.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Why a try came to nothing.
pub(super) struct Trouble {
    pub(super) kind: Kind,
    fault: Fault,
}

/// What a failed try means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing was done; in a moment it may be.
    Busy,
    /// It may have been done.
    Unheard,
    /// Nothing was done, and trying again would not change that: a missing permission, a missing table.
    Denied,
    /// We asked what no store can do.
    Invalid,
}

impl Trouble {
    pub(super) fn of<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        Self::of_kind(kind_of(&error), error)
    }

    pub(super) fn of_kind<E>(kind: Kind, error: SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        Self { kind, fault: fault(error) }
    }
}

fn kind_of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Kind {
    match error {
        // No request was made: no credentials, for one.
        SdkError::ConstructionFailure(_) => Kind::Denied,
        SdkError::ServiceError(answer) => kind_of_code(answer.err().code(), answer.raw().status().as_u16()),
        // Time-outs, broken connections, answers that do not read.
        _ => Kind::Unheard,
    }
}

fn kind_of_code(code: Option<&str>, status: u16) -> Kind {
    match code {
        Some(
            "TransactionConflictException"
            | "ReplicatedWriteConflictException"
            | "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "Throttling"
            | "RequestLimitExceeded"
            | "LimitExceededException",
        ) => Kind::Busy,
        // An earlier try of the same call is still under way.
        Some("TransactionInProgressException") => Kind::Unheard,
        Some("ValidationException" | "SerializationException" | "IdempotentParameterMismatchException") => {
            Kind::Invalid
        }
        _ if status >= 500 => Kind::Unheard,
        _ => Kind::Denied,
    }
}

/// The tries of one call.
pub(super) struct Tries<'a> {
    clock: &'a dyn Clock,
    act: &'static str,
    began: Duration,
    made: u32,
    /// Some try may have been done although it was not answered.
    pub(super) unheard: bool,
}

impl<'a> Tries<'a> {
    pub(super) fn new(clock: &'a dyn Clock, act: &'static str) -> Self {
        Self { clock, act, began: clock.uptime(), made: 0, unheard: false }
    }

    /// Pauses before another try, or says why there is none.
    pub(super) async fn again_after(&mut self, trouble: Trouble) -> Result<(), StoreError> {
        self.made += 1;
        self.unheard |= trouble.kind == Kind::Unheard;
        match trouble.kind {
            Kind::Invalid => return Err(StoreError::Invalid(format!("DynamoDB: {}: {}", self.act, trouble.fault))),
            Kind::Denied => return Err(self.unavailable(trouble)),
            Kind::Busy | Kind::Unheard => {}
        }
        let pause = pause_after(self.made, &RandomIds);
        if self.made >= TRIES_MAX || self.clock.uptime().saturating_sub(self.began) + pause > BEGIN_WITHIN {
            return Err(self.unavailable(trouble));
        }
        tracing::debug!(act = self.act, tries = self.made, why = %trouble.fault, "DynamoDB is asked again");
        self.clock.sleep(pause).await;
        Ok(())
    }

    fn unavailable(&self, trouble: Trouble) -> StoreError {
        StoreError::Unavailable {
            context: format!("DynamoDB: {}, tried {} times: {}", self.act, self.made, trouble.fault),
            may_have_happened: self.unheard,
            source: Some(Box::new(trouble.fault)),
        }
    }
}

/// Anything from nothing to the full pause, so that rivals do not meet again.
fn pause_after(tries: u32, ids: &dyn Ids) -> Duration {
    let full = PAUSE_FIRST.saturating_mul(1 << (tries - 1).min(16)).min(PAUSE_MAX);
    let drawn = u32::from_be_bytes(*ids.secret().first_chunk().expect("a secret is 32 bytes"));
    full.mul_f64(f64::from(drawn) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_means() {
        let cases = [
            (Some("TransactionConflictException"), 400, Kind::Busy),
            (Some("ProvisionedThroughputExceededException"), 400, Kind::Busy),
            (Some("ThrottlingException"), 400, Kind::Busy),
            (Some("RequestLimitExceeded"), 400, Kind::Busy),
            (Some("TransactionInProgressException"), 400, Kind::Unheard),
            (Some("InternalServerError"), 500, Kind::Unheard),
            (None, 503, Kind::Unheard),
            (Some("AccessDeniedException"), 400, Kind::Denied),
            (Some("ResourceNotFoundException"), 400, Kind::Denied),
            (Some("ExpiredTokenException"), 400, Kind::Denied),
            (Some("ValidationException"), 400, Kind::Invalid),
            (Some("IdempotentParameterMismatchException"), 400, Kind::Invalid),
        ];
        for (code, status, kind) in cases {
            assert_eq!(kind_of_code(code, status), kind, "{code:?} with {status}");
        }
    }

    #[test]
    fn pauses_grow_to_their_bound_and_differ() {
        let full = |tries: u32| PAUSE_FIRST.saturating_mul(1_u32 << (tries - 1)).min(PAUSE_MAX);
        for tries in 1..=TRIES_MAX {
            let pauses: Vec<_> = (0..50).map(|_| pause_after(tries, &RandomIds)).collect();
            assert!(pauses.iter().all(|pause| *pause <= full(tries)), "{tries}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{tries}");
        }
        assert!(pause_after(u32::MAX, &RandomIds) <= PAUSE_MAX);
    }
}
