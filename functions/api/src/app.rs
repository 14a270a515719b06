//! What the API works with.

use std::sync::Arc;

use axum::extract::FromRef;
use clock::{Clock, Ids, RandomIds, SystemClock};
use edge::{ApiError, ErrorCode};
use meta::Installation;
use meta::keys::Keys;
use meta::projects::Projects;
use objects::CheckBucket;
use utoipa::openapi::OpenApi;

/// The doors of the API, and the document it serves.
#[derive(Clone)]
pub struct App {
    pub(crate) projects: Arc<Projects>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) document: Arc<OpenApi>,
    buckets: Option<OwnersBuckets>,
}

/// What it takes to let in a bucket that a project's owner brings.
#[derive(Clone)]
pub struct OwnersBuckets {
    pub door: Arc<dyn CheckBucket>,
    /// Whose the folders in them become.
    pub installation: Arc<Installation>,
    /// Where its ledger is, for people who find its mark in their bucket.
    pub ledger: String,
    /// The bucket of the installation's own root, which is nobody's to bring; none: it lies on a disk.
    pub own_bucket: Option<String>,
}

impl App {
    /// `others` describes what other functions serve on the same port.
    pub fn new(projects: Arc<Projects>, keys: Arc<Keys>, others: OpenApi) -> Self {
        let document = Arc::new(crate::openapi(others));
        Self { projects, keys, clock: Arc::new(SystemClock), ids: Arc::new(RandomIds), document, buckets: None }
    }

    /// Projects may have buckets that their owners bring.
    #[must_use]
    pub fn with_buckets(self, buckets: OwnersBuckets) -> Self {
        Self { buckets: Some(buckets), ..self }
    }

    /// The way to owners' buckets, if this installation has one.
    pub(crate) fn buckets(&self) -> Result<&OwnersBuckets, ApiError> {
        let no = || ApiError::new(ErrorCode::Conflict, "this installation keeps all data in its own storage");
        self.buckets.as_ref().ok_or_else(no)
    }
}

impl FromRef<App> for Arc<Keys> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.keys)
    }
}
