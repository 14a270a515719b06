//! A log that cannot be loaded: whether its newest checkpoint or an entry is to blame, and what to do about it. Nothing is
//! changed.

use std::collections::HashSet;
use std::error::Error;

use deltalake::DeltaTableError;
use deltalake::logstore::{LogStoreRef, commit_uri_from_version};
use deltalake::table::state::DeltaTableState;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use objects::RootError;
use serde_json::{Map, Value};

use super::checkpoint;
use super::clean::{self, Listing};

/// A worker died before it read its checkpoint back, or the object rotted since.
#[derive(Debug, thiserror::Error)]
enum Damaged {
    #[error(
        "the checkpoint of version {version} is damaged, and every entry that it stands for is there: delete \
         _delta_log/_last_checkpoint and then {key}"
    )]
    Spare { version: u64, key: Path, source: DeltaTableError },
    #[error(
        "the checkpoint of version {version} is damaged, and entries below it are gone: put {key} back from a backup"
    )]
    Needed { version: u64, key: Path, source: DeltaTableError },
    #[error("the log entry of version {version} is damaged: put {key} back from a backup")]
    Entry { version: u64, key: Path, source: DeltaTableError },
}

/// The error of a load, or its cause, if that can be told. A store that does not answer tells nothing.
pub(super) async fn blame(log_store: &LogStoreRef, error: DeltaTableError) -> DeltaTableError {
    let listing = match clean::list(log_store).await {
        Ok(listing) => listing,
        // The library told it as text, and its owner can do something about it.
        Err(refused) if RootError::behind(&refused).is_some() => return refused,
        Err(_) => return error,
    };
    if let Some(damaged) = damaged_checkpoint(log_store, &listing).await {
        return DeltaTableError::GenericError { source: damaged.into() };
    }
    let Some((version, key)) = damaged_entry(log_store, &listing).await else { return error };
    DeltaTableError::GenericError { source: Damaged::Entry { version, key, source: error }.into() }
}

/// Whether it was blamed on an object of the log.
pub(super) fn is_damage(cause: &(dyn Error + Send + Sync + 'static)) -> bool {
    cause.is::<Damaged>()
}

/// The newest checkpoint, if it does not load by itself.
async fn damaged_checkpoint(log_store: &LogStoreRef, listing: &Listing) -> Option<Damaged> {
    let version = listing.checkpoints.iter().copied().max()?;
    let copy = checkpoint::copy(log_store, version).await.ok()?;
    let source = DeltaTableState::try_new(&copy, Some(version)).await.err()?;
    let key = checkpoint::key(version);
    Some(match is_spare(listing, version) {
        true => Damaged::Spare { version, key, source },
        false => Damaged::Needed { version, key, source },
    })
}

/// The first entry above the newest checkpoint that is there and is no log entry.
async fn damaged_entry(log_store: &LogStoreRef, listing: &Listing) -> Option<(u64, Path)> {
    let loaded = listing.checkpoints.iter().copied().max();
    let mut versions: Vec<u64> = listing.entries.iter().map(|(version, _)| *version).collect();
    versions.retain(|version| loaded.is_none_or(|loaded| *version > loaded));
    versions.sort_unstable();
    for version in versions {
        let key = commit_uri_from_version(Some(version));
        let bytes = log_store.object_store(None).get(&key).await.ok()?.bytes().await.ok()?;
        if !is_entry(&bytes) {
            return Some((version, key));
        }
    }
    None
}

/// One action, a JSON object, on each line; and at least one.
fn is_entry(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).peekable();
    lines.peek().is_some() && lines.all(|line| serde_json::from_slice::<Map<String, Value>>(line).is_ok())
}

/// Every entry up to the checkpoint's is there, from the first on or from the checkpoint before.
fn is_spare(listing: &Listing, version: u64) -> bool {
    let before = listing.checkpoints.iter().copied().filter(|one| *one < version).max();
    let entries: HashSet<u64> = listing.entries.iter().map(|(version, _)| *version).collect();
    (before.unwrap_or(0)..=version).all(|version| entries.contains(&version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_cut_short_is_damaged() {
        let entry = b"{\"commitInfo\":{}}\n{\"add\":{\"path\":\"a\"}}\n";
        for n in 0..entry.len() {
            // Cut between two actions, or before the last line's end, nobody can tell.
            let whole = matches!(n, 17 | 18) || n == entry.len() - 1;
            assert_eq!(is_entry(&entry[..n]), whole, "{n} bytes");
        }
        assert!(is_entry(entry));
    }

    #[test]
    fn a_checkpoint_is_spare_only_if_all_that_it_stands_for_is_there() {
        // Entries, checkpoints with the damaged one last -> spare.
        let cases: &[(&[u64], &[u64], bool)] = &[
            (&[0, 1, 2, 3], &[3], true),
            (&[1, 2, 3], &[3], false),
            (&[0, 1, 3], &[3], false),
            (&[0, 1, 2], &[3], false),
            (&[2, 3, 4, 5], &[2, 4], true),
            (&[2, 4, 5], &[2, 4], false),
            (&[3, 4, 5], &[2, 4], false),
        ];
        for (entries, checkpoints, spare) in cases {
            let entries = entries.iter().map(|version| (*version, 0)).collect();
            let listing = Listing { entries, checkpoints: checkpoints.to_vec() };
            let version = *checkpoints.last().expect("one");
            assert_eq!(is_spare(&listing, version), *spare, "{listing:?}");
        }
    }
}
