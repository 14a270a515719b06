//! Settings of compaction and upkeep; the defaults suit one machine and a function alike.

use std::time::Duration;

use model::DueRule;

use crate::maintain::LookupRule;
use crate::maintain::plan::MergeRule;

#[derive(Clone, Debug)]
pub struct Settings {
    /// When a table is compacted.
    pub due: DueRule,
    /// Bytes of segments of one batch, as they lie in the store.
    pub batch_bytes_max: u64,
    /// Bytes of segments of one batch, decoded.
    pub batch_decoded_bytes_max: u64,
    /// Bytes that all tables worked on side by side may take together.
    pub memory_bytes: u64,
    /// Tables worked on side by side.
    pub tables_at_once: usize,
    /// Time from a commit to the raising of the mark: readers rarely start over.
    pub mark_delay: Duration,
    /// No new step is begun with less time left.
    pub deadline_margin: Duration,
    /// Longest that one table may take in one call.
    pub table_time_max: Duration,
    /// Landing objects younger than this are kept in any case: two dedup windows, so that `repair` finds the first copy of
    /// every body that was refused within the last.
    pub landing_kept: Duration,
    /// Files removed from a table are kept this long for readers.
    pub vacuum_horizon: Duration,
    /// Log entries are kept this long: two dedup windows.
    pub log_kept: Duration,
    /// Commits between two checkpoints.
    pub checkpoint_commits: u64,
    /// Days that retention drops at once without being told to.
    pub retention_days_at_once_max: usize,
    /// Objects deleted by one run of vacuum, and in one piece by the landing cleaner, which goes on while there is time.
    pub deletes_max: usize,
    pub merge: MergeRule,
    pub lookup: LookupRule,
}

const MIB: u64 = 1 << 20;
const HOUR: Duration = Duration::from_secs(3_600);

impl Default for Settings {
    fn default() -> Self {
        Self {
            due: DueRule::default(),
            batch_bytes_max: 48 * MIB,
            batch_decoded_bytes_max: 384 * MIB,
            memory_bytes: 1_024 * MIB,
            tables_at_once: 4,
            mark_delay: Duration::from_secs(45),
            deadline_margin: Duration::from_secs(20),
            table_time_max: Duration::from_secs(600),
            landing_kept: 48 * HOUR,
            vacuum_horizon: 24 * HOUR,
            log_kept: 48 * HOUR,
            checkpoint_commits: 32,
            retention_days_at_once_max: 7,
            deletes_max: 10_000,
            merge: MergeRule::default(),
            lookup: LookupRule::default(),
        }
    }
}
