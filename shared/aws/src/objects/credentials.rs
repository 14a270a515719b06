//! Credentials as `object_store` wants them: asked with every call, so kept, and renewed well before they end.
//!
//! One renewal at a time; whoever comes meanwhile uses what is still good. A provider that refuses is left alone for a
//! moment, so that one project whose role is gone does not use up STS for the others.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use clock::Clock;
use model::Micros;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use objects::RootError;

use crate::fault::no_keys;

/// Renewed when less than this is left; a session lasts an hour.
const RENEW_BEFORE: Duration = Duration::from_secs(15 * 60);
/// Not used with less than this left: a call with its retries takes as long.
const USED_UNTIL: Duration = Duration::from_secs(90);
/// A refused renewal is not tried again for this long.
const REFUSED_FOR: Duration = Duration::from_secs(3);
/// Credentials that S3 refuses are drawn anew at most this often: a role that was made again refuses older sessions.
const RENEW_REFUSED_AFTER: Duration = Duration::from_secs(10);
/// Time for one renewal, its retries included.
const RENEW_WITHIN: Duration = Duration::from_secs(20);

/// The credentials of one store.
pub(crate) struct SigningKeys {
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    /// Whoever renews holds it.
    renewal: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    keys: Option<Keys>,
    /// The last refusal and when, by [`Clock::uptime`].
    refused: Option<(Duration, Refusal)>,
}

#[derive(Clone)]
struct Keys {
    aws: Arc<AwsCredential>,
    /// None: they last as long as the process.
    ends_at: Option<Micros>,
    /// By [`Clock::uptime`].
    drawn_at: Duration,
}

/// Why a provider gave none; told to everybody who asks for a while.
#[derive(Clone)]
struct Refusal(Arc<dyn StdError + Send + Sync>);

enum State {
    Good(Keys),
    /// Still good; to be renewed by one who has time.
    Ageing(Keys),
    Refused(Refusal),
    Gone,
}

impl SigningKeys {
    pub(crate) fn new(provider: SharedCredentialsProvider, clock: Arc<dyn Clock>) -> Self {
        Self { provider, clock, held: Mutex::default(), renewal: tokio::sync::Mutex::default() }
    }

    /// S3 refused them: the next call draws new ones, unless these are new already.
    pub(crate) fn refused_by_s3(&self) {
        let now = self.clock.uptime();
        let mut held = self.held();
        if held.keys.as_ref().is_some_and(|keys| now.saturating_sub(keys.drawn_at) >= RENEW_REFUSED_AFTER) {
            held.keys = None;
        }
    }

    async fn keys(&self) -> Result<Keys, Refusal> {
        match self.state() {
            State::Good(keys) => Ok(keys),
            State::Refused(refusal) => Err(refusal),
            State::Ageing(keys) => match self.renewal.try_lock() {
                Ok(_renewal) => Ok(self.renew().await.unwrap_or(keys)),
                Err(_) => Ok(keys),
            },
            State::Gone => {
                let _renewal = self.renewal.lock().await;
                match self.state() {
                    State::Good(keys) | State::Ageing(keys) => Ok(keys),
                    State::Refused(refusal) => Err(refusal),
                    State::Gone => self.renew().await,
                }
            }
        }
    }

    fn state(&self) -> State {
        let (now, uptime) = (self.clock.now(), self.clock.uptime());
        let held = self.held();
        let left = |keys: &Keys| keys.ends_at.map_or(Duration::MAX, |ends_at| until(ends_at, now));
        let refused = held.refused.as_ref().filter(|(at, _)| uptime.saturating_sub(*at) < REFUSED_FOR);
        match (&held.keys, refused) {
            (Some(keys), _) if left(keys) > RENEW_BEFORE => State::Good(keys.clone()),
            (Some(keys), Some(_)) if left(keys) > USED_UNTIL => State::Good(keys.clone()),
            (Some(keys), None) if left(keys) > USED_UNTIL => State::Ageing(keys.clone()),
            (_, Some((_, refusal))) => State::Refused(refusal.clone()),
            (_, None) => State::Gone,
        }
    }

