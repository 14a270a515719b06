//! The owners' buckets that a process has open: one store a project, as long as its role stays the same.
//!
//! A bucket's name is anybody's once the bucket was deleted. So before a folder is used, and again once in a while, its mark is
//! read: one that was made again does not bear it, and nothing is written there or taken for lost.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Clock, SystemClock};
use meta::projects::Projects;
use model::storage::Storage;
use model::{InstallationId, ProjectId, storage::OwnersBucket};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error, ObjectStore};

use crate::bucket::{BucketError, Entrance, OpenBucket, OpenedBucket, RootError};
use crate::owner::{OwnerError, owner_of};

/// Most buckets kept open; above it all are opened anew, which costs each a call to STS.
const OPEN_MAX: usize = 10_000;

/// A mark that was seen is believed for this long: one GET a minute of each bucket that a process uses.
const MARK_AGE_MAX: Duration = Duration::from_secs(60);

/// Cheap to clone: clones share what is open.
#[derive(Clone)]
pub(crate) struct Buckets {
    projects: Arc<Projects>,
    door: Arc<dyn OpenBucket>,
    open: Arc<Mutex<HashMap<ProjectId, Open>>>,
}

#[derive(Clone)]
struct Open {
    entrance: Entrance,
    bucket: OpenedBucket,
    /// The project's folder in it.
    root: Arc<dyn ObjectStore>,
    /// When the folder was last seen to bear our mark, by [`Clock::uptime`]. Whoever reads the mark holds it.
    mark_seen_at: Arc<tokio::sync::Mutex<Option<Duration>>>,
}

impl Buckets {
    pub(crate) fn new(projects: Arc<Projects>, door: Arc<dyn OpenBucket>) -> Self {
        Self { projects, door, open: Arc::default() }
    }

    /// How to enter the project's bucket; none: its data lies in the installation's own root.
    pub(crate) async fn entrance(&self, project: &ProjectId) -> Result<Option<Entrance>, RootError> {
        let storage = self.projects.storage(project).await;
        let storage = storage.map_err(|source| RootError::Unknown { project: project.clone(), source })?;
        match storage.as_ref() {
            Storage::Own => Ok(None),
            Storage::Bucket(OwnersBucket { external_id, connected: Some(at) }) => {
                Ok(Some(Entrance { project: project.clone(), external_id: external_id.clone(), at: at.clone() }))
            }
            Storage::Bucket(_) => Err(RootError::NotConnected { project: project.clone() }),
        }
    }

    /// The project's folder in its bucket, which bears our mark.
    pub(crate) async fn root(&self, entrance: &Entrance) -> Result<Arc<dyn ObjectStore>, Error> {
        let open = self.enter(entrance).await?;
        if let Some(ours) = &entrance.at.marked_by {
            let mut seen_at = open.mark_seen_at.lock().await;
            let now = SystemClock.uptime();
            if seen_at.is_none_or(|at| now.saturating_sub(at) > MARK_AGE_MAX) {
                *seen_at = None;
                entrance.bears_the_mark_of(ours, open.root.as_ref()).await?;
                *seen_at = Some(now);
            }
        }
        Ok(open.root)
    }

    /// An error of the bucket in words for its owner. One that is not there is looked at anew when it is.
    pub(crate) fn explained(&self, entrance: &Entrance, error: Error) -> Error {
        let error = entrance.explained(error);
        if matches!(RootError::behind(&error), Some(RootError::Gone { .. })) {
            self.all().remove(&entrance.project);
        }
        error
    }

    /// The whole bucket, for what is no call on a store.
    pub(crate) async fn bucket(&self, entrance: &Entrance) -> Result<OpenedBucket, RootError> {
        Ok(self.enter(entrance).await?.bucket)
    }

    async fn enter(&self, entrance: &Entrance) -> Result<Open, RootError> {
        if let Some(open) = self.opened(entrance) {
            return Ok(open);
        }
        let bucket = self.door.open(entrance).await?;
        let folder = Path::from(entrance.at.folder(&entrance.project));
        let root = Arc::new(PrefixStore::new(Arc::clone(&bucket.store), folder));
        let mut all = self.all();
        // Two that came together use one, and so one session.
        if let Some(open) = all.get(&entrance.project).filter(|open| open.entrance == *entrance) {
            return Ok(open.clone());
        }
        if all.len() >= OPEN_MAX {
            all.clear();
        }
        let open = Open { entrance: entrance.clone(), bucket, root, mark_seen_at: Arc::default() };
        all.insert(entrance.project.clone(), open.clone());
        Ok(open)
    }

    fn opened(&self, entrance: &Entrance) -> Option<Open> {
        self.all().get(&entrance.project).filter(|open| open.entrance == *entrance).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<ProjectId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").finish_non_exhaustive()
    }
}

impl Entrance {
    /// An error that says so, if it does not.
    async fn bears_the_mark_of(&self, ours: &InstallationId, root: &dyn ObjectStore) -> Result<(), Error> {
        let found = match owner_of(root).await {
            Ok(Some(mark)) if mark.installation == *ours => return Ok(()),
            Ok(Some(mark)) => format!("it belongs to another Plimsoll, {mark}"),
            Ok(None) => "it does not bear this installation's mark".to_owned(),
            Err(OwnerError::Store { source, .. }) => return Err(self.explained(source)),
            Err(error) => error.to_string(),
        };
        Err(RootError::NotOurs { project: self.project.clone(), place: self.to_string(), found }.into())
    }

    /// An error of the bucket, with what its owner can do if it lies with the owner.
    fn explained(&self, error: Error) -> Error {
        if RootError::behind(&error).is_some() {
            return error;
        }
        let (project, bucket) = (self.project.clone(), self.at.bucket.to_string());
        let region = self.at.region.to_string();
        match (BucketError::behind(&error), &error) {
            (Some(BucketError::Gone { said }), _) => {
                RootError::Gone { project, bucket, region, why: shortened(said) }.into()
            }
            (Some(BucketError::Elsewhere { said, region: found }), _) => {
                RootError::Elsewhere { project, bucket, region, found: found.clone(), why: shortened(said) }.into()
            }
            (Some(BucketError::Key { said }), _) => RootError::Key { project, bucket, why: shortened(said) }.into(),
            (None, Error::PermissionDenied { source, .. } | Error::Unauthenticated { source, .. }) => {
                let (role_arn, why) = (self.at.role_arn.to_string(), shortened(&source.to_string()));
                RootError::Refused { project, bucket, role_arn, why }.into()
            }
            _ => error,
        }
    }
}

/// What S3 says is XML of any length.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 400;
    text.chars().take(CHARS_MAX).collect()
}
