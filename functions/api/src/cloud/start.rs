//! The assembly of the function.

use std::sync::Arc;

use aws::{Cloud, CloudError, S3BucketCheck};
use clock::{Clock, Ids, PausedClock, RandomIds};
use lambda::{Http, Sending, api_refusal};
use meta::Installation;
use meta::keys::Keys;
use meta::projects::Projects;
use utoipa::OpenApi;

use super::Config;
use crate::{App, OwnersBuckets, router};

/// Why the function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

/// The document describes what this function serves; the other functions describe their own paths.
#[derive(OpenApi)]
#[openapi()]
struct Others;

pub fn start(config: Config) -> Result<Http, StartError> {
    let cloud = Cloud::of_function()?;
    let clock: Arc<dyn Clock> = Arc::new(PausedClock::default());
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    let items = cloud.items(&config.table, Arc::clone(&clock));
    let projects =
        Arc::new(Projects::new(Arc::clone(&items), Arc::clone(&clock)).with_defaults(config.settings.clone()));
    let keys = Arc::new(Keys::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids)));
    let buckets = OwnersBuckets {
        door: Arc::new(S3BucketCheck::new(&cloud)),
        installation: Arc::new(Installation::new(items, Arc::clone(&clock), Arc::clone(&ids))),
        ledger: cloud.ledger_name(&config.table),
        own_bucket: Some(config.root.bucket().to_owned()),
    };
    let app = App::new(projects, keys, Others::openapi()).with_buckets(buckets);
    Ok(function(app, &config, clock, ids))
}

/// The function over any doors: the cloud's, or a test's.
pub fn function(app: App, config: &Config, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Http {
    let router = edge::face(router(app), ids, &config.cors_origins);
    Http::new(router, api_refusal, Sending::Whole, clock)
}