    async fn renew(&self) -> Result<Keys, Refusal> {
        let drawn_at = self.clock.uptime();
        let given = tokio::time::timeout(RENEW_WITHIN, self.provider.provide_credentials()).await;
        let given = match given {
            Ok(given) => given.map_err(refusal),
            Err(_) => {
                Err(Refusal(Arc::new(RootError::NoKeys { why: "the AWS credentials did not come in time".to_owned() })))
            }
        };
        let mut held = self.held();
        match given {
            Ok(given) => {
                let keys = Keys { aws: Arc::new(signing(&given)), ends_at: given.expiry().map(micros), drawn_at };
                *held = Held { keys: Some(keys.clone()), refused: None };
                Ok(keys)
            }
            Err(refusal) => {
                held.refused = Some((self.clock.uptime(), refusal.clone()));
                Err(refusal)
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CredentialProvider for SigningKeys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        match self.keys().await {
            Ok(keys) => Ok(keys.aws),
            Err(refusal) => Err(refusal.into_error()),
        }
    }
}

impl Refusal {
    fn into_error(self) -> object_store::Error {
        match RootError::behind(&self) {
            Some(RootError::Role { .. }) => {
                object_store::Error::PermissionDenied { path: String::new(), source: Box::new(self) }
            }
            _ => object_store::Error::Generic { store: "S3", source: Box::new(self) },
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no credentials to sign the call with")
    }
}

impl StdError for Refusal {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.0.as_ref())
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// A project's session says why by itself.
fn refusal(error: CredentialsError) -> Refusal {
    match RootError::behind(&error) {
        Some(_) => Refusal(Arc::new(error)),
        None => Refusal(Arc::new(RootError::NoKeys { why: no_keys(&error) })),
    }
}

fn signing(given: &Credentials) -> AwsCredential {
    AwsCredential {
        key_id: given.access_key_id().to_owned(),
        secret_key: given.secret_access_key().to_owned(),
        token: given.session_token().map(str::to_owned),
    }
}

fn micros(at: std::time::SystemTime) -> Micros {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}

fn until(ends_at: Micros, now: Micros) -> Duration {
    Duration::from_micros(u64::try_from(ends_at.saturating_sub(now)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;

    use aws_credential_types::provider::future;
    use clock::ManualClock;
    use model::ProjectId;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Gives sessions of an hour, numbered, unless it is told to refuse.
    struct Role {
        clock: Arc<ManualClock>,
        asked: AtomicU64,
        refuses: Mutex<bool>,
    }

    impl fmt::Debug for Role {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Role")
        }
    }

    impl ProvideCredentials for Role {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let n = self.asked.fetch_add(1, Ordering::SeqCst);
            if *self.refuses.lock().expect("no panic") {
                let project = ProjectId::parse("shop").expect("an id");
                let error = RootError::Role { project, role_arn: "arn".to_owned(), why: "AccessDenied".to_owned() };
                return future::ProvideCredentials::ready(Err(CredentialsError::provider_error(error)));
            }
            let now = Duration::from_micros(u64::try_from(self.clock.now()).expect("after 1970"));
            let ends_at: SystemTime = UNIX_EPOCH + now + HOUR;
            future::ProvideCredentials::ready(Ok(Credentials::new(
                format!("key-{n}"),
                "s",
                None,
                Some(ends_at),
                "role",
            )))
        }
    }

    struct World {
        clock: Arc<ManualClock>,
        role: Arc<Role>,
        keys: SigningKeys,
    }

    fn world() -> World {
        let clock = Arc::new(ManualClock::new(1_763_600_000_000_000));
        let role = Arc::new(Role { clock: Arc::clone(&clock), asked: AtomicU64::new(0), refuses: Mutex::new(false) });
        let provider = SharedCredentialsProvider::new(Arc::clone(&role) as Arc<dyn ProvideCredentials>);
        World { keys: SigningKeys::new(provider, clock.clone()), clock, role }
    }

    impl World {
        async fn key(&self) -> Result<String, object_store::Error> {
            self.keys.get_credential().await.map(|keys| keys.key_id.clone())
        }

        fn refuse(&self, refuses: bool) {
            *self.role.refuses.lock().expect("no panic") = refuses;
        }

        fn pass(&self, minutes: u64) {
            self.clock.advance(Duration::from_secs(60 * minutes));
        }
    }

    #[tokio::test]
    async fn a_session_is_kept_and_renewed_well_before_it_ends() {
        let world = world();
        assert_eq!(world.key().await.expect("given"), "key-0");
        world.pass(44);
        assert_eq!(world.key().await.expect("kept"), "key-0");
        world.pass(2);
        assert_eq!(world.key().await.expect("renewed"), "key-1");
        assert_eq!(world.role.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_renewal_that_fails_leaves_the_session_until_its_end() {
        let world = world();
        world.key().await.expect("given");
        world.refuse(true);
        world.pass(50);
        assert_eq!(world.key().await.expect("still good"), "key-0");
        assert_eq!(world.key().await.expect("still good"), "key-0");
        assert_eq!(world.role.asked.load(Ordering::SeqCst), 2, "not asked again at once");
        world.pass(9);
        let error = world.key().await.expect_err("too old");
        assert!(matches!(error, object_store::Error::PermissionDenied { .. }), "{error:?}");
        assert!(matches!(RootError::behind(&error), Some(RootError::Role { .. })), "{error:?}");
    }

    #[tokio::test]
    async fn a_role_that_comes_back_is_taken_again_within_seconds() {
        let world = world();
        world.refuse(true);
        for _ in 0..10 {
            world.key().await.expect_err("refused");
        }
        assert_eq!(world.role.asked.load(Ordering::SeqCst), 1);
        world.refuse(false);
        world.clock.advance(REFUSED_FOR);
        assert_eq!(world.key().await.expect("given"), "key-1");
    }

    #[tokio::test]
    async fn a_session_that_s3_refuses_is_drawn_anew_but_not_with_every_call() {
        let world = world();
        world.key().await.expect("given");
        world.keys.refused_by_s3();
        assert_eq!(world.key().await.expect("new already"), "key-0");
        world.clock.advance(RENEW_REFUSED_AFTER);
        world.keys.refused_by_s3();
        assert_eq!(world.key().await.expect("drawn anew"), "key-1");
    }
}
