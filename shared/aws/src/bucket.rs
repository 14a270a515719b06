//! Looking into an owner's bucket before it is connected: may the role be taken, is the region right, how are objects
//! encrypted, and does the bucket do what Plimsoll needs of a store.
//!
//! With nothing but the permissions that the write path has, so what passes here works there.

use async_trait::async_trait;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use clock::{Ids, RandomIds, SystemClock, within};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use objects::{CheckBucket, Claim, Entrance, OpenBucket, Preflight, RootError, STEP_WITHIN, Trouble, try_root};
use tokio::sync::OnceCell;

use crate::fault::{causes, fault};
use crate::objects::{ProjectSession, S3Buckets};
use crate::{Cloud, Service};

const CHANGE_ROLE: &str = "deploy infra/byo-bucket.yaml in the bucket's account with the parameters that this project shows: \
                           the role must be there, and trust Plimsoll's account with this project's external id";

const USES_AWS: &str =
    "see that this Plimsoll has AWS credentials and a region, and that AWS can be reached from where it runs";

/// Preflights as this process.
pub struct S3BucketCheck {
    cloud: Cloud,
    buckets: S3Buckets,
    account: OnceCell<String>,
}

impl S3BucketCheck {
    pub fn new(cloud: &Cloud) -> Self {
        Self { cloud: cloud.clone(), buckets: S3Buckets::new(cloud), account: OnceCell::new() }
    }

    /// One PUT by the SDK, whose answer says what `object_store` does not: region and encryption.
    async fn written(&self, entrance: &Entrance, keys: SharedCredentialsProvider, preflight: &mut Preflight) -> bool {
        let at = &entrance.at;
        let endpoint = self.cloud.endpoint(Service::S3);
        let config = aws_sdk_s3::config::Builder::from(&self.cloud.config(Service::S3))
            .region(Region::new(at.region.to_string()))
            .credentials_provider(keys)
            .force_path_style(endpoint.is_some() || at.bucket.as_str().contains('.'))
            .build();
        let key = format!("{}/probe/{}", at.folder(&entrance.project), RandomIds.fresh());
        let put = Client::from_conf(config).put_object().bucket(at.bucket.as_str()).key(&key);
        let put = put.body(ByteStream::from_static(b"probe")).send();
        match within(&SystemClock, STEP_WITHIN, put).await {
            Some(Ok(put)) => {
                preflight.good(
                    "region",
                    match endpoint {
                        // AWS takes no PUT for a bucket of another region.
                        None => format!("the bucket is in {}", at.region),
                        Some(endpoint) => {
                            format!("{endpoint} took a PUT for {}; where that is it does not say", at.region)
                        }
                    },
                );
                encryption(entrance, &put, preflight);
                self.remove(entrance, &key).await;
                true
            }
            Some(Err(error)) => {
                refused(entrance, error, preflight);
                false
            }
            None => {
                preflight.hung("put");
                false
            }
        }
    }

    async fn remove(&self, entrance: &Entrance, key: &str) {
        let remove = async {
            match self.buckets.open(entrance).await {
                Ok(bucket) => bucket.store.delete(&Path::from(key)).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        };
        let removed = within(&SystemClock, STEP_WITHIN, remove).await;
        if let Err(error) = removed.unwrap_or_else(|| Err("no answer".to_owned())) {
            // The preflight's own delete says it to the owner.
            tracing::info!(%entrance, key, error, "a probe was left behind");
        }
    }
}

#[async_trait]
impl CheckBucket for S3BucketCheck {
    async fn account(&self) -> Result<String, RootError> {
        let asked = self.account.get_or_try_init(|| async {
            let sts = aws_sdk_sts::Client::new(&self.cloud.config(Service::Sts));
            let identity = sts.get_caller_identity().send().await;
            let identity = identity.map_err(|error| RootError::NoAws { why: fault(error).to_string() })?;
            identity.account.ok_or_else(|| RootError::NoAws { why: "STS names no account".to_owned() })
        });
        asked.await.cloned()
    }

