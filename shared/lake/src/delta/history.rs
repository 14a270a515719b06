//! What the log tells of the past: removed files, segments that were taken in, and commits that are not ours.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use deltalake::kernel::Action;
use deltalake::logstore::{LogStoreRef, get_actions};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaResult, DeltaTableError};
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore};

use super::commit::MARKER;
use crate::log::{APP_COMPACT, ForeignCommit, RemovedFile, Snapshot, TakenIn};

/// Entries read at a time.
const READ_AHEAD: usize = 8;

pub(super) async fn removed(log_store: &LogStoreRef, base: &Snapshot) -> DeltaResult<Vec<RemovedFile>> {
    let state: &DeltaTableState =
        base.base.downcast_ref().ok_or_else(|| DeltaTableError::Generic("a snapshot of another log".to_owned()))?;
    let active: HashSet<&str> = base.files.iter().map(|file| file.path.as_str()).collect();
    let mut removed = Vec::new();
    let mut tombstones = state.all_tombstones(log_store);
    while let Some(tombstone) = tombstones.try_next().await? {
        let path = tombstone.path().into_owned();
        if !active.contains(path.as_str()) {
            let removed_at = tombstone.deletion_timestamp().unwrap_or(0).saturating_mul(1_000);
            removed.push(RemovedFile { path, removed_at });
        }
    }
    Ok(removed)
}

/// The last entry that was seen to be ours, and all before it, as the store lists it. When the table was put back there
/// is none of its version, or another.
pub(super) type Vetted = Mutex<Option<Entry>>;

/// Looks at every entry that is still there and was not looked at before.
pub(super) async fn foreign_commit(
    log_store: &LogStoreRef,
    newest: u64,
    vetted: &Vetted,
) -> DeltaResult<Option<ForeignCommit>> {
    let mut entries = entries(log_store).await?;
    let last = vetted.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|last| entries.contains(last));
    entries.retain(|entry| entry.version <= newest && last.as_ref().is_none_or(|last| entry.version > last.version));
    let mut looked_at = futures::stream::iter(entries)
        .map(|entry| async move { Ok::<_, DeltaTableError>((vet(log_store, entry.version).await?, entry)) })
        .buffered(READ_AHEAD);
    while let Some((foreign, entry)) = looked_at.try_next().await? {
        if foreign.is_some() {
            return Ok(foreign);
        }
        *vetted.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
    }
    Ok(None)
}

/// Reads every entry that is still there, up to this version.
pub(super) async fn taken_in(log_store: &LogStoreRef, newest: u64) -> DeltaResult<Vec<TakenIn>> {
    let mut entries = entries(log_store).await?;
    entries.retain(|entry| entry.version <= newest);
    let read = futures::stream::iter(entries)
        .map(|Entry { version, .. }| async move {
            // Gone by now: it was old enough to be cleaned.
            let Some(entry) = log_store.read_commit_entry(version).await? else { return Ok(None) };
            taken_in_by(version, &get_actions(version, &entry)?)
        })
        .buffered(READ_AHEAD);
    read.try_filter_map(async |taken_in| Ok(taken_in)).try_collect().await
}

/// None: the entry takes nothing in.
fn taken_in_by(version: u64, actions: &[Action]) -> DeltaResult<Option<TakenIn>> {
    let seq = actions.iter().find_map(|action| match action {
        Action::Txn(txn) if txn.app_id == APP_COMPACT => Some(txn.version),
        _ => None,
    });
    let info = actions.iter().find_map(|action| match action {
        Action::CommitInfo(info) => Some(info),
        _ => None,
    });
    let (Some(seq), Some(info)) = (seq, info) else { return Ok(None) };
    let broken = |what: &str| DeltaTableError::Generic(format!("entry {version} carries batch {seq} {what}"));
    let marker = info.info.get(MARKER).ok_or_else(|| broken("without our marker"))?;
    let listed = marker["segments"].as_array().ok_or_else(|| broken("and lists no segments"))?;
    let segments = listed.iter().map(|id| id.as_str().map(str::to_owned)).collect::<Option<_>>();
    Ok(Some(TakenIn {
        version,
        seq: u64::try_from(seq).map_err(|_| broken("which is no number of a batch"))?,
        segments: segments.ok_or_else(|| broken("and a segment that is no text"))?,
        // Commits of the first versions say it by the library's clock only.
        at: marker["at"].as_i64().or(info.timestamp.map(|ms| ms.saturating_mul(1_000))).unwrap_or(0),
    }))
}

/// An entry of the log, as the store lists it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Entry {
    version: u64,
    object: ObjectMeta,
}

/// The entries in the store, by version.
async fn entries(log_store: &LogStoreRef) -> DeltaResult<Vec<Entry>> {
    let store = log_store.object_store(None);
    let mut entries = Vec::new();
    let mut listing = store.list(Some(log_store.log_path()));
    while let Some(object) = listing.try_next().await? {
        let version = object.location.filename().and_then(|name| name.strip_suffix(".json"));
        let version = version.filter(|name| name.len() == 20).and_then(|name| name.parse().ok());
        entries.extend(version.map(|version| Entry { version, object }));
    }
    entries.sort_unstable_by_key(|entry| entry.version);
    Ok(entries)
}

/// None: the entry is ours, or gone by now.
async fn vet(log_store: &LogStoreRef, version: u64) -> DeltaResult<Option<ForeignCommit>> {
    let Some(entry) = log_store.read_commit_entry(version).await? else { return Ok(None) };
    let mut operation = "unknown".to_owned();
    // An entry that the library cannot read is certainly not ours.
    for action in get_actions(version, &entry).unwrap_or_default() {
        if let Action::CommitInfo(info) = action {
            if info.info.contains_key(MARKER) {
                return Ok(None);
            }
            operation = info.operation.unwrap_or(operation);
        }
    }
    Ok(Some(ForeignCommit { version, operation }))
}
