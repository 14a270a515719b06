//! Projects: the unit of isolation.
//!
//! | partition | sort key | item |
//! |---|---|---|
//! | `projects` | `<project id>` | `{v: 1, name, created_at, settings: {...}, storage?: {...}}`, see [`model::ProjectSettings`] and [`model::Storage`] |
//!
//! An item is never deleted, and creating one needs the place to be empty: so no id is used twice.

mod storage;

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use model::storage::{ExternalId, OwnersBucket};
use model::{Micros, ProjectId, ProjectSettings, Storage};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::items::{attributes, parse};
use crate::{Condition, Item, ItemKey, ItemStore, Operation, SortRange, StoreError};

pub use storage::{CONNECTED_AGE_MAX, WAITING_AGE_MAX};

use storage::Storages;

/// A change of the settings is seen by every process within this.
pub const SETTINGS_AGE_MAX: Duration = Duration::from_secs(20);
const SETTINGS_KEPT_MAX: usize = 10_000;
const UPDATE_TRIES_MAX: u32 = 5;
/// Projects read at a time where all are wanted.
const IDS_PAGE: usize = 100;
const PARTITION: &str = "projects";
const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    pub id: ProjectId,
    /// For people.
    pub name: String,
    pub created_at: Micros,
    pub settings: ProjectSettings,
    /// Chosen when it was made, for good.
    pub storage: Storage,
}

/// At most as many as asked for, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectPage {
    pub projects: Vec<Project>,
    /// For the next call; none: that was the last page.
    pub next: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("project id `{0}` is taken, and ids are never reused")]
    Taken(ProjectId),
    #[error("there is no project `{0}`")]
    Missing(ProjectId),
    #[error("project `{0}` was changed by others again and again; nothing was changed")]
    Contended(ProjectId),
    #[error(
        "project `{0}` keeps its data in this installation's own storage; that was chosen when it was created, for good"
    )]
    NoBucket(ProjectId),
    #[error("project `{project}` has its data in bucket `{bucket}` below `{prefix}/`; bucket and prefix stay for good")]
    OtherBucket { project: ProjectId, bucket: String, prefix: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    name: String,
    created_at: Micros,
    #[serde(default)]
    settings: ProjectSettings,
    #[serde(default, skip_serializing_if = "is_own")]
    storage: Storage,
}

/// The acts on projects.
pub struct Projects {
    store: Arc<dyn ItemStore>,
    clock: Arc<dyn Clock>,
    /// Of new projects.
    defaults: ProjectSettings,
    settings: Cache<ProjectId, Arc<ProjectSettings>>,
    storages: Storages,
}

impl Projects {
    pub fn new(store: Arc<dyn ItemStore>, clock: Arc<dyn Clock>) -> Self {
        let settings = Cache::new(SETTINGS_AGE_MAX, SETTINGS_KEPT_MAX);
        Self { store, clock, defaults: ProjectSettings::default(), settings, storages: Storages::default() }
    }

    /// New projects begin with these settings.
    #[must_use]
    pub fn with_defaults(self, defaults: ProjectSettings) -> Self {
        Self { defaults, ..self }
    }

    /// With default settings, and its data below the installation's own root; on condition that the id was never used.
    pub async fn create(&self, id: &ProjectId, name: &str) -> Result<Project, ProjectError> {
        self.create_in(id, name, Storage::Own).await
    }

    /// The same, with its data in a bucket of its owner's, to be connected later.
    pub async fn create_for_bucket(
        &self,
        id: &ProjectId,
        name: &str,
        external_id: ExternalId,
    ) -> Result<Project, ProjectError> {
        self.create_in(id, name, Storage::Bucket(OwnersBucket { external_id, connected: None })).await
    }

    async fn create_in(&self, id: &ProjectId, name: &str, storage: Storage) -> Result<Project, ProjectError> {
        let project = Project {
            id: id.clone(),
            name: name.to_owned(),
            created_at: self.clock.now(),
            settings: self.defaults.clone(),
            storage,
        };
        match self.store.write(put(&project).when(Condition::Absent)).await {
            Ok(_) => Ok(project),
            Err(error) if error.is_condition() => Err(ProjectError::Taken(id.clone())),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn get(&self, id: &ProjectId) -> Result<Option<Project>, StoreError> {
        self.store.get(&key(id)).await?.as_ref().map(read).transpose()
    }

    /// At most `limit` projects after `after`, a `next` of an earlier page.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<ProjectPage, StoreError> {
        let page = self.store.query(PARTITION, &SortRange::All, after, limit).await?;
        Ok(ProjectPage { projects: page.items.iter().map(read).collect::<Result<_, _>>()?, next: page.next })
    }

    /// The ids of all projects, sorted.
    pub async fn ids(&self) -> Result<Vec<ProjectId>, StoreError> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = self.list(after.as_deref(), IDS_PAGE).await?;
            ids.extend(page.projects.into_iter().map(|project| project.id));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(ids),
            }
        }
    }

    /// Name and settings as `change` leaves them; on condition that nobody else changed them in between, else again.
    pub async fn update(&self, id: &ProjectId, change: impl Fn(&mut Project)) -> Result<Project, ProjectError> {
        for _ in 0..UPDATE_TRIES_MAX {
            let item = self.store.get(&key(id)).await?.ok_or_else(|| ProjectError::Missing(id.clone()))?;
            let stood = read(&item)?;
            let mut project = stood.clone();
            change(&mut project);
            let project = Project { id: stood.id, created_at: stood.created_at, storage: stood.storage, ..project };
            match self.store.write(put(&project).when(Condition::Version(item.version))).await {
                Ok(_) => {
                    self.settings.forget(id);
                    return Ok(project);
                }
                Err(error) if error.is_condition() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ProjectError::Contended(id.clone()))
    }

    /// The settings, at most [`SETTINGS_AGE_MAX`] old.
    pub async fn settings(&self, id: &ProjectId) -> Result<Arc<ProjectSettings>, StoreError> {
        if let Some(settings) = self.settings.get(id, self.clock.uptime()) {
            return Ok(settings);
        }
        let asked_at = self.clock.uptime();
        let project = self.get(id).await?;
        // A key names a project that was there when the key was made, and projects stay.
        let project = project.ok_or_else(|| StoreError::Invalid(format!("there is no project `{id}`")))?;
        let settings = Arc::new(project.settings);
        self.settings.put(id.clone(), Arc::clone(&settings), asked_at);
        Ok(settings)
    }
}

fn key(id: &ProjectId) -> ItemKey {
    ItemKey::new(PARTITION, id.as_str())
}

fn put(project: &Project) -> Operation {
    let stored = Stored {
        v: FORMAT,
        name: project.name.clone(),
        created_at: project.created_at,
        settings: project.settings.clone(),
        storage: project.storage.clone(),
    };
    Operation::put(key(&project.id), attributes(&stored))
}

fn read(item: &Item) -> Result<Project, StoreError> {
    let id = ProjectId::parse(&item.key.sort).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let Stored { v: _, name, created_at, settings, storage } = parse(item)?;
    Ok(Project { id, name, created_at, settings, storage })
}

fn is_own(storage: &Storage) -> bool {
    *storage == Storage::Own
}
