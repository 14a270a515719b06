//! Which files and which live segments make up a table right now (design section 2, "Read").
//!
//! One snapshot is loaded first, then the ledger. If the ledger says that segments of a batch above the snapshot may be gone,
//! the snapshot is too old and everything starts over with a fresh one. The scan is the snapshot's files and the live segments
//! that no batch in the snapshot lists: no row is missed and none is read twice.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use clock::Clock;
use lake::{DataFile, LogOpener};
use meta::ledger::{BadSegment, LedgerView, LookupIndex};
use meta::{Ledger, StoreError};
use model::safeguard::{Safeguard, holds};
use model::{Segment, TableId};

use super::index::Index;
use super::live::OnMissing;
use crate::error::QueryError;

static TRIES: [(Freshness, OnMissing); 3] = [
    (Freshness::Kept, OnMissing::StartOver),
    (Freshness::Fresh, OnMissing::StartOver),
    (Freshness::Fresh, OnMissing::LeaveOut),
];

/// Fresh snapshots that are tried before giving up; a second is needed only while compaction cleans up at that very moment.
const FRESH_SNAPSHOTS_MAX: usize = 3;
/// Tables whose snapshot is kept.
const KEPT_MAX: usize = 1_024;

/// How a table is read, try after try: when an object vanished under a query it starts over, twice at most.
pub fn tries() -> &'static [(Freshness, OnMissing)] {
    if holds(Safeguard::ReaderStartsOver) { &TRIES } else { &TRIES[..1] }
}

/// A table at one moment.
#[derive(Clone, Debug)]
pub struct TableView {
    pub id: TableId,
    /// None: the table was never created, all there is is live.
    pub(crate) index: Option<Arc<Index>>,
    pub live: Vec<Segment>,
    /// Quarantined segments, which are left out.
    pub bad: Vec<BadSegment>,
}

impl TableView {
    /// The files of its snapshot; empty if the table was never created.
    pub fn files(&self) -> &[DataFile] {
        self.index.as_ref().map_or(&[], |index| index.files())
    }
}

/// How new a snapshot must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As old as the settings allow.
    Kept,
    /// Asked of the store now.
    Fresh,
}

/// The tables of all projects, with their last snapshots.
pub struct Tables {
    logs: Arc<dyn LogOpener>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    age_max: Duration,
    kept: std::sync::Mutex<HashMap<TableId, Arc<Slot>>>,
}

/// The last snapshot of a table; the lock is held while it is loaded, so that many queries load it once.
type Slot = tokio::sync::Mutex<Option<Kept>>;

struct Kept {
    /// By the clock's uptime, before it was asked for.
    at: Duration,
    index: Option<Arc<Index>>,
}

impl Tables {
    pub fn new(logs: Arc<dyn LogOpener>, ledger: Ledger, clock: Arc<dyn Clock>, age_max: Duration) -> Self {
        Self { logs, ledger, clock, age_max, kept: std::sync::Mutex::default() }
    }

    /// The table now, starting from a snapshot of the given freshness.
    pub async fn view(&self, id: &TableId, mut freshness: Freshness) -> Result<TableView, QueryError> {
        for _ in 0..FRESH_SNAPSHOTS_MAX {
            let (index, ledger) = self.snapshot_then_ledger(id, freshness).await?;
            let told_by =
                if holds(Safeguard::OneSnapshot) { &index } else { &self.index(id, Freshness::Fresh).await? };
            let (committed, voided) =
                told_by.as_ref().map_or((0, 0), |index| (index.snapshot.committed, index.snapshot.voided));
            if ledger.clean <= committed {
                let live = ledger.uncommitted(committed, voided);
                return Ok(TableView { id: id.clone(), index, live, bad: ledger.bad });
            }
            freshness = Freshness::Fresh;
        }
        Err(QueryError::Vanished { table: id.table.to_string(), attempts: FRESH_SNAPSHOTS_MAX })
    }

    /// The look-up indexes of the days from one to another, both inside. They may be of any snapshot.
    pub(super) async fn lookup_indexes(
        &self,
        id: &TableId,
        first: &str,
        last: &str,
    ) -> Result<Vec<LookupIndex>, StoreError> {
        self.ledger.lookup_indexes(id, first, last).await
    }

    async fn snapshot_then_ledger(
        &self,
        id: &TableId,
        freshness: Freshness,
    ) -> Result<(Option<Arc<Index>>, LedgerView), QueryError> {
        let index = self.index(id, freshness).await?;
        let ledger = self.ledger.read_as_reader(id).await;
        let ledger = ledger.map_err(|e| QueryError::unavailable("the metadata store", e))?;
        let is_first = holds(Safeguard::SnapshotBeforeLedger);
        let index = if is_first { index } else { self.index(id, Freshness::Fresh).await? };
        Ok((index, ledger))
    }

    async fn index(&self, id: &TableId, freshness: Freshness) -> Result<Option<Arc<Index>>, QueryError> {
        let slot = self.slot(id);
        let mut slot = slot.lock().await;
        let now = self.clock.uptime();
        if let Some(kept) = slot.as_ref()
            && freshness == Freshness::Kept
            && now.saturating_sub(kept.at) < self.age_max
        {
            return Ok(kept.index.clone());
        }
        let snapshot =
            self.logs.open(id).snapshot().await.map_err(|e| QueryError::unavailable("the table's log", e))?;
        let last = slot.as_ref().and_then(|kept| kept.index.clone());
        let index = snapshot.map(|snapshot| Index::of(snapshot, last.as_deref())).map(Arc::new);
        *slot = Some(Kept { at: now, index: index.clone() });
        Ok(index)
    }

    fn slot(&self, id: &TableId) -> Arc<Slot> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX && !kept.contains_key(id) {
            kept.clear();
        }
        Arc::clone(kept.entry(id.clone()).or_default())
    }
}
