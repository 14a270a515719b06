//! Deleting old log entries: by the library alone, and only below a checkpoint that was read back just before.
//!
//! Deleting them in any other way, the checkpoint's own entry among them, makes every later commit fail.

use deltalake::logstore::LogStoreRef;
use deltalake::protocol::checkpoints::cleanup_expired_logs_for;
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaResult, DeltaTableError};
use futures::TryStreamExt;
use model::Micros;
use model::safeguard::{Safeguard, holds};
use object_store::ObjectStore;

/// Versions of the entries and checkpoints in the store.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// (version, last modified by the store) of `<version>.json`.
    pub(super) entries: Vec<(u64, Micros)>,
    pub(super) checkpoints: Vec<u64>,
}

/// The checkpoint that all would rest on.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint of version {keep_from} cannot be read, so no entry below it is deleted")]
struct Unread {
    keep_from: u64,
    source: DeltaTableError,
}

impl From<Unread> for DeltaTableError {
    fn from(unread: Unread) -> Self {
        Self::GenericError { source: unread.into() }
    }
}

/// Deletes what is older than a time and below the newest checkpoint from which all younger entries can be read.
pub(super) async fn clean(log_store: &LogStoreRef, older_than: Micros) -> DeltaResult<usize> {
    let listing = list(log_store).await?;
    let Some(keep_from) = keep_from(&listing, older_than) else { return Ok(0) };
    // Read back: its files must load from this checkpoint before anything below it goes.
    if holds(Safeguard::CheckpointReadBack) {
        let unread = |source| Unread { keep_from, source };
        DeltaTableState::try_new(log_store, Some(keep_from)).await.map_err(unread)?;
    }
    cleanup_expired_logs_for(keep_from, log_store, older_than.div_euclid(1_000), None).await
}

/// The newest checkpoint at or below every entry that is young enough to stay; none: nothing may go.
fn keep_from(listing: &Listing, older_than: Micros) -> Option<u64> {
    let oldest_kept =
        listing.entries.iter().filter(|(_, modified)| *modified >= older_than).map(|(version, _)| *version).min();
    let newest = listing.entries.iter().map(|(version, _)| *version).max()?;
    let below = oldest_kept.unwrap_or(newest);
    listing.checkpoints.iter().copied().filter(|version| *version <= below).max()
}

pub(super) async fn list(log_store: &LogStoreRef) -> DeltaResult<Listing> {
    let store = log_store.object_store(None);
    let mut found = Listing::default();
    let mut objects = store.list(Some(log_store.log_path()));
    while let Some(object) = objects.try_next().await? {
        let Some((version, kind)) = object.location.filename().and_then(|name| name.split_once('.')) else { continue };
        let (20, Ok(version)) = (version.len(), version.parse::<u64>()) else { continue };
        match kind {
            "json" => found.entries.push((version, object.last_modified.timestamp_micros())),
            "checkpoint.parquet" => found.checkpoints.push(version),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_go_only_below_a_checkpoint_and_never_before_their_time() {
        let entries: Vec<_> = (0..10).map(|version| (version, version as Micros * 10)).collect();
        let cases: &[(&[u64], Micros, Option<u64>)] = &[
            (&[], 1_000, None),
            (&[5], 1_000, Some(5)),
            (&[2, 5, 9], 1_000, Some(9)),
            (&[2, 5, 9], 60, Some(5)),
            (&[2, 5, 9], 50, Some(5)),
            (&[2, 5, 9], 40, Some(2)),
            (&[5, 9], 20, None),
        ];
        for (checkpoints, older_than, expected) in cases {
            let listing = Listing { entries: entries.clone(), checkpoints: checkpoints.to_vec() };
            assert_eq!(keep_from(&listing, *older_than), *expected, "{checkpoints:?} {older_than}");
        }
    }
}
