//! What the API works with.

use std::sync::Arc;

use axum::extract::FromRef;
use clock::{Clock, Ids, RandomIds, SystemClock};
use edge::{ApiError, ErrorCode};
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
    buckets: Option<Arc<dyn CheckBucket>>,
}

impl App {
    /// `others` describes what other functions serve on the same port.
    pub fn new(projects: Arc<Projects>, keys: Arc<Keys>, others: OpenApi) -> Self {
        let document = Arc::new(crate::openapi(others));
        Self { projects, keys, clock: Arc::new(SystemClock), ids: Arc::new(RandomIds), document, buckets: None }
    }

    /// Projects may have buckets that their owners bring; `door` looks into them.
    #[must_use]
    pub fn with_buckets(self, door: Arc<dyn CheckBucket>) -> Self {
        Self { buckets: Some(door), ..self }
    }

    /// The door to owners' buckets, if this installation has one.
    pub(crate) fn buckets(&self) -> Result<&dyn CheckBucket, ApiError> {
        let no = || ApiError::new(ErrorCode::Conflict, "this installation keeps all data in its own storage");
        self.buckets.as_deref().ok_or_else(no)
    }
}

impl FromRef<App> for Arc<Keys> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.keys)
    }
}
