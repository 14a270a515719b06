//! Deleting many objects: several at a time, each tried once. One that fails keeps no other; the next run tries it again.

use futures::StreamExt;
use model::safeguard::{Safeguard, holds};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};

use crate::PassError;

/// A bucket takes some tens of milliseconds for one, so these are some two thousand a second; a disk is as fast one by one.
const AT_ONCE: usize = 64;

/// How many are gone; `act` says what they are.
pub(super) async fn delete_each(
    store: &dyn ObjectStore,
    keys: impl IntoIterator<Item = Path>,
    act: &'static str,
) -> Result<usize, PassError> {
    // Taken away, the safeguard is to show what one failure blocks: then nothing else may be under way.
    let at_once = if holds(Safeguard::FailedDeleteBlocksNothing) { AT_ONCE } else { 1 };
    let deletions = futures::stream::iter(keys).map(|key| async move { (store.delete(&key).await, key) });
    let mut deletions = deletions.buffer_unordered(at_once);
    let mut gone = 0;
    while let Some((deleted, key)) = deletions.next().await {
        match deleted {
            Ok(()) | Err(Error::NotFound { .. }) => gone += 1,
            Err(error) if holds(Safeguard::FailedDeleteBlocksNothing) => {
                tracing::warn!(act, %key, %error, "an object was not deleted");
            }
            Err(source) => return Err(PassError::Store { act, source }),
        }
    }
    Ok(gone)
}
