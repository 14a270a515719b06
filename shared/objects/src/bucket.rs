//! Buckets that projects' owners bring: how one is entered, and what is said when that does not work.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use meta::StoreError;
use model::ProjectId;
use model::storage::{Connected, ExternalId};
use object_store::ObjectStore;
use object_store::signer::Signer;

use crate::{Claim, Preflight};

/// What it takes to enter the bucket of one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    pub project: ProjectId,
    pub external_id: ExternalId,
    pub at: Connected,
}

/// A bucket as one project may use it.
#[derive(Clone, Debug)]
pub struct OpenedBucket {
    /// Paths are relative to the bucket. Outside the project's folder everything is refused.
    pub store: Arc<dyn ObjectStore>,
    /// Makes links to its objects; none: this kind of store has none.
    pub signer: Option<Arc<dyn Signer>>,
}

/// Enters buckets: by AssumeRole on AWS, in memory in tests.
#[async_trait]
pub trait OpenBucket: Send + Sync + 'static {
    /// The bucket, entered as this project and as nobody else: what is opened here is used for no other. Asks nobody yet
    /// whether the role may be taken; each call on the store says so.
    async fn open(&self, entrance: &Entrance) -> Result<OpenedBucket, RootError>;
}

/// Looks into buckets before they are connected, and when somebody asks what is wrong.
#[async_trait]
pub trait CheckBucket: Send + Sync + 'static {
    /// The account whose roles enter buckets: an owner's role trusts it.
    async fn account(&self) -> Result<String, RootError>;

    /// Tries everything that Plimsoll needs of the bucket, then claims the project's folder in it if all of it passed; leaves
    /// nothing behind but the mark of that claim.
    async fn preflight(&self, entrance: &Entrance, claim: &Claim) -> Preflight;
}

/// Why a project's objects cannot be reached now. Says nothing about any object, and nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error(
        "the bucket of project `{project}` is not connected yet: deploy infra/byo-bucket.yaml in its account, then run \
         `plimsoll bucket connect --project {project}` with what it prints"
    )]
    NotConnected { project: ProjectId },
    #[error(
        "role {role_arn} of project `{project}` cannot be assumed ({why}): see that the role is there, and that it trusts \
         Plimsoll with the external id of this project; `plimsoll bucket check --project {project}` says more"
    )]
    Role { project: ProjectId, role_arn: String, why: String },
    #[error(
        "bucket `{bucket}` refuses role {role_arn} of project `{project}` ({why}): give the role its permissions back as in \
         infra/byo-bucket.yaml; `plimsoll bucket check --project {project}` says more"
    )]
    Refused { project: ProjectId, bucket: String, role_arn: String, why: String },
    #[error("AWS cannot be used by this process: {why}")]
    NoAws { why: String },
    #[error("calls cannot be signed: {why}")]
    NoKeys { why: String },
    #[error("the metadata store did not say where the data of project `{project}` lies")]
    Unknown {
        project: ProjectId,
        #[source]
        source: StoreError,
    },
}

impl RootError {
    /// True if the project's owner can do something about it, and asking again at once is of no use.
    pub fn is_the_owners(&self) -> bool {
        matches!(self, Self::NotConnected { .. } | Self::Role { .. } | Self::Refused { .. })
    }

    /// The one that stands behind an error, if one does.
    pub fn behind<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(root) = error.downcast_ref::<Self>() {
                return Some(root);
            }
            next = error.source();
        }
        None
    }
}

impl From<RootError> for object_store::Error {
    /// Never `NotFound`, which would be taken for a word on an object.
    fn from(error: RootError) -> Self {
        match error {
            RootError::NotConnected { .. } | RootError::Role { .. } | RootError::Refused { .. } => {
                Self::PermissionDenied { path: String::new(), source: Box::new(error) }
            }
            RootError::NoAws { .. } | RootError::NoKeys { .. } | RootError::Unknown { .. } => {
                Self::Generic { store: "project's root", source: Box::new(error) }
            }
        }
    }
}

impl fmt::Display for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.at.bucket, self.at.folder(&self.project))
    }
}
