//! The session of one project in its owner's account: AssumeRole with the project's external id, and a policy for the
//! project's folder only.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_sts::Client;
use objects::{Entrance, RootError};

use super::policy::session_policy;
use crate::fault::{Fault, FaultKind, fault};

/// The longest that STS gives to one who has a role already, as a function has.
pub const SESSION_DURATION: Duration = Duration::from_secs(3_600);
const SESSION_NAME_CHARS_MAX: usize = 64;

/// Draws sessions of one project, and of no other.
pub(crate) struct ProjectSession {
    sts: Client,
    entrance: Entrance,
}

impl ProjectSession {
    pub(crate) fn new(sts: Client, entrance: Entrance) -> Self {
        Self { sts, entrance }
    }

    async fn draw(&self) -> Result<Credentials, CredentialsError> {
        let Entrance { project, external_id, at } = &self.entrance;
        let assumed = self
            .sts
            .assume_role()
            .role_arn(at.role_arn.as_str())
            .role_session_name(session_name(project.as_str()))
            .external_id(external_id.as_str())
            .policy(session_policy(project, at))
            .duration_seconds(i32::try_from(SESSION_DURATION.as_secs()).expect("an hour"))
            .send()
            .await;
        let given = match assumed {
            Ok(assumed) => assumed.credentials,
            Err(error) => {
                let fault = fault(error);
                tracing::warn!(%project, role_arn = %at.role_arn, error = %fault, "role not assumed");
                return Err(CredentialsError::provider_error(self.refused(&fault)));
            }
        };
        let given =
            given.ok_or_else(|| CredentialsError::provider_error(self.role_error("STS gave no credentials")))?;
        let ends_at = std::time::SystemTime::try_from(given.expiration).ok();
        let token = Some(given.session_token);
        Ok(Credentials::new(given.access_key_id, given.secret_access_key, token, ends_at, "plimsoll-byo"))
    }

    /// Whether the role's owner can do something about it, or STS did not answer.
    fn refused(&self, fault: &Fault) -> RootError {
        match &fault.code {
            Some(_) => self.role_error(&fault.to_string()),
            None if fault.kind == FaultKind::NoKeys => RootError::NoKeys { why: fault.words.clone() },
            None => RootError::NoAws { why: format!("STS: {}", fault.words) },
        }
    }

    fn role_error(&self, why: &str) -> RootError {
        let Entrance { project, at, .. } = &self.entrance;
        RootError::Role { project: project.clone(), role_arn: at.role_arn.to_string(), why: why.to_owned() }
    }
}

impl ProvideCredentials for ProjectSession {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.draw())
    }
}

impl fmt::Debug for ProjectSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectSession").field("project", &self.entrance.project).finish_non_exhaustive()
    }
}

/// By which the owner knows the project in CloudTrail.
fn session_name(project: &str) -> String {
    format!("plimsoll-{project}").chars().take(SESSION_NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_after_its_project_within_the_limit() {
        assert_eq!(session_name("shop"), "plimsoll-shop");
        assert_eq!(session_name(&"a".repeat(63)).len(), 64);
    }
}
