//! How many queries run at once, in the process and of each project. Those above wait a little and are then refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::ProjectId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::QueryError;
use crate::settings::Settings;

/// Projects whose count is kept though none of their queries runs.
const IDLE_MAX: usize = 1_000;

pub(crate) struct Admission {
    all: Arc<Semaphore>,
    running_max: usize,
    per_project: Mutex<HashMap<ProjectId, Arc<Semaphore>>>,
    per_project_max: usize,
    wait: Duration,
}

/// A query's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _of_project: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            all: Arc::new(Semaphore::new(settings.running_max)),
            running_max: settings.running_max,
            per_project: Mutex::default(),
            per_project_max: settings.running_per_project_max,
            wait: settings.place_wait,
        }
    }

    /// The project's own limit comes first, so that one project cannot fill the queue of all. Waits no longer than the query's
    /// own time.
    pub(crate) async fn place(&self, project: &ProjectId, time: Duration) -> Result<Place, QueryError> {
        let wait = self.wait.min(time);
        let of_project = take(self.of(project), "this project", self.per_project_max, wait).await?;
        let of_all = take(Arc::clone(&self.all), "all projects", self.running_max, wait).await?;
        Ok(Place { _of_project: of_project, _of_all: of_all })
    }

    fn of(&self, project: &ProjectId) -> Arc<Semaphore> {
        let mut per_project = self.per_project.lock().unwrap_or_else(PoisonError::into_inner);
        if per_project.len() > IDLE_MAX {
            per_project.retain(|_, places| places.available_permits() < self.per_project_max);
        }
        let places =
            per_project.entry(project.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.per_project_max)));
        Arc::clone(places)
    }
}

async fn take(
    places: Arc<Semaphore>,
    whose: &'static str,
    running: usize,
    wait: Duration,
) -> Result<OwnedSemaphorePermit, QueryError> {
    match tokio::time::timeout(wait, places.acquire_owned()).await {
        Ok(Ok(place)) => Ok(place),
        // Never closed, so this is the time-out.
        Ok(Err(_)) | Err(_) => Err(QueryError::TooMany { whose, running }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_project_that_takes_all_its_places_leaves_some_to_others() {
        let mut settings = Settings::new("/nowhere".into());
        (settings.running_max, settings.running_per_project_max, settings.place_wait) = (3, 2, Duration::ZERO);
        let admission = Admission::new(&settings);
        let [a, b, c] = ["a", "b", "c"].map(|id| ProjectId::parse(id).expect("an id"));
        let first = admission.place(&a, Duration::MAX).await.expect("free");
        let _second = admission.place(&a, Duration::MAX).await.expect("free");
        let refused = |result: Result<Place, QueryError>| match result {
            Err(QueryError::TooMany { whose, running }) => (whose, running),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(admission.place(&a, Duration::MAX).await), ("this project", 2));
        let _third = admission.place(&b, Duration::MAX).await.expect("free");
        assert_eq!(refused(admission.place(&c, Duration::MAX).await), ("all projects", 3));
        drop(first);
        admission.place(&c, Duration::MAX).await.expect("given back");
    }
}
