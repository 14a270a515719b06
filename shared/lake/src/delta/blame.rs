//! A log that cannot be loaded: whether its newest checkpoint is to blame, and what to do about it. Nothing is changed.

use std::collections::HashSet;

use deltalake::DeltaTableError;
use deltalake::logstore::LogStoreRef;
use deltalake::table::state::DeltaTableState;
use object_store::path::Path;

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
}

/// The error of a load, or its cause, if that can be told. A store that does not answer tells nothing.
pub(super) async fn blame(log_store: &LogStoreRef, error: DeltaTableError) -> DeltaTableError {
    let Ok(listing) = clean::list(log_store).await else { return error };
    let Some(version) = listing.checkpoints.iter().copied().max() else { return error };
    let Ok(copy) = checkpoint::copy(log_store, version).await else { return error };
    let Err(source) = DeltaTableState::try_new(&copy, Some(version)).await else { return error };
    let key = checkpoint::key(version);
    let damaged = if is_spare(&listing, version) {
        Damaged::Spare { version, key, source }
    } else {
        Damaged::Needed { version, key, source }
    };
    DeltaTableError::GenericError { source: damaged.into() }
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
