//! One worker's turn at one table: the steps of the write path, in their order.
//!
//! Every step is a file. What a pass does not finish, or dies in, the next one finds in the ledger.

#[cfg(debug_assertions)]
pub(crate) mod broken;
mod build;
mod choose;
mod clean;
mod commit;
mod held;
mod open;
mod resolve;
pub(crate) mod segments;

use lake::Snapshot;
use meta::ledger::{LedgerView, Stop};
use model::safeguard::{Safeguard, holds};
use model::{DueRule, Micros, TableId, chain};

pub(crate) use self::commit::commit_and_read_back;
pub(crate) use self::held::{Held, Taking};
use self::open::{Opened, open};
pub(crate) use self::open::{mismatch, stop};
use crate::{App, Deadline, PassError, maintain};

/// What came of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pass {
    Done(Done),
    /// Somebody else holds the table.
    Busy {
        until: Micros,
    },
    /// Ledger and log do not fit each other; nobody commits until it is repaired.
    Stopped(Stop),
}

/// What a turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Batches that were seen committed.
    pub commits: u32,
    pub voids: u32,
    pub segments: u64,
    pub rows: u64,
    pub quarantined: u32,
    /// Live segments that were not committed when the turn ended.
    pub left: usize,
}

/// A turn: takes the lease, works while there is something due and time left, gives the lease back.
pub(crate) async fn run(app: &App, table: &TableId, due: DueRule, deadline: Deadline) -> Result<Pass, PassError> {
    if let Some(stop) = app.ledger.stopped(table).await? {
        return Ok(Pass::Stopped(stop));
    }
    if let Some(left) = nothing_to_do(app, table, due).await? {
        return Ok(Pass::Done(Done { left, ..Done::default() }));
    }
    let mut held = match Held::take(app, table, deadline).await? {
        Taking::Ours(held) => held,
        Taking::Busy { until } => return Ok(Pass::Busy { until }),
    };
    let worked = work(app, table, &mut held, due, deadline).await;
    if let Ok(Pass::Done(done)) = &worked
        && done.commits > 0
    {
        checkpoint(app, table, &mut held).await;
    }
    held.release().await;
    worked
}

/// Out of band: a failure is said and changes nothing of what was committed.
async fn checkpoint(app: &App, table: &TableId, held: &mut Held<'_>) {
    let written = async {
        let Some(snapshot) = app.log(table).snapshot().await? else { return Ok(None) };
        maintain::log::checkpoint(app, table, snapshot.version).await
    };
    if let Err(error) = held.while_renewing(written).await.and_then(|written| written) {
        tracing::warn!(%table, error = %chain(&error), "no checkpoint was written; a later turn does it");
    }
}

/// Steps 2 to 8, under the lease.
pub(crate) async fn work(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    due: DueRule,
    deadline: Deadline,
) -> Result<Pass, PassError> {
    let mut done = Done::default();
    loop {
        // The lease first, then the ledger, then the snapshot.
        let view = app.ledger.read(table).await?;
        let snapshot = match open(app, table, held, &view).await? {
            Opened::Fits(snapshot) => snapshot,
            Opened::Stopped(stop) => return Ok(Pass::Stopped(stop)),
        };
        if let Some(batch) = view.open_batch().filter(|_| !opens_another(app, &view, due)) {
            let rows_before = done.rows;
            match resolve::resolve(app, table, held, &view, &snapshot, batch, &mut done).await {
                Err(error) if error.may_be_poison() => failed_attempt(app, table, &error),
                other => other?,
            }
            tracing::debug!(%table, seq = batch.seq, rows = done.rows - rows_before, "open batch seen to");
            if !is_time_up(app, deadline) {
                continue;
            }
            return Ok(Pass::Done(Done { left: app.ledger.read(table).await?.unlisted().len(), ..done }));
        }
        clean::clean(app, table, &view).await?;
        done.left = view.unlisted().len();
        if is_time_up(app, deadline) {
            return Ok(Pass::Done(done));
        }
        let chosen = choose::choose(app, table, held, &view, due).await?;
        done.quarantined += chosen.quarantined;
        if chosen.loaded.is_empty() {
            if chosen.quarantined > 0 {
                continue;
            }
            return Ok(Pass::Done(done));
        }
        let ids = chosen.loaded.iter().map(|loaded| loaded.segment.id.clone()).collect();
        let batch = held.open_batch(ids).await?;
        match resolve::attempt(app, table, held, &snapshot, &batch, chosen, &mut done).await {
            Err(error) if error.may_be_poison() => failed_attempt(app, table, &error),
            other => other?,
        }
    }
}

/// A look without the lease: the number of live segments, if there is nothing to do for now.
async fn nothing_to_do(app: &App, table: &TableId, due: DueRule) -> Result<Option<usize>, PassError> {
    let view = app.ledger.read(table).await?;
    let idle = view.open_batch().is_none()
        && clean::cleanable(app, &view).is_empty()
        && !due.is_due(&view.unlisted(), app.clock.now());
    Ok(idle.then_some(view.unlisted().len()))
}

/// The attempt stays counted; the open batch is tried again, and voided in the end.
fn failed_attempt(app: &App, table: &TableId, error: &PassError) {
    app.counters.add(crate::Counter::FailedAttempts, 1);
    let error = chain(error);
    tracing::error!(%table, error, "a batch could not be built; it is tried again, then cut into smaller ones");
}

/// Never, unless a test says so.
fn opens_another(app: &App, view: &LedgerView, due: DueRule) -> bool {
    !holds(Safeguard::OneOpenBatch) && due.is_due(&view.unlisted(), app.clock.now())
}

fn is_time_up(app: &App, deadline: Deadline) -> bool {
    deadline.is_near(app.clock.as_ref(), app.settings.deadline_margin)
}

/// For upkeep: the open batch is resolved before anything else is done to a table. A fresh snapshot on which none is
/// open; none: the table was stopped.
pub(crate) async fn settled(app: &App, table: &TableId, held: &mut Held<'_>) -> Result<Option<Snapshot>, PassError> {
    loop {
        let view = app.ledger.read(table).await?;
        let snapshot = match open(app, table, held, &view).await? {
            Opened::Fits(snapshot) => snapshot,
            Opened::Stopped(_) => return Ok(None),
        };
        let Some(batch) = view.open_batch().filter(|_| holds(Safeguard::OpenBatchFirst)) else {
            return Ok(Some(snapshot));
        };
        match resolve::resolve(app, table, held, &view, &snapshot, batch, &mut Done::default()).await {
            Err(error) if error.may_be_poison() => failed_attempt(app, table, &error),
            other => other?,
        }
    }
}
