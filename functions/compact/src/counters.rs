//! What compaction did since the process started, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Commits of batches that were seen readable.
    Commits,
    /// Segments in them.
    Segments,
    /// Rows in them.
    Rows,
    /// Bytes of data files in them.
    Bytes,
    /// Builds that failed for a reason of the segments.
    FailedAttempts,
    /// Batches voided.
    Voids,
    /// Segments moved to quarantine.
    Quarantined,
    /// Tables stopped because ledger and table do not fit.
    Stops,
    /// Leases lost while at work.
    LeasesLost,
    /// Passes that ended with an error.
    Errors,
    Merges,
    /// Rows rewritten by merging.
    MergedRows,
    /// Look-up indexes made.
    LookupIndexes,
    /// Data files dropped by retention.
    RetiredFiles,
    /// Data files deleted from the store.
    VacuumedFiles,
    LandingObjectsDeleted,
    Checkpoints,
    LogEntriesDeleted,
}

impl Counter {
    pub const ALL: [Counter; 18] = [
        Counter::Commits,
        Counter::Segments,
        Counter::Rows,
        Counter::Bytes,
        Counter::FailedAttempts,
        Counter::Voids,
        Counter::Quarantined,
        Counter::Stops,
        Counter::LeasesLost,
        Counter::Errors,
        Counter::Merges,
        Counter::MergedRows,
        Counter::LookupIndexes,
        Counter::RetiredFiles,
        Counter::VacuumedFiles,
        Counter::LandingObjectsDeleted,
        Counter::Checkpoints,
        Counter::LogEntriesDeleted,
    ];

    /// As Prometheus names it.
    pub fn name(self) -> &'static str {
        match self {
            Counter::Commits => "plimsoll_compact_commits_total",
            Counter::Segments => "plimsoll_compact_segments_total",
            Counter::Rows => "plimsoll_compact_rows_total",
            Counter::Bytes => "plimsoll_compact_bytes_total",
            Counter::FailedAttempts => "plimsoll_compact_failed_attempts_total",
            Counter::Voids => "plimsoll_compact_voids_total",
            Counter::Quarantined => "plimsoll_compact_quarantined_segments_total",
            Counter::Stops => "plimsoll_compact_stops_total",
            Counter::LeasesLost => "plimsoll_compact_leases_lost_total",
            Counter::Errors => "plimsoll_compact_errors_total",
            Counter::Merges => "plimsoll_merges_total",
            Counter::MergedRows => "plimsoll_merged_rows_total",
            Counter::LookupIndexes => "plimsoll_lookup_indexes_total",
            Counter::RetiredFiles => "plimsoll_retired_files_total",
            Counter::VacuumedFiles => "plimsoll_vacuumed_files_total",
            Counter::LandingObjectsDeleted => "plimsoll_landing_objects_deleted_total",
            Counter::Checkpoints => "plimsoll_checkpoints_total",
            Counter::LogEntriesDeleted => "plimsoll_log_entries_deleted_total",
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Counters {
    values: [AtomicU64; Counter::ALL.len()],
}

impl Counters {
    pub(crate) fn add(&self, counter: Counter, n: u64) {
        self.values[counter as usize].fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self, counter: Counter) -> u64 {
        self.values[counter as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_place_of_its_own() {
        let counters = Counters::default();
        for (at, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, at);
            counters.add(counter, at as u64);
            assert_eq!(counters.get(counter), at as u64);
        }
    }
}
