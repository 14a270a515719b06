//! One bucket as `object_store` sees it: conditional PUTs, bounded tries and times.
//!
//! A create-only PUT whose reply was lost may be tried again by the library and is then refused on account of our own
//! object. The write path knows: it believes no answer to a commit and reads back.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::credentials::SigningKeys;
use super::pool::OnePool;
use super::truthful::Truthful;
use crate::{Cloud, Service};

/// Tries of one call after the first, and the time in which the last may begin.
const RETRIES_MAX: usize = 4;
const RETRY_WITHIN: Duration = Duration::from_secs(15);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LONGEST: Duration = Duration::from_secs(2);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Time for one try, with all of its bytes. A try on which nothing happens ends sooner: see `impatient`.
const CALL_WITHIN: Duration = Duration::from_secs(60);

/// Why no store can be made of a place.
#[derive(Debug, thiserror::Error)]
#[error("bucket {bucket} cannot be reached as it is set up: {source}")]
pub struct S3StoreError {
    bucket: String,
    #[source]
    source: object_store::Error,
}

/// How S3 is reached: at AWS, or where the environment says.
#[derive(Clone, Debug)]
pub(crate) struct S3 {
    endpoint: Option<String>,
    connector: OnePool,
}

impl S3 {
    pub(crate) fn of(cloud: &Cloud) -> Self {
        Self { endpoint: cloud.endpoint(Service::S3).map(str::to_owned), connector: cloud.pool() }
    }

    /// A bucket, every call on it signed with `keys`.
    pub(crate) fn open(&self, bucket: &str, region: &str, keys: Arc<SigningKeys>) -> Result<Truthful, S3StoreError> {
        let backoff = BackoffConfig { init_backoff: BACKOFF_FIRST, max_backoff: BACKOFF_LONGEST, base: 2.0 };
        let retry = RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_WITHIN };
        let options = ClientOptions::new().with_timeout(CALL_WITHIN).with_connect_timeout(CONNECT_WITHIN);
        let builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_client_options(options)
            .with_retry(retry)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_credentials(keys.clone())
            .with_http_connector(self.connector.clone());
        let builder = match &self.endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://")),
            // A dot in the name does not fit the certificate of a host per bucket.
            None => builder.with_virtual_hosted_style_request(!bucket.contains('.')),
        };
        let builder = match (&self.endpoint, china(bucket, region)) {
            (None, Some(host)) => builder.with_endpoint(host),
            _ => builder,
        };
        let store = builder.build().map_err(|source| S3StoreError { bucket: bucket.to_owned(), source })?;
        Ok(Truthful::new(store, keys))
    }
}

/// AWS in China has a domain of its own, which `object_store` does not know.
fn china(bucket: &str, region: &str) -> Option<String> {
    let host = region.starts_with("cn-").then(|| format!("s3.{region}.amazonaws.com.cn"))?;
    Some(if bucket.contains('.') { format!("https://{host}") } else { format!("https://{bucket}.{host}") })
}
