//! Checkpoints: written by the library, out of band, and believed only when read back. One that is damaged is taken away
//! again, since every load begins at the newest; the entries it stands for are all there.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use deltalake::logstore::{LogStoreRef, commit_uri_from_version};
use deltalake::protocol::checkpoints::create_checkpoint;
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaResult, DeltaTable, DeltaTableError};
use model::safeguard::{Safeguard, holds};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use serde::Deserialize;

use super::load::{AppVersions, look_up_apps};

const HINT: &str = "_delta_log/_last_checkpoint";

/// What we need of the file `_last_checkpoint`.
#[derive(Deserialize)]
struct Hint {
    version: u64,
}

/// Why a checkpoint is not believed.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    /// The store did not answer, which says nothing about the checkpoint.
    #[error("the checkpoint of version {version} could not be read back")]
    Unread { version: u64, source: Error },
    #[error("the checkpoint of version {version} is damaged")]
    Damaged { version: u64, source: DeltaTableError },
    #[error(
        "the checkpoint of version {version} was damaged as it was written: it was taken away, a later turn writes one"
    )]
    TakenAway { version: u64, source: DeltaTableError },
    #[error(
        "the checkpoint of version {version} was damaged as it was written, and no reader gets past it: delete \
         _delta_log/_last_checkpoint and then {key}; every entry of the log is there"
    )]
    Stays { version: u64, key: Path, source: Error },
}

impl From<Unfit> for DeltaTableError {
    fn from(unfit: Unfit) -> Self {
        Self::GenericError { source: unfit.into() }
    }
}

/// Version of the newest checkpoint, by the log's own hint. One that cannot be understood is none, as it is to the library:
/// the next checkpoint writes it anew.
pub(super) async fn last(log_store: &LogStoreRef) -> DeltaResult<Option<u64>> {
    let Some(bytes) = read_hint(log_store).await? else { return Ok(None) };
    match serde_json::from_slice::<Hint>(&bytes) {
        Ok(hint) => Ok(Some(hint.version)),
        Err(error) => {
            tracing::warn!(%error, "{HINT} is damaged; the next checkpoint writes it anew");
            Ok(None)
        }
    }
}

/// Writes a checkpoint of the newest version, loads that version from it, and compares.
pub(super) async fn write(log_store: &LogStoreRef) -> DeltaResult<u64> {
    let mut table = DeltaTable::new(Arc::clone(log_store));
    table.load().await?;
    let state = table.snapshot()?.clone();
    let apps = look_up_apps(log_store, &state).await?;
    let (version, hint_before) = (state.version(), read_hint(log_store).await?);
    let written = create_checkpoint(&table, None).await;
    if !holds(Safeguard::CheckpointReadBack) {
        return written.map(|()| version);
    }
    match read_back(log_store, &state, &apps).await {
        Ok(()) => written.map(|()| version),
        Err(Unfit::Damaged { source, .. }) => {
            let store = log_store.object_store(None);
            Err(match take_away(store.as_ref(), version, hint_before).await {
                Ok(()) => Unfit::TakenAway { version, source },
                Err(source) => Unfit::Stays { version, key: key(version), source },
            }
            .into())
        }
        Err(unread) => Err(written.err().unwrap_or_else(|| unread.into())),
    }
}

/// Fails unless the version, loaded from the checkpoint's bytes, holds the same files and app versions.
///
/// It is loaded from a copy in memory: what fails there is the checkpoint's fault, and no store's. Only then may it be
/// taken away, since below a sound one another worker may have deleted entries already.
async fn read_back(log_store: &LogStoreRef, expected: &DeltaTableState, apps: &AppVersions) -> Result<(), Unfit> {
    let version = expected.version();
    let copy = copy(log_store, version).await.map_err(|source| Unfit::Unread { version, source })?;
    compare(&copy, expected, apps).await.map_err(|source| Unfit::Damaged { version, source })
}

/// Nothing but a version's checkpoint and entry, in memory.
pub(super) async fn copy(log_store: &LogStoreRef, version: u64) -> object_store::Result<LogStoreRef> {
    let memory = super::log_store(Arc::new(InMemory::new()), Path::from("copy"));
    let (from, to) = (log_store.object_store(None), memory.object_store(None));
    for key in [key(version), commit_uri_from_version(Some(version))] {
        let bytes = from.get(&key).await?.bytes().await?;
        to.put(&key, bytes.into()).await?;
    }
    Ok(memory)
}

async fn compare(copy: &LogStoreRef, expected: &DeltaTableState, apps: &AppVersions) -> DeltaResult<()> {
    let read = DeltaTableState::try_new(copy, Some(expected.version())).await?;
    let paths = |state: &DeltaTableState| -> HashSet<String> {
        state.log_data().iter().map(|file| file.path().into_owned()).collect()
    };
    if paths(&read) != paths(expected) {
        return Err(DeltaTableError::Generic("it has other files".to_owned()));
    }
    if look_up_apps(copy, &read).await? != *apps {
        return Err(DeltaTableError::Generic("it has other app versions".to_owned()));
    }
    Ok(())
}

pub(super) fn key(version: u64) -> Path {
    Path::from(format!("_delta_log/{version:020}.checkpoint.parquet"))
}

/// Its hint first: one that names a missing checkpoint stops every reader.
async fn take_away(store: &dyn ObjectStore, version: u64, hint_before: Option<Bytes>) -> object_store::Result<()> {
    match hint_before {
        Some(bytes) => store.put(&Path::from(HINT), bytes.into()).await.map(drop)?,
        None => delete(store, &Path::from(HINT)).await?,
    }
    delete(store, &key(version)).await
}

/// Not there: no error.
async fn delete(store: &dyn ObjectStore, key: &Path) -> object_store::Result<()> {
    match store.delete(key).await {
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}

async fn read_hint(log_store: &LogStoreRef) -> DeltaResult<Option<Bytes>> {
    match log_store.object_store(None).get(&Path::from(HINT)).await {
        Ok(found) => Ok(Some(found.bytes().await?)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
