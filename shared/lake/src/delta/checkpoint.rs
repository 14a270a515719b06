//! Checkpoints: written by the library, out of band, and believed only when read back.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake::logstore::LogStoreRef;
use deltalake::protocol::checkpoints::create_checkpoint;
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaResult, DeltaTable, DeltaTableError};
use model::safeguard::{Safeguard, holds};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::Deserialize;

use super::load::look_up_apps;

/// What we need of the file `_last_checkpoint`.
#[derive(Deserialize)]
struct Hint {
    version: u64,
}

/// Version of the newest checkpoint, by the log's own hint.
pub(super) async fn last(log_store: &LogStoreRef) -> DeltaResult<Option<u64>> {
    let hint = Path::from("_delta_log/_last_checkpoint");
    let bytes = match log_store.object_store(None).get(&hint).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let hint: Hint = serde_json::from_slice(&bytes)?;
    Ok(Some(hint.version))
}

/// Writes a checkpoint of the newest version, loads that version from it, and compares.
pub(super) async fn write(log_store: &LogStoreRef) -> DeltaResult<u64> {
    let mut table = DeltaTable::new(Arc::clone(log_store));
    table.load().await?;
    let state = table.snapshot()?.clone();
    create_checkpoint(&table, None).await?;
    if holds(Safeguard::CheckpointReadBack) {
        read_back(log_store, &state).await?;
    }
    Ok(state.version())
}

/// Fails unless the version, loaded anew, holds the same files and app versions.
async fn read_back(log_store: &LogStoreRef, expected: &DeltaTableState) -> DeltaResult<()> {
    let version = expected.version();
    let read = DeltaTableState::try_new(log_store, Some(version)).await?;
    let differs =
        |what: &str| DeltaTableError::Generic(format!("the checkpoint of version {version} has other {what}"));
    let paths = |state: &DeltaTableState| -> HashSet<String> {
        state.log_data().iter().map(|file| file.path().into_owned()).collect()
    };
    if paths(&read) != paths(expected) {
        return Err(differs("files"));
    }
    if look_up_apps(log_store, &read).await? != look_up_apps(log_store, expected).await? {
        return Err(differs("app versions"));
    }
    Ok(())
}
