//! The limits of queries. Every one of them is answered with an error that names it.

use std::path::PathBuf;
use std::time::Duration;

use crate::rollups::Rollups;
use crate::table::Lookups;

/// Limits of one process and of each query in it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a query may take if it does not say.
    pub timeout_ms_default: u64,
    /// The most that it may say.
    pub timeout_ms_max: u64,
    /// Working memory of one query; above it, what can spill spills.
    pub memory_bytes: usize,
    /// Where intermediate data is spilled to, in a folder of its own per query.
    pub spill_dir: PathBuf,
    /// Intermediate data of one query on disk.
    pub spill_bytes_max: u64,
    /// Rows of an answer if the request does not say.
    pub rows_default: usize,
    /// The most that it may say for an answer in one piece (JSON).
    pub rows_max: usize,
    /// The same for an answer that is streamed (NDJSON, CSV, Arrow).
    pub rows_streamed_max: usize,
    /// Bytes of an answer in one piece, in memory and as it is sent.
    pub result_bytes_max: usize,
    /// Bytes that one query may read from the object store.
    pub bytes_scanned_max: u64,
    /// Length of the SQL text.
    pub sql_bytes_max: usize,
    /// Queries that run at once, in this process and of one project.
    pub running_max: usize,
    pub running_per_project_max: usize,
    /// How long a query waits for one of these places.
    pub place_wait: Duration,
    /// Threads that queries run on; also the partitions of a scan.
    pub threads: usize,
    /// What is kept of objects that were read.
    pub cache: cache::Limits,
    /// How old a table's snapshot may be; whatever its age, no row is missed. Zero: always the newest.
    pub snapshot_age_max: Duration,
    /// When filters run before the other columns of a row are decoded.
    pub late_materialisation: LateMaterialisation,
    /// Whether aggregates are answered from the sums inside data files.
    pub rollups: Rollups,
    /// Whether look-ups by id ask the indexes beside the data files.
    pub lookups: Lookups,
    /// How answers get to the one who asked.
    pub delivery: Delivery,
}

/// How an answer over HTTP gets to the one who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// While it is made; what is said at its end follows as trailers. A server of our own.
    Trailers,
    /// While it is made, and nothing follows. A Lambda function URL.
    Streamed,
    /// In one piece of so many bytes as they are handed to Lambda; larger ones are put into the store and linked. An HTTP API.
    OnePiece { bytes_max: usize },
}

/// When filters run inside the scan, before the other columns of a row are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateMaterialisation {
    /// For wide rows behind a filter, which gain up to ninefold; not for narrow ones, which lose.
    ByShape,
    Always,
    Never,
}

impl Settings {
    pub fn new(spill_dir: PathBuf) -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            timeout_ms_default: 30_000,
            timeout_ms_max: 300_000,
            memory_bytes: 512 << 20,
            spill_dir,
            spill_bytes_max: 8 << 30,
            rows_default: 10_000,
            rows_max: 100_000,
            rows_streamed_max: 50_000_000,
            result_bytes_max: 64 << 20,
            bytes_scanned_max: 64 << 30,
            sql_bytes_max: 256 << 10,
            running_max: 16,
            running_per_project_max: 8,
            place_wait: Duration::from_secs(5),
            threads,
            cache: cache::Limits::in_memory(512 << 20),
            snapshot_age_max: Duration::ZERO,
            late_materialisation: LateMaterialisation::ByShape,
            rollups: Rollups::Used,
            lookups: Lookups::Used,
            delivery: Delivery::Trailers,
        }
    }
}
