//! The answer to a query: its columns, rows, what was left out, and what it took.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use model::TableName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::encode;
use crate::meter::Reading;

/// A whole answer, for callers in this process.
#[derive(Clone, Debug)]
pub struct Answer {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    pub truncated: Option<Truncated>,
    pub warnings: Vec<String>,
    pub statistics: Statistics,
}

impl Answer {
    pub fn columns(&self) -> Vec<ColumnInfo> {
        ColumnInfo::of(&self.schema)
    }

    /// The rows as the HTTP answer has them.
    pub fn rows(&self) -> Vec<Vec<serde_json::Value>> {
        self.batches.iter().flat_map(encode::json_rows).collect()
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ColumnInfo {
    pub name: String,
    /// PostgreSQL's name of the type: `bigint`, `double precision`, `text`, `timestamptz`, `text[]`, ...
    #[serde(rename = "type")]
    pub kind: String,
}

impl ColumnInfo {
    pub(crate) fn of(schema: &SchemaRef) -> Vec<Self> {
        let column = |field: &arrow::datatypes::FieldRef| Self {
            name: field.name().clone(),
            kind: encode::type_name(field.data_type()),
        };
        schema.fields().iter().map(column).collect()
    }
}

/// Rows were left out: the answer is not the whole one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Truncated {
    /// Rows that are answered at most.
    pub limit: usize,
    /// How to get the rest.
    pub advice: String,
}

impl Truncated {
    /// `limit_max`: the most that could have been asked for in this form; `streamed_max`: in one that is streamed.
    pub(crate) fn at(limit: usize, limit_max: usize, streamed_max: usize) -> Self {
        let advice = if limit < limit_max {
            format!("raise `limit` (up to {limit_max}), or page by `timestamp`")
        } else if limit_max >= streamed_max {
            "page by `timestamp`, or aggregate".to_owned()
        } else {
            "page by `timestamp`, aggregate, or ask for `Accept: application/x-ndjson`, which takes a higher `limit`"
                .to_owned()
        };
        Self { limit, advice }
    }
}

/// What an answer took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Statistics {
    /// Rows answered.
    pub rows: u64,
    /// Data files of the tables that the SQL names.
    pub files_considered: u64,
    /// Those whose footer or indexes were looked at; the others were ruled out by what the log says of them.
    pub files_probed: u64,
    /// Those of which rows were read.
    pub files_opened: u64,
    /// Those of which, in part or for all of it, sums were read in place of rows.
    #[serde(default)]
    pub rollups_read: u64,
    /// Those that were ruled out by the look-up indexes beside them: none of their rows has an asked id.
    #[serde(default)]
    pub files_ruled_out_by_index: u64,
    /// Row groups of the probed files.
    pub row_groups_considered: u64,
    /// Those of which rows were read.
    pub row_groups_opened: u64,
    /// Bytes read from the object store; what a cache had is not counted.
    pub bytes_scanned: u64,
    /// Live segments of the tables that the SQL names.
    pub live_segments_considered: u64,
    pub live_segments_read: u64,
    /// Version of the Delta snapshot, by table; a table that was never compacted has none.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub snapshot_version: BTreeMap<TableName, u64>,
    pub planning_ms: f64,
    pub total_ms: f64,
}

impl Statistics {
    pub(crate) fn of(rows: u64, reading: &Reading, planning: Duration, total: Duration) -> Self {
        let ms = |took: Duration| (took.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            rows,
            files_considered: reading.files_considered,
            files_probed: reading.files_probed,
            files_opened: reading.files_opened,
            rollups_read: reading.rollups_read,
            files_ruled_out_by_index: reading.files_ruled_out,
            row_groups_considered: reading.row_groups_considered,
            row_groups_opened: reading.row_groups_opened,
            bytes_scanned: reading.bytes_scanned,
            live_segments_considered: reading.segments_considered,
            live_segments_read: reading.segments_read,
            snapshot_version: reading.versions.clone(),
            planning_ms: ms(planning),
            total_ms: ms(total),
        }
    }
}
