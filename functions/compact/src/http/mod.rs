//! What operators ask: how the tables stand, one pass now, repair. The same routes on a laptop and in the cloud.
//!
//! | path | key | |
//! |---|---|---|
//! | `GET /api/v1/status` | read or admin | how the tables stand |
//! | `POST /api/v1/compact` | admin | one pass now |
//! | `POST /api/v1/repair` | admin | tables go on whose ledger or log was put back in time |
//!
//! A request works for [`Operate::time`] at most and then answers what was done. What is left is said, table by table.

mod compact;
mod reach;
mod repair;
mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use meta::keys::Keys;
use utoipa::OpenApi;

pub(crate) use repair::repair_each;

use crate::{App, Deadline};

/// What operating takes.
#[derive(Clone)]
pub struct Operate {
    pub app: Arc<App>,
    pub keys: Arc<Keys>,
    /// Where the work runs, so that sorting delays nobody else's answer.
    pub runtime: tokio::runtime::Handle,
    /// How long a request may work.
    pub time: Duration,
}

/// The routes, to be merged with others and finished by [`edge::face`].
pub fn router(operate: Operate) -> Router {
    Router::new()
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/compact", post(compact::compact_now))
        .route("/api/v1/repair", post(repair::repair))
        .with_state(operate)
}

/// The description of these paths, to be merged with others.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Described::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(status::status, compact::compact_now, repair::repair))]
struct Described;

impl Operate {
    fn deadline(&self) -> Deadline {
        Deadline::after(self.app.clock.as_ref(), self.time)
    }
}

impl FromRef<Operate> for Arc<Keys> {
    fn from_ref(operate: &Operate) -> Self {
        Arc::clone(&operate.keys)
    }
}
