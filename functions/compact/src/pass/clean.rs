//! Step 7: cleaning, in three separate, repeatable passes: the mark is raised, then the `live#` items go, then the
//! `batch#`. A failure is said and blocks nothing; the next turn does it again.

use std::collections::HashSet;

use meta::StoreError;
use meta::ledger::{Batch, LedgerView};
use model::safeguard::{Safeguard, holds};
use model::{Micros, SegmentId, TableId};

use crate::{App, PassError};

/// A `committed_at` further ahead than this comes from a bad clock and counts as long ago.
const CLOCK_SLACK_US: Micros = 60_000_000;

pub(super) async fn clean(app: &App, table: &TableId, view: &LedgerView) -> Result<(), PassError> {
    match try_clean(app, table, view).await {
        Err(error) if holds(Safeguard::FailedDeleteBlocksNothing) => {
            tracing::warn!(%table, %error, "cleaning the ledger failed; the next turn does it");
            Ok(())
        }
        cleaned => Ok(cleaned?),
    }
}

async fn try_clean(app: &App, table: &TableId, view: &LedgerView) -> Result<(), StoreError> {
    let batches = cleanable(app, view);
    let Some(highest) = batches.iter().map(|batch| batch.seq).max() else { return Ok(()) };
    if holds(Safeguard::MarkRaised) && holds(Safeguard::MarkRaisedFirst) {
        app.ledger.raise_mark(table, highest).await?;
    }
    let live: HashSet<&SegmentId> = view.live.iter().map(|segment| &segment.id).collect();
    let mut failed = Ok(());
    for batch in batches {
        let there: Vec<SegmentId> = batch.segments.iter().filter(|id| live.contains(id)).cloned().collect();
        if !holds(Safeguard::LiveGoneBeforeBatch) {
            app.ledger.delete_batch(table, batch.seq).await?;
        }
        // The `batch#` goes only after the last of its `live#`; one batch that fails does not keep the others.
        let cleaned = match app.ledger.delete_live(table, &there).await {
            Ok(()) => app.ledger.delete_batch(table, batch.seq).await,
            Err(error) => Err(error),
        };
        failed = failed.and(cleaned);
    }
    if holds(Safeguard::MarkRaised) && !holds(Safeguard::MarkRaisedFirst) {
        app.ledger.raise_mark(table, highest).await?;
    }
    failed
}

/// Committed long enough ago that readers hold a snapshot with it, or the mark says so already.
pub(super) fn cleanable<'a>(app: &App, view: &'a LedgerView) -> Vec<&'a Batch> {
    let delay = Micros::try_from(app.settings.mark_delay.as_micros()).unwrap_or(Micros::MAX);
    let now = app.clock.now();
    let is_old = |batch: &Batch| {
        let age = batch.committed_at.map(|at| now - at);
        age.is_some_and(|age| age >= delay || age < -CLOCK_SLACK_US)
    };
    // In order, and only as far as every batch before is committed and old, too: the mark covers all below it.
    view.batches.iter().take_while(|b| !b.is_open() && (b.seq <= view.clean || is_old(b))).collect()
}
