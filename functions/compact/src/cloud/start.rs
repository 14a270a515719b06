//! Putting the function together. Nothing is asked of a store before the first event.

use std::sync::Arc;

use aws::{Cloud, CloudError, S3StoreError};
use clock::{Clock, Ids, PausedClock, RandomIds};
use lake::DeltaLogs;
use meta::Ledger;
use meta::keys::Keys;
use meta::projects::Projects;

use super::{Compactor, Config};
use crate::App;

/// Why the function cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Root(#[from] S3StoreError),
}

pub fn start(config: Config) -> Result<Compactor, StartError> {
    let cloud = Cloud::of_function()?;
    let clock: Arc<dyn Clock> = Arc::new(PausedClock::default());
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    let items = cloud.items(&config.table, Arc::clone(&clock));
    let projects = Arc::new(Projects::new(Arc::clone(&items), Arc::clone(&clock)));
    let keys = Arc::new(Keys::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids)));
    let roots = cloud.roots(&config.root, Arc::clone(&projects))?;
    let ledger = Ledger::new(items, Arc::clone(&clock), Arc::clone(&ids));
    let logs = Arc::new(DeltaLogs::new(roots.clone()));
    let app = App::new(ledger, roots, logs, projects, clock, ids, config.settings);
    Ok(Compactor::new(Arc::new(app), keys, &config.cors_origins))
}
