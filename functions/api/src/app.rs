//! What the API works with.

use std::sync::Arc;

use axum::extract::FromRef;
use meta::keys::Keys;
use meta::projects::Projects;
use utoipa::openapi::OpenApi;

/// The doors of the API, and the document it serves.
#[derive(Clone)]
pub struct App {
    pub(crate) projects: Arc<Projects>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) document: Arc<OpenApi>,
}

impl App {
    /// `others` describes what other functions serve on the same port.
    pub fn new(projects: Arc<Projects>, keys: Arc<Keys>, others: OpenApi) -> Self {
        Self { projects, keys, document: Arc::new(crate::openapi(others)) }
    }
}

impl FromRef<App> for Arc<Keys> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.keys)
    }
}
