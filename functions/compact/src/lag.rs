//! How far compaction is behind, and the line in the log from which the alarm of a cloud installation is fed.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt};
use meta::StoreError;
use meta::ledger::{Due, LedgerView};
use model::{Micros, SegmentId, TableId};

use crate::App;

const MICROS_PER_SECOND: Micros = 1_000_000;

/// The table that waits longest for compaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    pub table: TableId,
    /// Age of its oldest live segment beyond the age at which it is due; microseconds, more than 0.
    pub late_us: Micros,
}

/// How far compaction is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// None: compaction keeps up.
    pub longest: Option<Lag>,
    /// Tables with anything left to do whose project's bucket did not let us in when a sweep last tried. They are not late by
    /// any fault of compaction, and wait for the bucket's owner.
    pub out_of_reach: usize,
}

/// Only tables that have anything left to do are looked at, each with one reading of its ledger. Comes after a [`crate::sweep`]
/// by the same process, which learns what is out of reach.
pub async fn lag(app: &App) -> Result<Behind, StoreError> {
    let dues = app.ledger.due_tables().await?;
    let is_out_of_reach = |due: &Due| app.beyond.holds(&due.table);
    let (out_of_reach, within): (Vec<Due>, Vec<Due>) = dues.into_iter().partition(is_out_of_reach);
    let tables = futures::stream::iter(within).map(|due| of_table(app, due.table));
    let lags: Vec<Lag> = tables
        .buffer_unordered(app.settings.tables_at_once.max(1))
        .try_filter_map(|lag| std::future::ready(Ok(lag)))
        .try_collect()
        .await?;
    Ok(Behind { longest: lags.into_iter().max_by_key(|lag| lag.late_us), out_of_reach: out_of_reach.len() })
}

/// Logs the lag after a sweep; template.yaml makes metrics of `compaction_lag_s` and `tables_out_of_reach`.
pub async fn log_lag(app: &App) -> Result<(), StoreError> {
    let Behind { longest, out_of_reach: tables_out_of_reach } = lag(app).await?;
    let compaction_lag_s = longest.as_ref().map_or(0, |lag| lag.late_us / MICROS_PER_SECOND);
    let table = longest.as_ref().map(|lag| tracing::field::display(&lag.table));
    tracing::info!(compaction_lag_s, table, tables_out_of_reach, "swept");
    Ok(())
}

async fn of_table(app: &App, table: TableId) -> Result<Option<Lag>, StoreError> {
    let view = app.ledger.read(&table).await?;
    let Some(oldest) = oldest_waiting(&view) else { return Ok(None) };
    let late_us = app.clock.now() - oldest - app.settings.due.age;
    Ok((late_us > 0).then_some(Lag { table, late_us }))
}

/// When the oldest live segment was recorded that no committed batch lists.
fn oldest_waiting(view: &LedgerView) -> Option<Micros> {
    let committed = view.batches.iter().filter(|batch| !batch.is_open());
    let committed: HashSet<&SegmentId> = committed.flat_map(|batch| &batch.segments).collect();
    view.live.iter().filter(|segment| !committed.contains(&segment.id)).map(|segment| segment.recorded_at).min()
}
