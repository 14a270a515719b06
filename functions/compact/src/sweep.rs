//! The sweeper: finds every table with anything left to do, whatever became of its triggers.
//!
//! It reads only the `due` items. One is removed only if it was seen older than five minutes *before* a read of the
//! ledger that found nothing left, and if it is still the very same.

use std::future::ready;

use futures::StreamExt;
use meta::ledger::Due;
use model::safeguard::{Safeguard, holds};
use model::{Micros, TableId, chain};

use crate::handle::{self, Outcome};
use crate::{App, Counter, Deadline, PassError};

/// What a sweep did for one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    pub table: TableId,
    pub outcome: Outcome,
    pub settled: Settled,
}

/// What became of a `due` item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing was left to do.
    Gone,
    /// There is more to do, or there may be.
    Stays,
}

/// Looks at every due table, those that wait longest first. A table that fails does not keep the others waiting.
pub async fn sweep(app: &App, deadline: Deadline) -> Result<Vec<Swept>, PassError> {
    // Before the `due` items are read, and each of them before its ledger is.
    let seen_at = app.clock.now();
    let mut dues = app.ledger.due_tables().await?;
    dues.sort_by_key(|due| due.since);
    let swept = futures::stream::iter(dues)
        .take_while(|_| ready(!deadline.is_near(app.clock.as_ref(), app.settings.deadline_margin)))
        .map(|due| one(app, due, seen_at, deadline))
        .buffer_unordered(app.settings.tables_at_once.max(1));
    let swept: Vec<Swept> = swept.collect().await;
    for table in swept.iter().filter(|table| table.needs_attention()) {
        tracing::warn!(table = %table.table, outcome = ?table.outcome, "a table needs attention");
    }
    Ok(swept)
}

impl Swept {
    /// True if nothing but an operator may help.
    pub fn needs_attention(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. } | Outcome::Stopped { .. })
    }
}

async fn one(app: &App, due: Due, seen_at: Micros, deadline: Deadline) -> Swept {
    let outcome = handle::one(app, &due.table, app.settings.due, deadline).await;
    let settled = match &outcome {
        Outcome::Done(_) => settle(app, &due, seen_at).await.unwrap_or_else(|error| {
            app.counters.add(Counter::Errors, 1);
            tracing::error!(table = %due.table, error = %chain(&error), "settling a swept table failed");
            Settled::Stays
        }),
        _ => Settled::Stays,
    };
    Swept { table: due.table, outcome, settled }
}

async fn settle(app: &App, due: &Due, seen_at: Micros) -> Result<Settled, PassError> {
    // What this read does not find was recorded after it, and its producer puts `due` after that: another token.
    let view = app.ledger.read(&due.table).await?;
    let nothing_left = view.live.is_empty() && view.batches.is_empty();
    let (due, seen_at) = if holds(Safeguard::DueSeenBeforeRead) {
        (due.clone(), seen_at)
    } else {
        let late = app.ledger.due_of(&due.table).await?;
        (late.unwrap_or_else(|| due.clone()), app.clock.now())
    };
    let gone = nothing_left && app.ledger.settle_due(&due, seen_at).await?;
    Ok(if gone { Settled::Gone } else { Settled::Stays })
}
