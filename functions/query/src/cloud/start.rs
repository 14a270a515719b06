//! Putting the function together. Nothing is asked of a store before the first event.

use std::sync::Arc;

use aws::{Cloud, CloudError, S3StoreError};
use clock::{Clock, Ids, PausedClock, RandomIds};
use lake::DeltaLogs;
use meta::Ledger;
use meta::keys::Keys;
use meta::projects::Projects;

use super::{Config, Queries};
use crate::{App, Doors, Meters};

/// Why the function cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Root(#[from] S3StoreError),
    #[error("queries cannot be answered")]
    Query(#[from] crate::StartError),
}

pub fn start(config: Config) -> Result<Queries, StartError> {
    let cloud = Cloud::of_function()?;
    let clock: Arc<dyn Clock> = Arc::new(PausedClock::default());
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    let items = cloud.items(&config.table, Arc::clone(&clock));
    let projects = Arc::new(Projects::new(Arc::clone(&items), Arc::clone(&clock)));
    let roots = cloud.roots(&config.root, projects)?;
    let doors = Doors {
        ledger: Ledger::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids)),
        logs: Arc::new(DeltaLogs::new(roots.clone())),
        roots,
        keys: Arc::new(Keys::new(items, Arc::clone(&clock), Arc::clone(&ids))),
        clock,
        ids,
    };
    let app = App::new(doors, Meters::default(), config.settings)?;
    Ok(Queries::new(app, &config.cors_origins, config.edge))
}
