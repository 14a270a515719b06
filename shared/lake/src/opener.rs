//! Opens table logs and keeps them, so that a snapshot costs a small look at the store instead of a load.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TableId;
use objects::Roots;

use crate::DeltaLog;
use crate::log::{LogOpener, TableLog};

/// Most logs kept open; above it the one that was opened first is dropped.
const OPEN_MAX: usize = 1_024;

/// The logs of all tables below some roots. Cheap to clone: clones share what is open.
#[derive(Clone)]
pub struct DeltaLogs {
    roots: Roots,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    logs: HashMap<TableId, (u64, Arc<DeltaLog>)>,
    opened: u64,
}

impl DeltaLogs {
    pub fn new(roots: Roots) -> Self {
        Self { roots, open: Arc::default() }
    }

    /// The log of a table; the same one each time, as long as it is kept.
    pub fn log(&self, table: &TableId) -> Arc<DeltaLog> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, log)) = open.logs.get(table) {
            return Arc::clone(log);
        }
        if open.logs.len() >= OPEN_MAX {
            let oldest = open.logs.iter().min_by_key(|(_, (opened, _))| *opened).map(|(table, _)| table.clone());
            oldest.map(|table| open.logs.remove(&table));
        }
        open.opened += 1;
        let log = Arc::new(DeltaLog::open(self.roots.open(&table.project), table.table));
        let entry = (open.opened, Arc::clone(&log));
        open.logs.insert(table.clone(), entry);
        log
    }
}

impl LogOpener for DeltaLogs {
    fn open(&self, table: &TableId) -> Arc<dyn TableLog> {
        self.log(table)
    }
}
