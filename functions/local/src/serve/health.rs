//! `GET /health` (the process runs) and `GET /ready` (store and ledger answer).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use clock::{SystemClock, within};
use http::StatusCode;
use meta::{ItemKey, ItemStore};
use object_store::{ObjectStore, ObjectStoreExt};
use objects::Trouble;
use serde_json::{Value, json};

/// What readiness asks.
pub(crate) struct Stores {
    pub items: Arc<dyn ItemStore>,
    pub objects: Arc<dyn ObjectStore>,
    /// The data folder, whose disk must have room.
    pub folder: PathBuf,
}

/// Both paths; no key is needed, nothing of a project is told.
pub(crate) fn router(stores: Arc<Stores>) -> Router {
    Router::new()
        .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/ready", get(ready))
        .with_state(stores)
}

async fn ready(State(stores): State<Arc<Stores>>) -> (StatusCode, Json<Value>) {
    let (ledger, objects) = tokio::join!(in_time(ledger(&stores)), in_time(objects(&stores)));
    let disk = room(&stores.folder);
    let all_well = ledger.is_ok() && objects.is_ok() && disk.is_ok();
    let told = |answer: Result<(), String>| answer.map_or_else(|error| json!(error), |()| json!("ok"));
    let status = if all_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ledger": told(ledger), "objects": told(objects), "disk": told(disk)})))
}

/// Whoever asks waits no longer: a store that takes connections and says nothing is not ready.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

async fn in_time(answer: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let silent = || Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
    within(&SystemClock, ANSWER_WITHIN, answer).await.unwrap_or_else(silent)
}

async fn ledger(stores: &Stores) -> Result<(), String> {
    stores.items.get(&ItemKey::new("ready", "ready")).await.map(drop).map_err(|error| error.to_string())
}

async fn objects(stores: &Stores) -> Result<(), String> {
    match stores.objects.head(&object_store::path::Path::from("ready")).await {
        Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(Trouble::with_bucket(&error).map_or_else(|| error.to_string(), |trouble| trouble.what)),
    }
}

/// Less free than this and exports will soon be refused.
const FREE_BYTES_MIN: u64 = 64 << 20;

fn room(folder: &Path) -> Result<(), String> {
    let disk = rustix::fs::statvfs(folder).map_err(|error| format!("cannot ask how full the disk is: {error}"))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= FREE_BYTES_MIN { Ok(()) } else { Err(format!("the disk is nearly full: {free} bytes are free")) }
}
