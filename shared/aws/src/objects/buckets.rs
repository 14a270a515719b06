//! The door to owners' buckets on S3.

use std::sync::Arc;

use async_trait::async_trait;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::Client;
use clock::SystemClock;
use objects::{Entrance, OpenBucket, OpenedBucket, RootError};

use super::credentials::SigningKeys;
use super::session::ProjectSession;
use super::store::S3;
use crate::{Cloud, Service};

/// Enters each bucket by a session of its own.
#[derive(Clone, Debug)]
pub struct S3Buckets {
    s3: S3,
    sts: Client,
}

impl S3Buckets {
    pub fn new(cloud: &Cloud) -> Self {
        let sts = Client::new(&cloud.config(Service::Sts));
        Self { s3: S3::of(cloud), sts }
    }
}

#[async_trait]
impl OpenBucket for S3Buckets {
    async fn open(&self, entrance: &Entrance) -> Result<OpenedBucket, RootError> {
        let session = ProjectSession::new(self.sts.clone(), entrance.clone());
        let keys = SigningKeys::new(SharedCredentialsProvider::new(session), Arc::new(SystemClock));
        let at = &entrance.at;
        let store = self.s3.open(at.bucket.as_str(), at.region.as_str(), Arc::new(keys));
        let store = store.map_err(|error| RootError::NoAws { why: error.to_string() })?;
        Ok(OpenedBucket { signer: Some(store.signer()), store: Arc::new(store) })
    }
}
