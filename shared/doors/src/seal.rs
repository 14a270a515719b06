//! Sealing small secrets (an access key of a bucket, a webhook's token) before they are kept in the metadata store.
//!
//! A sealed secret opens only with the context that it was sealed in: one that is copied to another project or another field does
//! not open there. Sealed bytes are the adapter's own; they are kept as they are, and opened by the adapter that sealed them.

use std::collections::BTreeMap;
use std::error::Error;

use async_trait::async_trait;

/// Bytes of a secret: what KMS encrypts directly.
pub const SEALED_BYTES_MAX: usize = 4096;

/// Seals and opens secrets.
#[async_trait]
pub trait Sealer: Send + Sync {
    /// Sealing the same secret twice gives different bytes.
    async fn seal(&self, context: &SealContext, secret: &[u8]) -> Result<Vec<u8>, SealError>;

    /// The secret; refused if the context is another, or the bytes were changed.
    async fn open(&self, context: &SealContext, sealed: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// What a secret belongs to: names and values that are no secrets themselves (AWS writes them to its logs).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealContext(BTreeMap<String, String>);

/// Why a secret was not sealed or not opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("a secret of {bytes} bytes; 1 to {SEALED_BYTES_MAX} are possible")]
    Size { bytes: usize },
    /// Sealed in another context, with another key, or changed since: it is not said which.
    #[error("the sealed secret does not open: it was changed, or belongs elsewhere")]
    DoesNotOpen,
    /// The key is disabled, gone, or not ours to use.
    #[error("the sealing key cannot be used: {0}")]
    Key(String),
    #[error("{what} did not answer")]
    Unavailable {
        what: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl SealContext {
    /// A secret kept in `field` of what `project` owns.
    pub fn new(project: &model::ProjectId, field: &str) -> Self {
        let pairs = [("project", project.as_str()), ("field", field)];
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// By name, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl SealError {
    /// Whether the same call may work a moment later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Refuses what no adapter seals.
pub fn check_size(secret: &[u8]) -> Result<(), SealError> {
    match secret.len() {
        1..=SEALED_BYTES_MAX => Ok(()),
        bytes => Err(SealError::Size { bytes }),
    }
}
