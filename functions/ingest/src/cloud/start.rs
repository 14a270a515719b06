//! The assembly of the function.

use std::sync::Arc;

use aws::{Cloud, CloudError, S3StoreError};
use axum::middleware::from_fn_with_state;
use clock::{Clock, Ids, PausedClock, RandomIds};
use lambda::{Http, Sending};
use meta::Ledger;
use meta::keys::Keys;
use meta::projects::Projects;
use meta::quota::Quota;

use super::refusal::refusal;
use super::settle::{Settling, settle_after};
use super::{Config, limits};
use crate::{App, Doors, Meters, router};

/// Why the function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Root(#[from] S3StoreError),
}

pub fn start(config: Config) -> Result<Http, StartError> {
    let cloud = Cloud::of_function()?;
    let clock: Arc<dyn Clock> = Arc::new(PausedClock::default());
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    let items = cloud.items(&config.table, Arc::clone(&clock));
    let projects = Arc::new(Projects::new(Arc::clone(&items), Arc::clone(&clock)));
    let doors = Doors {
        ledger: Ledger::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids)),
        roots: cloud.roots(&config.root, Arc::clone(&projects))?,
        keys: Arc::new(Keys::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids))),
        projects,
        quota: Arc::new(Quota::new(items, Arc::clone(&clock))),
        queue: cloud.queue(&config.queue_url),
        clock,
        ids,
    };
    Ok(function(doors, &config))
}

/// The function over any doors: the cloud's, or a test's.
pub fn function(doors: Doors, config: &Config) -> Http {
    let settings = limits::settings(config.memory_bytes, config.cors_origins.clone());
    let (quota, clock) = (Arc::clone(&doors.quota), Arc::clone(&doors.clock));
    let settling = Settling::new(quota, Arc::clone(&clock));
    // Nobody reads a process that comes and goes: what is counted here is told by the ledger and by AWS.
    let app = App::new(doors, Meters::default(), settings);
    let router = router(app).layer(from_fn_with_state(settling, settle_after));
    Http::new(router, refusal, Sending::Whole, clock)
}