    async fn preflight(&self, entrance: &Entrance, claim: &Claim) -> Preflight {
        let mut preflight = Preflight::default();
        let sts = aws_sdk_sts::Client::new(&self.cloud.config(Service::Sts));
        let session = ProjectSession::new(sts, entrance.clone());
        let keys = match within(&SystemClock, STEP_WITHIN, session.provide_credentials()).await {
            Some(Ok(keys)) => SharedCredentialsProvider::new(keys),
            Some(Err(error)) => {
                preflight.bad("role", no_session(&error));
                return preflight;
            }
            None => {
                preflight.hung("role");
                return preflight;
            }
        };
        preflight.good("role", format!("{} is assumed with this project's external id", entrance.at.role_arn));
        if !self.written(entrance, keys, &mut preflight).await {
            return preflight;
        }
        match self.buckets.open(entrance).await {
            Ok(bucket) => {
                let root = PrefixStore::new(bucket.store, Path::from(entrance.at.folder(&entrance.project)));
                try_root(&root, claim, &SystemClock, &RandomIds, &mut preflight).await;
            }
            Err(error) => preflight.bad("put", Trouble::new(error.to_string(), USES_AWS)),
        }
        preflight
    }
}

/// A role that is not to be had: its owner sees to that, unless it is AWS that cannot be asked.
fn no_session(error: &CredentialsError) -> Trouble {
    match RootError::behind(error) {
        Some(error @ RootError::Role { .. }) => Trouble::new(error.to_string(), CHANGE_ROLE),
        Some(error) => Trouble::new(error.to_string(), USES_AWS),
        None => Trouble::new(causes(error), USES_AWS),
    }
}

fn encryption(entrance: &Entrance, put: &PutObjectOutput, preflight: &mut Preflight) {
    const NAME: &str = "encryption";
    match (put.server_side_encryption().map(|kind| kind.as_str()), put.ssekms_key_id(), &entrance.at.kms_key_arn) {
        (Some(kind), Some(key), _) => preflight.good(NAME, format!("{kind} with {key}")),
        (Some(kind), None, None) => preflight.good(NAME, kind),
        (found, None, Some(key)) => {
            let with = found.unwrap_or("nothing that the store names");
            let what = format!("objects are encrypted with {with}, not with {key}");
            preflight.bad(
                NAME,
                Trouble::new(what, "make that key the bucket's default encryption, or connect without a key"),
            );
        }
        (None, _, None) => preflight.good(NAME, "the store does not say; Amazon S3 encrypts every object"),
        (None, Some(key), Some(_)) => preflight.good(NAME, key),
    }
}

/// A PUT that the bucket refused, in words for its owner.
fn refused(entrance: &Entrance, error: SdkError<PutObjectError, HttpResponse>, preflight: &mut Preflight) {
    let at = &entrance.at;
    let region = error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region"));
    if let Some(region) = region.filter(|region| *region != at.region.as_str()) {
        let what = format!("bucket `{}` is in {region}, not in {}", at.bucket, at.region);
        preflight.bad("region", Trouble::new(what, format!("connect it with region {region}")));
        return;
    }
    let fault = fault(error);
    let what = fault.to_string();
    let (name, advice) = match fault.code.as_deref() {
        Some("NoSuchBucket") => ("put", "see that the bucket's name is right, and that it was not deleted"),
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed") => ("region", "connect it with the region it is in"),
        Some(_) if what.contains("kms:") || what.contains("KMS") => (
            "encryption",
            "the bucket encrypts with a KMS key: see that it is enabled, connect the bucket with that key's ARN, and let the role \
             use the key (kms:GenerateDataKey and kms:Decrypt)",
        ),
        Some("AccessDenied") => {
            ("put", "allow the role s3:PutObject below the prefix, in its own policy and in the bucket's")
        }
        Some(_) => ("put", "see what S3 says; nothing was connected"),
        None => ("put", "is the network there, and S3's endpoint right? Nothing was connected"),
    };
    preflight.bad(name, Trouble::new(what, advice));
}
