//! What one query considered, opened and read: the statistics of its answer, and the budget it must keep to.
//!
//! Everything is counted where it happens: in the reader of Parquet files and in the reader of live segments.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Segment, TableName};
use parquet::file::metadata::ParquetMetaData;

use crate::error::Limit;
use crate::waits::Waits;

pub(crate) struct Meter {
    /// Of the query, over all its tries.
    pub(crate) waits: Arc<Waits>,
    bytes_max: u64,
    bytes: AtomicU64,
    /// True once something that a snapshot or the ledger names was not there.
    missing: AtomicBool,
    /// True if the plan joins by hash tables, which stay in memory.
    joins_by_hashing: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    files_considered: u64,
    /// By table and path.
    files: HashMap<(TableName, String), ProbedFile>,
    rollups: BTreeSet<(TableName, String)>,
    ruled_out: BTreeSet<(TableName, String)>,
    lookups_failed: u64,
    segments_considered: u64,
    segments_read: BTreeSet<String>,
    versions: BTreeMap<TableName, u64>,
    warnings: BTreeSet<String>,
}

#[derive(Debug)]
struct ProbedFile {
    /// The bytes of each row group, ascending.
    row_groups: Vec<Range<u64>>,
    opened: BTreeSet<usize>,
}

/// The counts at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) files_considered: u64,
    pub(crate) files_probed: u64,
    pub(crate) files_opened: u64,
    pub(crate) rollups_read: u64,
    pub(crate) files_ruled_out: u64,
    pub(crate) lookups_failed: u64,
    pub(crate) row_groups_considered: u64,
    pub(crate) row_groups_opened: u64,
    pub(crate) bytes_scanned: u64,
    pub(crate) segments_considered: u64,
    pub(crate) segments_read: u64,
    pub(crate) versions: BTreeMap<TableName, u64>,
    pub(crate) warnings: Vec<String>,
}

impl Meter {
    pub(crate) fn new(bytes_max: u64, waits: Arc<Waits>) -> Self {
        Self {
            waits,
            bytes_max,
            bytes: AtomicU64::new(0),
            missing: AtomicBool::new(false),
            joins_by_hashing: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    /// A table whose snapshot (its version; none: never created) has this many files, and this many live segments beside it.
    pub(crate) fn table(&self, table: TableName, version: Option<u64>, files: usize, segments: usize) {
        let mut seen = self.seen();
        if let Some(version) = version {
            seen.versions.insert(table, version);
        }
        seen.files_considered += files as u64;
        seen.segments_considered += segments as u64;
    }

    /// Bytes that are about to be read from the store.
    pub(crate) fn charge(&self, bytes: u64) -> Result<(), Limit> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.bytes_max {
            return Err(Limit::BytesScanned { bytes_max: self.bytes_max });
        }
        Ok(())
    }

    /// A file whose footer was asked for.
    pub(crate) fn file_probed(&self, table: TableName, path: &str, footer: &ParquetMetaData) {
        let row_groups = || {
            footer.row_groups().iter().map(|group| {
                let chunks = || group.columns().iter().map(|column| column.byte_range());
                let start = chunks().map(|(start, _)| start).min().unwrap_or(0);
                start..chunks().map(|(start, length)| start + length).max().unwrap_or(0)
            })
        };
        let mut seen = self.seen();
        seen.files
            .entry((table, path.to_owned()))
            .or_insert_with(|| ProbedFile { row_groups: row_groups().collect(), opened: BTreeSet::new() });
    }

    /// Bytes of a file are read: true if they are rows, false if they are an index or a bloom filter.
    pub(crate) fn file_read(&self, table: TableName, path: &str, range: &Range<u64>) -> bool {
        let mut seen = self.seen();
        let Some(file) = seen.files.get_mut(&(table, path.to_owned())) else { return false };
        let at = file.row_groups.iter().position(|group| group.start <= range.start && range.start < group.end);
        at.inspect(|at| _ = file.opened.insert(*at)).is_some()
    }

    /// A file that is answered for, at least in part, by the sums in it.
    pub(crate) fn rollups_read(&self, table: TableName, path: &str) {
        self.seen().rollups.insert((table, path.to_owned()));
    }

    /// A file that a look-up index says to hold no asked row.
    pub(crate) fn ruled_out(&self, table: TableName, path: &str) {
        self.seen().ruled_out.insert((table, path.to_owned()));
    }

    /// A look-up index that was passed over, since it cannot be read.
    pub(crate) fn lookup_failed(&self, index: &str, why: &dyn std::fmt::Display) {
        tracing::warn!(index, error = %why, "a look-up index was passed over: files are opened instead");
        self.seen().lookups_failed += 1;
    }

    pub(crate) fn segment_read(&self, segment: &Segment) {
        self.seen().segments_read.insert(segment.id.to_string());
    }

    pub(crate) fn warn(&self, warning: String) {
        self.seen().warnings.insert(warning);
    }

    pub(crate) fn something_missing(&self) {
        self.missing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_something_missing(&self) -> bool {
        self.missing.load(Ordering::Relaxed)
    }

    pub(crate) fn hash_join(&self) {
        self.joins_by_hashing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn joins_by_hashing(&self) -> bool {
        self.joins_by_hashing.load(Ordering::Relaxed)
    }

    pub(crate) fn reading(&self) -> Reading {
        let seen = self.seen();
        Reading {
            files_considered: seen.files_considered,
            files_probed: seen.files.len() as u64,
            files_opened: seen.files.values().filter(|file| !file.opened.is_empty()).count() as u64,
            rollups_read: seen.rollups.len() as u64,
            files_ruled_out: seen.ruled_out.len() as u64,
            lookups_failed: seen.lookups_failed,
            row_groups_considered: seen.files.values().map(|file| file.row_groups.len() as u64).sum(),
            row_groups_opened: seen.files.values().map(|file| file.opened.len() as u64).sum(),
            bytes_scanned: self.bytes.load(Ordering::Relaxed),
            segments_considered: seen.segments_considered,
            segments_read: seen.segments_read.len() as u64,
            versions: seen.versions.clone(),
            warnings: seen.warnings.iter().cloned().collect(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_that_is_too_much_is_refused() {
        let meter = Meter::new(100, Arc::new(Waits::new(Arc::new(clock::ManualClock::new(0)))));
        assert_eq!(meter.charge(60), Ok(()));
        assert_eq!(meter.charge(40), Ok(()));
        assert_eq!(meter.charge(1), Err(Limit::BytesScanned { bytes_max: 100 }));
        assert_eq!(meter.reading().bytes_scanned, 101);
    }
}
