//! The management API: projects with their settings and buckets, and API keys. For admin keys only.
//!
//! [`router`] has the routes; whoever serves them puts `edge::face` around. [`openapi`] describes them, generated from
//! the code, together with what other functions add. [`cloud`] is all of it as a function in Lambda.

mod access;
mod app;
mod bucket;
pub mod cloud;
mod document;
mod errors;
mod keys;
mod page;
mod projects;

pub use app::{App, OwnersBuckets};
pub use document::openapi;

use axum::Router;
use axum::routing::{delete, get, post, put};

/// Everything below `/api/v1` that manages.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/api/v1/projects", get(projects::list).post(projects::create))
        .route("/api/v1/projects/{project_id}", get(projects::show).patch(projects::change))
        .route("/api/v1/projects/{project_id}/bucket", put(bucket::connect))
        .route("/api/v1/projects/{project_id}/bucket/check", post(bucket::check))
        .route("/api/v1/projects/{project_id}/keys", get(keys::list).post(keys::create))
        .route("/api/v1/keys/{key_id}", delete(keys::revoke))
        .route("/api/v1/openapi.json", get(document::serve))
        .with_state(app)
}
