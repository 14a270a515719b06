//! How data files must lie, checked against what is in them.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use model::{Micros, TableName};
use serde_json::Value;
use tests::delta::{Added, DeltaFolder};

const REWRITES_MAX: u32 = 3;

/// What the log must say of every file: least and greatest value, and the number of nulls.
fn required(table: TableName) -> &'static [&'static str] {
    match table {
        TableName::LogsAndSpans => &[
            "timestamp",
            "start_time",
            "resource___service___name",
            "name",
            "kind",
            "status_code",
            "level",
            "severity___severity_text",
            "severity___severity_number",
            "duration",
            "context___trace_id",
        ],
        TableName::Metrics => {
            &["timestamp", "start_timestamp", "metric_name", "metric_type", "resource___service___name"]
        }
    }
}

/// Each file ascends by time, holds only its date, says its bounds exactly, and ends before the next one begins.
pub(crate) fn assert_sorted_and_disjoint(folder: &DeltaFolder, files: &[&Added]) {
    let mut bounds: Vec<(Micros, Micros)> = Vec::new();
    for file in files {
        let batch = folder.read(&file.path, &["timestamp"]);
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        assert_eq!(times.null_count(), 0, "{}", file.path);
        let times = times.values();
        assert_eq!(times.len() as u64, file.rows(), "{}", file.path);
        assert!(times.is_sorted(), "{}", file.path);
        let (first, last) = (times[0], times[times.len() - 1]);
        assert_eq!((file.time_min, file.time_max), (first, last), "{}", file.path);
        for at in [first, last] {
            assert_eq!(&model::rfc3339(at)[..10], file.date(), "{}", file.path);
        }
        bounds.push((first, last));
    }
    bounds.sort_unstable();
    for pair in bounds.windows(2) {
        assert!(pair[0].1 < pair[1].0, "{:?}: {pair:?}", files[0].partition);
    }
}

/// Every required column has bounds and a count of nulls, and they are true of the rows.
pub(crate) fn assert_full_statistics(table: TableName, folder: &DeltaFolder, file: &Added) {
    let batch = folder.read(&file.path, required(table));
    assert_eq!(batch.num_rows() as u64, file.rows(), "{}", file.path);
    for name in required(table) {
        let said = || format!("{name} of {}: {}", file.path, file.stats);
        let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no {}", said()));
        assert_eq!(file.stats["nullCount"][name].as_u64(), Some(column.null_count() as u64), "{}", said());
        let (min, max) = (&file.stats["minValues"][name], &file.stats["maxValues"][name]);
        if column.null_count() == column.len() {
            assert!(min.is_null() && max.is_null(), "{}", said());
            continue;
        }
        assert!(bounds(column, min, max), "{}", said());
    }
}

/// True if no value lies outside.
fn bounds(column: &ArrayRef, min: &Value, max: &Value) -> bool {
    let time =
        |bound: &Value| chrono::DateTime::parse_from_rfc3339(bound.as_str()?).ok().map(|at| at.timestamp_micros());
    let integer = Value::as_i64;
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            within(column.as_primitive::<TimestampMicrosecondType>().iter().flatten(), time(min), time(max))
        }
        DataType::Int64 => within(column.as_primitive::<Int64Type>().iter().flatten(), integer(min), integer(max)),
        DataType::Int32 => {
            let values = column.as_primitive::<Int32Type>().iter().flatten().map(i64::from);
            within(values, integer(min), integer(max))
        }
        DataType::Utf8 => within(column.as_string::<i32>().iter().flatten(), min.as_str(), max.as_str()),
        other => panic!("no statistics of {other}"),
    }
}

fn within<T: PartialOrd + Copy>(mut values: impl Iterator<Item = T>, min: Option<T>, max: Option<T>) -> bool {
    let (Some(min), Some(max)) = (min, max) else { return false };
    values.all(|value| min <= value && value <= max)
}

/// No row was rewritten too often: by what each file says, and by what the log's history says of it. A merge moves all
/// rows and makes none. How many merges there were.
pub(crate) fn assert_bounded_rewrites(folder: &DeltaFolder) -> usize {
    let mut files: BTreeMap<String, (u32, u64)> = BTreeMap::new();
    let mut merges = 0;
    for entry in folder.entries() {
        let gone: Vec<(u32, u64)> =
            entry.removed.iter().map(|r| files.remove(&r.path).expect("it was there")).collect();
        let is_merge = entry.kind.as_deref() == Some("merge");
        let generation =
            if is_merge { gone.iter().map(|(n, _)| n + 1).max().expect("something was merged") } else { 0 };
        if is_merge {
            merges += 1;
            let rows_in: u64 = gone.iter().map(|(_, rows)| rows).sum();
            assert_eq!(entry.added.iter().map(Added::rows).sum::<u64>(), rows_in, "version {}", entry.version);
            assert!(entry.added.iter().all(|added| !added.data_change), "version {}", entry.version);
            assert!(entry.removed.iter().all(|removed| !removed.data_change), "version {}", entry.version);
        }
        for added in entry.added {
            assert_eq!(added.rewrites, generation, "{} of version {}", added.path, entry.version);
            assert!(generation <= REWRITES_MAX, "{} was rewritten {generation} times", added.path);
            files.insert(added.path.clone(), (generation, added.rows()));
        }
    }
    merges
}
