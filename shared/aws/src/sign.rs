//! HTTP requests signed with SigV4, for function URLs that ask for it (`AuthType: AWS_IAM`).
//!
//! The signature takes the header `authorization`, so an API key goes into another one.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use clock::Clock;
use tokio::sync::Mutex;

use crate::Cloud;

/// What signatures for function URLs name.
const SERVICE: &str = "lambda";
/// Credentials are fetched anew so long before they expire.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// Signs with the credentials of a [`Cloud`], which it keeps while they are fresh.
pub struct Signer {
    region: String,
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<Credentials>>,
}

/// A request as it will be sent.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'r> {
    pub method: &'r str,
    pub url: &'r str,
    /// Those that the signature covers, beside the host.
    pub headers: &'r [(&'r str, &'r str)],
    pub body: &'r [u8],
}

/// Why a request cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("there are no AWS credentials to sign with")]
    Credentials(#[from] CredentialsError),
    #[error("the request cannot be signed")]
    Request(#[from] SigningError),
}

impl Cloud {
    pub fn signer(&self, clock: Arc<dyn Clock>) -> Signer {
        Signer { region: self.region().to_owned(), provider: self.credentials(), clock, kept: Mutex::default() }
    }
}

impl Signer {
    /// The headers to be added; the signature holds for five minutes.
    pub async fn sign(&self, request: Unsigned<'_>) -> Result<Vec<(String, String)>, SignError> {
        let now = UNIX_EPOCH + Duration::from_micros(u64::try_from(self.clock.now()).unwrap_or(0));
        let identity = self.credentials(now).await?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .expect("all of them are set")
            .into();
        let Unsigned { method, url, headers, body } = request;
        let signable = SignableRequest::new(method, url, headers.iter().copied(), SignableBody::Bytes(body))?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers.iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
    }

    async fn credentials(&self, now: std::time::SystemTime) -> Result<Credentials, CredentialsError> {
        let mut kept = self.kept.lock().await;
        if let Some(fresh) = kept.as_ref().filter(|kept| kept.expiry().is_none_or(|expiry| now + FRESH_FOR < expiry)) {
            return Ok(fresh.clone());
        }
        let fetched = self.provider.provide_credentials().await?;
        *kept = Some(fetched.clone());
        Ok(fetched)
    }
}

/// Without the credentials.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;

    use aws_credential_types::provider::{self, future};
    use clock::ManualClock;

    use super::*;

    /// Each one it hands out is good for an hour of the clock.
    #[derive(Debug, Default)]
    struct Hourly(Arc<AtomicU64>);

    impl ProvideCredentials for Hourly {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let n = self.0.fetch_add(1, Ordering::SeqCst);
            let expires: SystemTime = UNIX_EPOCH + Duration::from_secs(3_600 * (n + 1));
            let keys = Credentials::new(format!("AKIA{n}"), "secret", Some("token".into()), Some(expires), "test");
            future::ProvideCredentials::ready(provider::Result::Ok(keys))
        }
    }

    #[tokio::test]
    async fn a_signature_names_service_region_and_headers_and_takes_new_credentials_before_the_old_ones_end() {
        let (clock, fetched) = (Arc::new(ManualClock::new(0)), Arc::new(AtomicU64::new(0)));
        let signer = Signer {
            region: "eu-central-1".to_owned(),
            provider: SharedCredentialsProvider::new(Hourly(Arc::clone(&fetched))),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            kept: Mutex::default(),
        };
        for (pass_s, n_fetched) in [(0, 1), (3_500, 1), (50, 2), (0, 2)] {
            clock.advance(Duration::from_secs(pass_s));
            let headers = [("x-api-key", "k")];
            let request = Unsigned { method: "POST", url: "https://h/v1/logs", headers: &headers, body: b"{}" };
            let signed = signer.sign(request).await.expect("signed");
            let of = |name: &str| &signed.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).expect("there").1;
            let n = n_fetched - 1;
            let scope = format!("AWS4-HMAC-SHA256 Credential=AKIA{n}/19700101/eu-central-1/lambda/aws4_request, ");
            assert!(of("authorization").starts_with(&scope), "{signed:?}");
            assert!(of("authorization").contains("SignedHeaders=host;x-amz-date;x-amz-security-token;x-api-key, "));
            assert_eq!(of("x-amz-security-token"), "token");
            assert_eq!(fetched.load(Ordering::SeqCst), n_fetched);
        }
    }
}
