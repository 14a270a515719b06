//! Where a project's data lies: asked with every call on its store, so kept as long as it can be.

use std::sync::Arc;
use std::time::Duration;

use model::ProjectId;
use model::storage::{Connected, ExternalId, Storage};

use super::{Project, ProjectError, Projects, UPDATE_TRIES_MAX, key, put, read};
use crate::cache::Cache;
use crate::{Condition, StoreError};

/// `own` is chosen for good.
const OWN_AGE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Another role of a connected bucket is seen by every process within this.
pub const CONNECTED_AGE_MAX: Duration = Duration::from_secs(20);
/// A bucket that gets connected is used by every process within this.
pub const WAITING_AGE_MAX: Duration = Duration::from_secs(3);
const KEPT_MAX: usize = 10_000;

/// What was read lately, by how long it holds.
pub(super) struct Storages {
    own: Cache<ProjectId, Arc<Storage>>,
    connected: Cache<ProjectId, Arc<Storage>>,
    waiting: Cache<ProjectId, Arc<Storage>>,
}

impl Default for Storages {
    fn default() -> Self {
        let kept = |age_max| Cache::new(age_max, KEPT_MAX);
        Self { own: kept(OWN_AGE_MAX), connected: kept(CONNECTED_AGE_MAX), waiting: kept(WAITING_AGE_MAX) }
    }
}

impl Storages {
    fn get(&self, id: &ProjectId, now: Duration) -> Option<Arc<Storage>> {
        [&self.own, &self.connected, &self.waiting].into_iter().find_map(|kept| kept.get(id, now))
    }

    fn put(&self, id: &ProjectId, storage: &Arc<Storage>, now: Duration) {
        let kept = match storage.as_ref() {
            Storage::Own => &self.own,
            Storage::Bucket(bucket) if bucket.connected.is_some() => &self.connected,
            Storage::Bucket(_) => &self.waiting,
        };
        kept.put(id.clone(), Arc::clone(storage), now);
    }

    /// Before a bucket is connected, or its role changed: `own` never changes.
    fn forget(&self, id: &ProjectId) {
        self.connected.forget(id);
        self.waiting.forget(id);
    }
}

impl Projects {
    /// Where the project's data lies; a change is seen within [`CONNECTED_AGE_MAX`] or [`WAITING_AGE_MAX`].
    pub async fn storage(&self, id: &ProjectId) -> Result<Arc<Storage>, StoreError> {
        let asked_at = self.clock.uptime();
        if let Some(storage) = self.storages.get(id, asked_at) {
            return Ok(storage);
        }
        let project = self.get(id).await?;
        // Never taken for `own`: it may be made with a bucket a moment later.
        let project = project.ok_or_else(|| StoreError::Invalid(format!("there is no project `{id}`")))?;
        let storage = Arc::new(project.storage);
        self.storages.put(id, &storage, asked_at);
        Ok(storage)
    }

    /// Says where a project's bucket is, after its preflight. On condition that it was made to have one, and that none was
    /// connected yet or this is the same bucket and prefix: what was stored must still be found.
    pub async fn connect(
        &self,
        id: &ProjectId,
        external_id: &ExternalId,
        to: &Connected,
    ) -> Result<Project, ProjectError> {
        for _ in 0..UPDATE_TRIES_MAX {
            let item = self.store.get(&key(id)).await?.ok_or_else(|| ProjectError::Missing(id.clone()))?;
            let mut project = read(&item)?;
            let Storage::Bucket(bucket) = &mut project.storage else {
                return Err(ProjectError::NoBucket(id.clone()));
            };
            // It was checked with this one.
            if bucket.external_id != *external_id {
                return Err(ProjectError::Contended(id.clone()));
            }
            if let Some(stands) = &bucket.connected
                && !stands.is_same_place(to)
            {
                return Err(ProjectError::OtherBucket {
                    project: id.clone(),
                    bucket: stands.bucket.to_string(),
                    prefix: stands.prefix.to_string(),
                });
            }
            bucket.connected = Some(to.clone());
            match self.store.write(put(&project).when(Condition::Version(item.version))).await {
                Ok(_) => {
                    self.storages.forget(id);
                    return Ok(project);
                }
                Err(error) if error.is_condition() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ProjectError::Contended(id.clone()))
    }
}
