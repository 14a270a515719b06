//! What this process last said about each table, so that a busy table is not announced with every request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::TableId;
use model::safeguard::{Safeguard, holds};

/// A `due` item put less than this ago need not be put again.
const DUE_FRESH: Duration = Duration::from_secs(60);
/// At most one trigger a table in this time: compaction waits for company anyway.
const TRIGGER_EVERY: Duration = Duration::from_secs(1);
/// Above this many tables the memory is wiped: a table announced once too often costs one write.
const TABLES_MAX: usize = 100_000;

/// By table: when `due` was put and when a trigger was sent, as [`clock::Clock::uptime`].
#[derive(Default)]
pub(crate) struct Announced {
    tables: Mutex<HashMap<TableId, Last>>,
}

#[derive(Clone, Copy, Default)]
struct Last {
    due: Option<Duration>,
    trigger: Option<Duration>,
}

impl Announced {
    pub(crate) fn due_is_stale(&self, table: &TableId, now: Duration) -> bool {
        self.with(table, |last| {
            last.due.is_none_or(|at| now.saturating_sub(at) >= DUE_FRESH && holds(Safeguard::DuePutAgain))
        })
    }

    /// To be called only after the put succeeded, with the time from before it.
    pub(crate) fn due_was_put(&self, table: &TableId, now: Duration) {
        self.with(table, |last| last.due = Some(now));
    }

    /// True at most once a second for a table.
    pub(crate) fn trigger_is_wanted(&self, table: &TableId, now: Duration) -> bool {
        self.with(table, |last| {
            let wanted = last.trigger.is_none_or(|at| now.saturating_sub(at) >= TRIGGER_EVERY);
            if wanted {
                last.trigger = Some(now);
            }
            wanted
        })
    }

    fn with<T>(&self, table: &TableId, act: impl FnOnce(&mut Last) -> T) -> T {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.len() >= TABLES_MAX && !tables.contains_key(table) {
            tables.clear();
        }
        act(tables.entry(table.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use model::{ProjectId, TableName};

    use super::*;

    #[test]
    fn due_goes_stale_after_a_minute_and_triggers_come_once_a_second() {
        let announced = Announced::default();
        let table = TableId::new(ProjectId::parse("a").expect("an id"), TableName::Metrics);
        let at = Duration::from_secs;
        assert!(announced.due_is_stale(&table, at(100)));
        announced.due_was_put(&table, at(100));
        assert!(!announced.due_is_stale(&table, at(159)));
        assert!(announced.due_is_stale(&table, at(160)));
        assert!(announced.trigger_is_wanted(&table, at(100)));
        assert!(!announced.trigger_is_wanted(&table, Duration::from_millis(100_999)));
        assert!(announced.trigger_is_wanted(&table, at(101)));
    }
}
