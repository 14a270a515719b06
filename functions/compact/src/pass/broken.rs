//! Commits without some of their safeguards, for tests that show what breaks then. In builds with debug assertions only;
//! each act here does nothing unless a test has switched its safeguard off.

use lake::{Commit, NewFile, Snapshot, TableLog};
use meta::ledger::Batch;
use model::TableId;
use model::safeguard::{Safeguard, holds};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use objects::table_path;

use super::{Held, resolve};
use crate::{App, PassError};

/// The snapshot to commit on: the one that was checked, or, without `safeguard`, the newest, whatever it holds.
pub(super) async fn base(log: &dyn TableLog, checked: &Snapshot, safeguard: Safeguard) -> Result<Snapshot, PassError> {
    if holds(safeguard) {
        return Ok(checked.clone());
    }
    log.snapshot().await?.ok_or(PassError::NoTable)
}

/// Without [`Safeguard::ErrorsNotBelieved`]: a commit that failed counts as one that did not happen, so the batch is built
/// and committed again, on the newest snapshot.
pub(super) async fn again_if_believed(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    batch: &Batch,
    tried: Result<(Snapshot, Vec<NewFile>), PassError>,
) -> Result<(Snapshot, Vec<NewFile>), PassError> {
    if holds(Safeguard::ErrorsNotBelieved) || !matches!(tried, Err(PassError::Log(_))) {
        return tried;
    }
    let view = app.ledger.read(table).await?;
    let newest = app.log(table).snapshot().await?.ok_or(PassError::NoTable)?;
    let chosen = resolve::reload(app, table, held, &view, batch).await?;
    resolve::build_and_commit(app, table, held, &newest, batch, chosen).await
}

/// Without [`Safeguard::OutputsKept`]: files whose commit failed are deleted.
pub(super) async fn drop_outputs_of(
    app: &App,
    table: &TableId,
    files: &[NewFile],
    committed: &Result<Snapshot, PassError>,
) {
    if holds(Safeguard::OutputsKept) || committed.is_ok() {
        return;
    }
    let store = app.root(table).store;
    for file in files {
        let key = Path::from(format!("{}/{}", table_path(table.table), file.path));
        if let Err(error) = store.delete(&key).await {
            tracing::warn!(%table, %key, %error, "an output was not deleted");
        }
    }
}

/// Without [`Safeguard::MergeOnPlannedSnapshot`]: a merge moved onto the newest snapshot, without the removals that
/// another's commit has already made.
pub(crate) async fn merge_on_newest(
    log: &dyn TableLog,
    planned: &Snapshot,
    commit: Commit,
) -> Result<(Snapshot, Commit), PassError> {
    if holds(Safeguard::MergeOnPlannedSnapshot) {
        return Ok((planned.clone(), commit));
    }
    let newest = log.snapshot().await?.ok_or(PassError::NoTable)?;
    let is_there = |path: &String| newest.files.iter().any(|file| file.path == *path);
    let remove = commit.remove.into_iter().filter(is_there).collect();
    Ok((newest, Commit { remove, ..commit }))
}
