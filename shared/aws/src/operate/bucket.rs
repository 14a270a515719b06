//! How the bucket is set up.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;

use super::table::Protection;
use crate::fault::{Fault, fault};
use crate::{Cloud, Service};

/// What is promised of the bucket by the template, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketFacts {
    /// All four ways of making it public are blocked.
    pub public_access_blocked: Protection,
    /// Life-cycle rules that delete objects: there must be none, since the ledger decides what goes.
    pub expiring_rules: Vec<String>,
}

impl Cloud {
    pub async fn bucket_facts(&self, bucket: &str) -> Result<BucketFacts, Fault> {
        let mut config = Builder::from(&self.config(Service::S3));
        // Only AWS itself has a host name for each bucket.
        config.set_force_path_style(self.endpoint(Service::S3).map(|_| true));
        let client = Client::from_conf(config.build());
        let blocked = match client.get_public_access_block().bucket(bucket).send().await.map_err(fault) {
            Ok(answer) => answer.public_access_block_configuration.is_some_and(|block| {
                [
                    block.block_public_acls,
                    block.ignore_public_acls,
                    block.block_public_policy,
                    block.restrict_public_buckets,
                ]
                .iter()
                .all(|blocked| *blocked == Some(true))
            }),
            Err(fault) if fault.is("NoSuchPublicAccessBlockConfiguration") => false,
            Err(fault) => return Err(fault),
        };
        let rules = match client.get_bucket_lifecycle_configuration().bucket(bucket).send().await.map_err(fault) {
            Ok(answer) => answer.rules.unwrap_or_default(),
            Err(fault) if fault.is("NoSuchLifecycleConfiguration") => Vec::new(),
            Err(fault) => return Err(fault),
        };
        let deletes = |rule: &aws_sdk_s3::types::LifecycleRule| {
            rule.expiration.as_ref().is_some_and(|when| when.days.is_some() || when.date.is_some())
        };
        let name =
            |rule: aws_sdk_s3::types::LifecycleRule| rule.id.unwrap_or_else(|| "a rule without a name".to_owned());
        Ok(BucketFacts {
            public_access_blocked: blocked.into(),
            expiring_rules: rules.into_iter().filter(deletes).map(name).collect(),
        })
    }
}
