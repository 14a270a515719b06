//! Between a data file as we know it and the library's Add and Remove.
//!
//! The exact time bounds, the number of rewrites and where the rollups lie stand in the Add's tags: `plimsoll.time_min`,
//! `plimsoll.time_max` (microseconds), `plimsoll.rewrites` and, if there are any, `plimsoll.rollups`.

use std::collections::{BTreeMap, HashMap};

use deltalake::DeltaResult;
use deltalake::kernel::{Add, LogicalFileView, Remove};
use model::Micros;

use crate::log::{DataFile, NewFile};

const TIME_MIN: &str = "plimsoll.time_min";
const TIME_MAX: &str = "plimsoll.time_max";
const REWRITES: &str = "plimsoll.rewrites";
const ROLLUPS: &str = "plimsoll.rollups";

/// An active file of a loaded version.
pub(super) fn of_view(view: &LogicalFileView) -> DeltaResult<DataFile> {
    #[expect(deprecated, reason = "the only public way to an Add's tags")]
    let add = view.add_action();
    let tag = |name: &str| add.tags.as_ref()?.get(name)?.as_deref();
    let partition = add.partition_values.iter().filter_map(|(k, v)| Some((k.clone(), v.clone()?))).collect();
    Ok(DataFile {
        bytes: u64::try_from(add.size).unwrap_or(0),
        rows: view.num_records().unwrap_or(0) as u64,
        partition,
        time_min: tag(TIME_MIN).and_then(|t| t.parse().ok()).unwrap_or(Micros::MIN),
        time_max: tag(TIME_MAX).and_then(|t| t.parse().ok()).unwrap_or(Micros::MAX),
        rewrites: tag(REWRITES).and_then(|t| t.parse().ok()).unwrap_or(0),
        stats: add.stats.as_deref().unwrap_or("{}").into(),
        rollups: tag(ROLLUPS).map(Into::into),
        modified_at: add.modification_time.saturating_mul(1_000),
        path: add.path,
    })
}

/// The Add of a new file.
pub(super) fn add(file: &NewFile, data_change: DataChange) -> Add {
    let tags = [
        (TIME_MIN, file.time_min.to_string()),
        (TIME_MAX, file.time_max.to_string()),
        (REWRITES, file.rewrites.to_string()),
    ];
    let rollups = file.rollups.as_ref().map(|rollups| (ROLLUPS, rollups.to_string()));
    Add {
        path: file.path.clone(),
        partition_values: values(&file.partition),
        size: signed(file.bytes),
        modification_time: file.modified_at / 1_000,
        data_change: data_change.is_change(),
        stats: Some(file.stats.to_string()),
        tags: Some(tags.into_iter().chain(rollups).map(|(name, value)| (name.to_owned(), Some(value))).collect()),
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

/// The Remove of a file of the base.
pub(super) fn remove(file: &DataFile, at: Micros, data_change: DataChange) -> Remove {
    Remove {
        path: file.path.clone(),
        data_change: data_change.is_change(),
        deletion_timestamp: Some(at / 1_000),
        extended_file_metadata: Some(true),
        partition_values: Some(values(&file.partition)),
        size: Some(signed(file.bytes)),
        ..Remove::default()
    }
}

/// Whether rows come or go, or only move to other files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DataChange {
    Rows,
    None,
}

impl DataChange {
    fn is_change(self) -> bool {
        self == DataChange::Rows
    }
}

fn values(partition: &BTreeMap<String, String>) -> HashMap<String, Option<String>> {
    partition.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
