//! Loading the newest version: T, V, M and the files, all of one snapshot.
//!
//! A held version is a head start only while its entry is the very object it was: a table that was put back in time has
//! none at that version, or another, and is loaded afresh.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::kernel::Action;
use deltalake::logstore::{LogStoreRef, commit_uri_from_version, get_actions};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaResult, DeltaTableError};
use model::{Micros, TableName};
use object_store::ObjectStoreExt;

use super::blame::blame;
use super::{file, schema};
use crate::log::{APP_COMPACT, APP_MERGE, APP_VOID, Snapshot};

/// Up to so many new versions are followed entry by entry; beyond, the app versions are looked up afresh.
const FOLLOW_MAX: u64 = 32;

/// A loaded version, and the library's own state of it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Loaded {
    state: DeltaTableState,
    pub(super) snapshot: Snapshot,
    /// Of its entry in the log; none: the entry was cleaned away, and the version is not followed.
    stamp: Option<Stamp>,
}

/// By what one object is told from another of the same name.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    e_tag: Option<String>,
    bytes: u64,
    modified_at: Micros,
}

/// App versions by app id.
pub(super) type AppVersions = BTreeMap<&'static str, u64>;

/// The newest version in the store, with what was loaded before as a head start; none if there is no table.
pub(super) async fn newest(
    log_store: &LogStoreRef,
    table: TableName,
    held: Option<Loaded>,
) -> DeltaResult<Option<Loaded>> {
    if let Some(held) = held {
        match follow(log_store, table, held).await {
            Ok(loaded) => return Ok(Some(loaded)),
            Err(error) => tracing::debug!(%error, "a held version could not be followed; loading afresh"),
        }
    }
    let state = match load(log_store).await {
        Ok(Some(state)) => state,
        Ok(None) => return Ok(None),
        Err(error) => return Err(blame(log_store, error).await),
    };
    let apps = look_up_apps(log_store, &state).await?;
    let stamp = stamp(log_store, state.version()).await?;
    Ok(Some(loaded(state, table, &apps, stamp)?))
}

/// None: the entry is not there.
async fn stamp(log_store: &LogStoreRef, version: u64) -> DeltaResult<Option<Stamp>> {
    match log_store.object_store(None).head(&commit_uri_from_version(Some(version))).await {
        Ok(meta) => {
            let modified_at = meta.last_modified.timestamp_micros();
            Ok(Some(Stamp { e_tag: meta.e_tag, bytes: meta.size, modified_at }))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A version loaded from nothing but the store; none if there is no table.
async fn load(log_store: &LogStoreRef) -> DeltaResult<Option<DeltaTableState>> {
    match DeltaTableState::try_new(log_store, None).await {
        Ok(state) => Ok(Some(state)),
        // The library says so of an empty listing. A second look tells "no table" from one that was created just now,
        // and that from a log that is damaged.
        Err(DeltaTableError::NotATable(_)) if !log_store.is_delta_table_location().await? => Ok(None),
        Err(DeltaTableError::NotATable(_)) => DeltaTableState::try_new(log_store, None).await.map(Some),
        Err(error) => Err(error),
    }
}

/// From a held version to the newest.
async fn follow(log_store: &LogStoreRef, table: TableName, held: Loaded) -> DeltaResult<Loaded> {
    let Loaded { mut state, snapshot, stamp: held_stamp } = held;
    let (from, stands) = (snapshot.version, stamp(log_store, snapshot.version).await?);
    if stands.is_none() || stands != held_stamp {
        return Err(DeltaTableError::Generic(format!("entry {from} is not what it was")));
    }
    state.update(log_store, None).await?;
    let to = state.version();
    if from == to {
        return Ok(Loaded { state, snapshot, stamp: held_stamp });
    }
    let apps = if to - from > FOLLOW_MAX {
        look_up_apps(log_store, &state).await?
    } else {
        let mut apps = AppVersions::from([
            (APP_COMPACT, snapshot.committed),
            (APP_VOID, snapshot.voided),
            (APP_MERGE, snapshot.merged),
        ]);
        for version in from + 1..=to {
            read_apps(log_store, version, &mut apps).await?;
        }
        apps
    };
    let stamp = stamp(log_store, to).await?;
    loaded(state, table, &apps, stamp)
}

fn loaded(state: DeltaTableState, table: TableName, apps: &AppVersions, stamp: Option<Stamp>) -> DeltaResult<Loaded> {
    let app = |id| apps.get(id).copied().unwrap_or(0);
    let files = state.log_data().iter().map(|view| file::of_view(&view)).collect::<DeltaResult<Vec<_>>>()?;
    let snapshot = Snapshot {
        version: state.version(),
        committed: app(APP_COMPACT),
        voided: app(APP_VOID),
        merged: app(APP_MERGE),
        files: Arc::new(files),
        schema: schema::fit(&state, table)?,
        base: Arc::new(state.clone()),
    };
    Ok(Loaded { state, snapshot, stamp })
}

/// App versions as this very state holds them.
pub(super) async fn look_up_apps(log_store: &LogStoreRef, state: &DeltaTableState) -> DeltaResult<AppVersions> {
    let mut apps = AppVersions::new();
    for id in [APP_COMPACT, APP_VOID, APP_MERGE] {
        if let Some(version) = state.transaction_version(log_store, id).await? {
            apps.insert(id, app_version(version)?);
        }
    }
    Ok(apps)
}

/// App versions that one entry of the log sets.
async fn read_apps(log_store: &LogStoreRef, version: u64, apps: &mut AppVersions) -> DeltaResult<()> {
    let entry = log_store.read_commit_entry(version).await?.ok_or(DeltaTableError::InvalidVersion(version))?;
    for action in get_actions(version, &entry)? {
        let Action::Txn(txn) = action else { continue };
        if let Some(id) = [APP_COMPACT, APP_VOID, APP_MERGE].into_iter().find(|id| *id == txn.app_id) {
            apps.insert(id, app_version(txn.version)?);
        }
    }
    Ok(())
}

fn app_version(version: i64) -> DeltaResult<u64> {
    u64::try_from(version).map_err(|_| DeltaTableError::Generic(format!("an app version of {version}")))
}
