//! What every door to AWS is opened with: region, credentials, endpoints, time-outs and retries, read once a process.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::https::https_client;
#[cfg(feature = "objects")]
use crate::objects::OnePool;
use crate::{Endpoints, InvalidEndpoint, Service};

/// Time from a request to the first byte of its answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for one try, and for a call with all its tries.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Tries of one call, the first included; the pauses between them grow and are drawn at random.
const ATTEMPTS_MAX: u32 = 3;
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Of a region that is none.
const REGION_CHARS_SHOWN: usize = 100;

/// Why AWS cannot be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    #[error("no AWS region is set: set AWS_REGION, or `region` in the AWS profile")]
    NoRegion,
    #[error("AWS_REGION, or `region` in the AWS profile, is `{0}`, which is no region: one looks like `eu-central-1`")]
    Region(String),
    #[error("no AWS credentials are set")]
    NoCredentials,
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
}

/// The way to AWS. Cheap to clone; all clones share connections and credentials.
#[derive(Clone, Debug)]
pub struct Cloud {
    config: SdkConfig,
    endpoints: Endpoints,
    region: Region,
    credentials: SharedCredentialsProvider,
    /// Of all stores on S3: one set of certificates to load.
    #[cfg(feature = "objects")]
    pool: OnePool,
}

impl Cloud {
    /// In Lambda: the function's own role, as its environment says. All other ways to credentials stay out of the function.
    pub fn of_function() -> Result<Self, CloudError> {
        let region =
            std::env::var("AWS_REGION").ok().filter(|region| !region.is_empty()).ok_or(CloudError::NoRegion)?;
        let role = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
        Ok(Self::with_credentials(region, role, Endpoints::of_process()?))
    }

    /// On a person's machine: as the environment and the AWS profile say. Credentials are fetched at the first call, so
    /// missing ones are told by that.
    pub async fn load() -> Result<Self, CloudError> {
        let endpoints = Endpoints::of_process()?;
        let config = aws_config::from_env()
            .http_client(https_client())
            .timeout_config(timeouts())
            .retry_config(retries())
            .load()
            .await;
        Self::of(config, endpoints)
    }

    /// With keys of one's own: emulators, and stores that only speak S3.
    pub fn with_keys(region: impl Into<String>, keys: Credentials, endpoints: Endpoints) -> Self {
        Self::with_credentials(region.into(), SharedCredentialsProvider::new(keys), endpoints)
    }

    fn with_credentials(region: String, credentials: SharedCredentialsProvider, endpoints: Endpoints) -> Self {
        let region = Region::new(region);
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone())
            .credentials_provider(credentials.clone())
            .identity_cache(IdentityCache::lazy().build())
            .http_client(https_client())
            .timeout_config(timeouts())
            .retry_config(retries())
            .build();
        Self::with(config, endpoints, region, credentials)
    }

    /// What the client of a service is made of: `Client::new(&cloud.config(Service::S3))`.
    pub fn config(&self, service: Service) -> SdkConfig {
        let mut config = self.config.to_builder();
        if let Some(url) = self.endpoints.of(service) {
            config.set_endpoint_url(Some(url.to_owned()));
        }
        config.build()
    }

    /// Where a service is reached, if not at AWS itself.
    pub fn endpoint(&self, service: Service) -> Option<&str> {
        self.endpoints.of(service)
    }

    pub fn region(&self) -> &str {
        self.region.as_ref()
    }

    pub fn credentials(&self) -> SharedCredentialsProvider {
        self.credentials.clone()
    }

    fn of(config: SdkConfig, endpoints: Endpoints) -> Result<Self, CloudError> {
        let region = config.region().ok_or(CloudError::NoRegion)?.clone();
        // It becomes a part of host names.
        if model::storage::Region::parse(region.as_ref()).is_err() {
            return Err(CloudError::Region(region.as_ref().chars().take(REGION_CHARS_SHOWN).collect()));
        }
        let credentials = config.credentials_provider().ok_or(CloudError::NoCredentials)?;
        Ok(Self::with(config, endpoints, region, credentials))
    }

    fn with(config: SdkConfig, endpoints: Endpoints, region: Region, credentials: SharedCredentialsProvider) -> Self {
        Self {
            config,
            endpoints,
            region,
            credentials,
            #[cfg(feature = "objects")]
            pool: OnePool::default(),
        }
    }

    #[cfg(feature = "objects")]
    pub(crate) fn pool(&self) -> OnePool {
        self.pool.clone()
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .read_timeout(READ_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX).with_max_backoff(BACKOFF_MAX)
}
