//! Tables whose project's bucket did not let us in when we last tried: for its owner to mend, so they are told apart from
//! those that compaction is late with.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::TableId;

use crate::handle::Outcome;

/// At most as many as there are tables.
#[derive(Default)]
pub(crate) struct Beyond {
    tables: Mutex<HashSet<TableId>>,
}

impl Beyond {
    /// What a turn that was taken says of its table.
    pub(crate) fn note(&self, table: &TableId, outcome: &Outcome) {
        match outcome {
            Outcome::OutOfReach { .. } => self.all().insert(table.clone()),
            _ => self.all().remove(table),
        };
    }

    pub(crate) fn holds(&self, table: &TableId) -> bool {
        self.all().contains(table)
    }

    fn all(&self) -> MutexGuard<'_, HashSet<TableId>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use model::{ProjectId, TableName};

    use super::*;

    #[test]
    fn a_table_is_beyond_reach_as_long_as_that_was_its_last_word() {
        let project = ProjectId::parse("shop").expect("an id");
        let [logs, metrics] =
            [TableName::LogsAndSpans, TableName::Metrics].map(|table| TableId { project: project.clone(), table });
        let beyond = Beyond::default();
        let away = Outcome::OutOfReach { error: "refused".to_owned() };
        beyond.note(&logs, &away);
        beyond.note(&metrics, &away);
        assert!(beyond.holds(&logs) && beyond.holds(&metrics));
        // The other table of the project says nothing about this one: it may have had nothing to do.
        beyond.note(&metrics, &Outcome::NoTime);
        assert!(beyond.holds(&logs) && !beyond.holds(&metrics));
    }
}
