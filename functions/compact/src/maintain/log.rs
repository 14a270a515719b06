//! The log's own upkeep, out of band: a checkpoint every so many commits, and old entries deleted below one that was read
//! back.

use model::safeguard::{Safeguard, holds};
use model::{Micros, TableId};

use super::{Chores, Maintained, store_time};
use crate::pass::{self, Held};
use crate::{App, Counter, PassError};

pub(super) async fn keep_up(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    chores: Chores,
    did: &mut Maintained,
) -> Result<(), PassError> {
    let Some(snapshot) = pass::settled(app, table, held).await? else { return Ok(()) };
    did.checkpoint = held.while_renewing(checkpoint(app, table, snapshot.version)).await??;
    if !chores.includes_removal() {
        return Ok(());
    }
    let now = store_time::now(app.root(table).store.as_ref()).await?;
    let kept = Micros::try_from(app.settings.log_kept.as_micros()).unwrap_or(Micros::MAX);
    let kept = if holds(Safeguard::LogKeptTwoWindows) { kept } else { 0 };
    let log = app.log(table);
    did.log_entries_deleted = held.while_renewing(log.clean_log(now - kept)).await??;
    app.counters.add(Counter::LogEntriesDeleted, did.log_entries_deleted as u64);
    Ok(())
}

/// Writes a checkpoint if the last one is long enough ago. Its version.
pub(crate) async fn checkpoint(app: &App, table: &TableId, version: u64) -> Result<Option<u64>, PassError> {
    let log = app.log(table);
    let next = log.last_checkpoint().await?.map_or(0, |last| last + 1) + app.settings.checkpoint_commits;
    if version < next.saturating_sub(1) {
        return Ok(None);
    }
    let version = log.checkpoint().await?;
    app.counters.add(Counter::Checkpoints, 1);
    tracing::info!(%table, version, "checkpoint written and read back");
    Ok(Some(version))
}
