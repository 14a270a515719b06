//! The paths of the query API. All of them ask for a key with the scope `read` and see the key's project only.
//!
//! | path | |
//! |---|---|
//! | `POST /api/v1/query` | SQL; JSON, NDJSON, CSV or Arrow by `Accept`; where an answer must be sent in one piece, a link to it |
//! | `GET /api/v1/logs` | log records, newest first |
//! | `GET /api/v1/traces` | traces, newest first |
//! | `GET /api/v1/traces/{trace_id}` | one trace, spans and logs, as a list that is ready for a tree |
//! | `GET /api/v1/metrics` | names, types and units |
//! | `GET /api/v1/schema` | tables and columns |

mod accept;
mod cursor;
mod fit;
mod logs;
mod metrics;
mod parameters;
mod query;
mod reader;
mod record;
mod schema;
mod stored;
mod stream;
mod trace;
mod traces;
mod writer;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use meta::keys::Keys;
use utoipa::OpenApi;

use crate::App;

pub use self::reader::AnswerBy;

/// The routes, to be merged with others and finished by [`edge::face`].
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/v1/query", post(query::query))
        .route("/api/v1/logs", get(logs::logs))
        .route("/api/v1/traces", get(traces::traces))
        .route("/api/v1/traces/{trace_id}", get(trace::trace))
        .route("/api/v1/metrics", get(metrics::metrics))
        .route("/api/v1/schema", get(schema::schema))
        .with_state(Served(app))
}

/// The description of these paths, to be merged with others.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Described::openapi()
}

#[derive(OpenApi)]
#[openapi(
    paths(query::query, logs::logs, traces::traces, trace::trace, metrics::metrics, schema::schema),
    components(schemas(stored::LinkedAnswer, stored::LinkedResult))
)]
struct Described;

/// What handlers are handed.
#[derive(Clone)]
struct Served(Arc<App>);

impl FromRef<Served> for Arc<Keys> {
    fn from_ref(served: &Served) -> Self {
        Arc::clone(&served.0.keys)
    }
}
