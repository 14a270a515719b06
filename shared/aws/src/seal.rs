//! The door `Sealer` as KMS: the key never leaves it, and each use is in CloudTrail with its context.
//!
//! The context is KMS's encryption context, so that a key policy may name it too.

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use doors::{SealContext, SealError, Sealer, check_size};

use crate::fault::{FaultKind, fault};
use crate::{Cloud, Service};

/// What KMS makes of the largest secret fits; more was never sealed by it.
const CIPHERTEXT_BYTES_MAX: usize = 6144;

/// Seals with one KMS key.
pub struct KmsSealer {
    client: Client,
    /// Id, ARN or alias.
    key_id: String,
}

impl Cloud {
    /// `key_id` is an id, an ARN, or `alias/...`.
    pub fn sealer(&self, key_id: &str) -> KmsSealer {
        KmsSealer { client: Client::new(&self.config(Service::Kms)), key_id: key_id.to_owned() }
    }
}

#[async_trait]
impl Sealer for KmsSealer {
    async fn seal(&self, context: &SealContext, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        check_size(secret)?;
        let mut call = self.client.encrypt().key_id(&self.key_id).plaintext(Blob::new(secret));
        for (name, value) in context.pairs() {
            call = call.encryption_context(name, value);
        }
        let sealed = call.send().await.map_err(|error| not_done(fault(error)))?;
        sealed.ciphertext_blob.map(Blob::into_inner).ok_or_else(nothing)
    }

    async fn open(&self, context: &SealContext, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        if !(1..=CIPHERTEXT_BYTES_MAX).contains(&sealed.len()) {
            return Err(SealError::DoesNotOpen);
        }
        let mut call = self.client.decrypt().key_id(&self.key_id).ciphertext_blob(Blob::new(sealed));
        for (name, value) in context.pairs() {
            call = call.encryption_context(name, value);
        }
        let opened = call.send().await.map_err(|error| not_done(fault(error)))?;
        opened.plaintext.map(Blob::into_inner).ok_or_else(nothing)
    }
}

fn not_done(fault: crate::Fault) -> SealError {
    if fault.is("InvalidCiphertextException") || fault.is("IncorrectKeyException") {
        return SealError::DoesNotOpen;
    }
    match fault.kind {
        FaultKind::Unavailable | FaultKind::TimedOut | FaultKind::NoKeys => {
            SealError::Unavailable { what: "KMS", source: Box::new(fault) }
        }
        FaultKind::Denied | FaultKind::Refused => SealError::Key(fault.to_string()),
    }
}

fn nothing() -> SealError {
    SealError::Key("KMS answered without a text".to_owned())
}
