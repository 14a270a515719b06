//! A snapshot's files with their statistics, read from the log's JSON only when a query asks, and kept for the next snapshot.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use lake::{DataFile, Snapshot};
use rollup::Directory;
use serde_json::{Map, Value};

/// One snapshot, ready to be pruned.
pub(crate) struct Index {
    pub(crate) snapshot: Snapshot,
    /// One per file of the snapshot, in its order.
    statistics: Vec<Arc<FileStatistics>>,
}

/// The parsed statistics of a file; empty until asked for.
#[derive(Default)]
struct FileStatistics {
    parsed: OnceLock<Parsed>,
    rollups: OnceLock<Directory>,
}

#[derive(Default)]
struct Parsed {
    min: Map<String, Value>,
    max: Map<String, Value>,
    nulls: Map<String, Value>,
}

/// Which bound of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Min,
    Max,
    /// How many rows are null.
    Nulls,
}

impl Index {
    /// Takes over from the index before what was parsed of the files that both have.
    pub(crate) fn of(snapshot: Snapshot, before: Option<&Index>) -> Self {
        let known: HashMap<&str, &Arc<FileStatistics>> = match before {
            Some(before) => before.files().iter().map(|file| file.path.as_str()).zip(&before.statistics).collect(),
            None => HashMap::new(),
        };
        let of = |file: &DataFile| known.get(file.path.as_str()).map(|known| Arc::clone(known)).unwrap_or_default();
        let statistics = snapshot.files.iter().map(of).collect();
        Self { snapshot, statistics }
    }

    pub(crate) fn files(&self) -> &[DataFile] {
        &self.snapshot.files
    }

    /// Where the rollups of a file lie in it.
    pub(super) fn rollups(&self, file: usize) -> &Directory {
        let of = |file: &DataFile| file.rollups.as_ref().map(|text| Directory::of_text(text, file.bytes));
        self.statistics[file].rollups.get_or_init(|| of(&self.files()[file]).unwrap_or_default())
    }

    /// A bound of a column in a file, as the log has it; none if it does not say.
    pub(super) fn bound(&self, file: usize, bound: Bound, column: &str) -> Option<&Value> {
        let parsed = self.statistics[file].parsed.get_or_init(|| parse(&self.files()[file].stats));
        match bound {
            Bound::Min => parsed.min.get(column),
            Bound::Max => parsed.max.get(column),
            Bound::Nulls => parsed.nulls.get(column),
        }
    }
}

/// Statistics that do not read are none: they only ever save work.
fn parse(stats: &str) -> Parsed {
    let Ok(Value::Object(mut stats)) = serde_json::from_str(stats) else { return Parsed::default() };
    let mut part = |name: &str| match stats.remove(name) {
        Some(Value::Object(part)) => part,
        _ => Map::new(),
    };
    Parsed { min: part("minValues"), max: part("maxValues"), nulls: part("nullCount") }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index(version {}, {} files)", self.snapshot.version, self.statistics.len())
    }
}
