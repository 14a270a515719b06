//! How much is kept.

use std::path::PathBuf;

/// Limits of one process. All that lies in memory is counted against `memory_bytes`: see the shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub memory_bytes: u64,
    /// Whether bytes of rows are kept in memory.
    pub rows_in_memory: bool,
    /// None: nothing is kept on a disk.
    pub disk: Option<DiskLimits>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskLimits {
    /// For this alone; made if it is missing. Two processes may name the same: one of them goes without.
    pub folder: PathBuf,
    pub bytes_max: u64,
    /// Of what is free at the start, so much is left to others for good.
    pub left_bytes: u64,
    /// While less than that is free, what is kept is given up, oldest first.
    pub free_bytes_min: u64,
}

/// Sixteenths of the memory.
const FOOTERS: u64 = 3;
const LEADS: u64 = 3;
const SEGMENTS: u64 = 3;
const ROWS: u64 = 6;
/// Half of it to know what lies on the disk, half for what waits to be written there.
const DISK: u64 = 1;

impl Limits {
    pub fn in_memory(memory_bytes: u64) -> Self {
        Self { memory_bytes, rows_in_memory: true, disk: None }
    }

    fn share(&self, sixteenths: u64) -> u64 {
        self.memory_bytes / 16 * sixteenths
    }

    /// For footers as they were read; kept by whoever reads them.
    pub fn footer_bytes(&self) -> u64 {
        self.share(FOOTERS)
    }

    /// For live segments, verified; kept by whoever reads them.
    pub fn segment_bytes(&self) -> u64 {
        self.share(SEGMENTS)
    }

    pub(crate) fn lead_bytes(&self) -> u64 {
        self.share(LEADS)
    }

    pub(crate) fn row_bytes(&self) -> u64 {
        if self.rows_in_memory { self.share(ROWS) } else { 0 }
    }

    pub(crate) fn disk_index_bytes(&self) -> u64 {
        self.share(DISK) / 2
    }

    pub(crate) fn disk_queue_bytes(&self) -> u64 {
        self.share(DISK) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_the_whole() {
        assert_eq!(FOOTERS + LEADS + SEGMENTS + ROWS + DISK, 16);
    }
}
