//! Step 6: one commit on the very snapshot whose T was checked; then only a fresh snapshot is believed.

use lake::{APP_COMPACT, Commit, LogError, Snapshot, TableLog};
use model::safeguard::{Safeguard, holds};

use crate::PassError;

/// Commits of one attempt, if others get in between.
const TRIES_MAX: u32 = 5;

/// Commits and reads back. The snapshot in which T is at or above `seq`, whoever got it there.
///
/// `base` has T below `seq`. If somebody else's commit got in between, the base becomes the fresh snapshot, whose T was
/// just seen to be below `seq` too.
pub(crate) async fn commit_and_read_back(
    log: &dyn TableLog,
    base: &Snapshot,
    seq: u64,
    commit: Commit,
) -> Result<Snapshot, PassError> {
    let mut base = base.clone();
    for attempt in 1.. {
        let said = not_believed(log.commit(&base, commit.clone()).await)?;
        let fresh = log.snapshot().await?.ok_or(PassError::NoTable)?;
        if fresh.committed >= seq {
            return Ok(fresh);
        }
        match said {
            Err(LogError::Conflict { .. }) if attempt < TRIES_MAX => base = fresh,
            Err(error) => return Err(error.into()),
            Ok(()) => break,
        }
    }
    Err(PassError::NotReadable { app: APP_COMPACT, version: seq })
}

/// Ok and error alike are kept for later: what counts is what can be read.
fn not_believed(said: Result<(), LogError>) -> Result<Result<(), LogError>, LogError> {
    if holds(Safeguard::ErrorsNotBelieved) { Ok(said) } else { said.map(Ok) }
}
