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

/// What a store says of a bucket as a whole, beneath an [`object_store::Error`]. No word on any object in it.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("{said}")]
    Gone { said: String },
    /// `region`: where it is, if the store says so.
    #[error("{said}")]
    Elsewhere { said: String, region: Option<String> },
    /// The key by which it encrypts cannot be used.
    #[error("{said}")]
    Key { said: String },
}

/// Why a project's objects cannot be reached now. Says nothing about any object.
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
    #[error(
        "bucket `{bucket}` of project `{project}` is not there ({why}): if it was deleted, make it again in region {region}, \
         put back what it held if there is a copy, and run `plimsoll bucket connect --project {project}` again; \
         `plimsoll bucket check --project {project}` says more"
    )]
    Gone { project: ProjectId, bucket: String, region: String, why: String },
    #[error(
        "{place} is not the folder that was connected for project `{project}`: {found}; it may have been deleted and made again, \
         by its owner or by somebody else. If it is its owner's, and what it held is given up: `plimsoll bucket connect \
         --project {project}` again, then `plimsoll repair`"
    )]
    NotOurs { project: ProjectId, place: String, found: String },
    #[error(
        "bucket `{bucket}` of project `{project}` is not in region {region} ({why}): run `plimsoll bucket connect --project \
         {project}` again, with the region it is in{}",
        found.as_ref().map(|found| format!(", {found}")).unwrap_or_default()
    )]
    Elsewhere { project: ProjectId, bucket: String, region: String, found: Option<String>, why: String },
    #[error(
        "bucket `{bucket}` of project `{project}` encrypts with a KMS key that cannot be used ({why}): enable the key, and let \
         the role use it as in infra/byo-bucket.yaml; `plimsoll bucket check --project {project}` says more"
    )]
    Key { project: ProjectId, bucket: String, why: String },
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
        match self {
            Self::NotConnected { .. }
            | Self::Role { .. }
            | Self::Refused { .. }
            | Self::Gone { .. }
            | Self::NotOurs { .. }
            | Self::Elsewhere { .. }
            | Self::Key { .. } => true,
            Self::NoAws { .. } | Self::NoKeys { .. } | Self::Unknown { .. } => false,
        }
    }

    /// True if what the bucket held may be gone with it.
    pub fn may_have_lost(&self) -> bool {
        matches!(self, Self::Gone { .. } | Self::NotOurs { .. })
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

impl BucketError {
    /// The one that stands behind an error, if one does.
    pub(crate) fn behind<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| error.downcast_ref())
    }
}

impl From<BucketError> for object_store::Error {
    /// Never `NotFound`, which would be taken for a word on an object.
    fn from(error: BucketError) -> Self {
        Self::Generic { store: "S3", source: Box::new(error) }
    }
}

impl From<RootError> for object_store::Error {
    /// Never `NotFound`, which would be taken for a word on an object.
    fn from(error: RootError) -> Self {
        match error.is_the_owners() {
            true => Self::PermissionDenied { path: String::new(), source: Box::new(error) },
            false => Self::Generic { store: "project's root", source: Box::new(error) },
        }
    }
}

impl fmt::Display for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.at.bucket, self.at.folder(&self.project))
    }
}
