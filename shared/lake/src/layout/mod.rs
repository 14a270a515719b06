//! How rows lie in a data file; a reader may count on it.
//!
//! - Sorted by [`SORT_COLUMN`], ascending; the file declares it. Newest-first lists read row groups from the back.
//! - Row groups of at most [`ROWS_PER_ROW_GROUP`] rows, with the offset index, the page index of the columns that are
//!   filtered on, and Bloom filters on ids.
//! - zstd 3, of ids zstd 1; dictionaries where values repeat, none where they do not; times as differences.
//! - The partition columns stand in the path and the log only.
//! - Delta statistics of [`stats_columns`]: see [`stats`].

mod bounds;
pub mod stats;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use model::TableName;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

/// Rows of every data file ascend by this column.
pub const SORT_COLUMN: &str = "timestamp";

/// By rows, since byte caps under-report about tenfold. Fewer make lists and look-ups cheaper, more make scans cheaper.
pub const ROWS_PER_ROW_GROUP: usize = 128 * 1024;

const ZSTD_LEVEL: i32 = 3;

/// Random digits: a higher level looks for repetitions in vain, and what it finds takes more room than the digits do.
const ZSTD_LEVEL_OF_IDS: i32 = 1;

/// One look-up in a hundred opens a row group in vain.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// Text that hardly repeats within a row group.
const PLAIN_TEXT: &[&str] = &[
    "id",
    "parent_id",
    "context___trace_id",
    "context___span_id",
    "body",
    "status_message",
    "attributes",
    "events",
    "links",
    "exemplars",
    "attributes___code___stacktrace",
    "attributes___db___query___text",
    "attributes___exception___message",
    "attributes___exception___stacktrace",
    "attributes___gen_ai___response___id",
    "attributes___messaging___message___id",
    "attributes___url___full",
    "attributes___url___query",
];

/// Integers that grow along the file, or lie close together.
const DIFFERENCES: &[&str] =
    &["timestamp", "observed_timestamp", "start_timestamp", "start_time", "end_time", "time_unix_nano", "duration"];

/// Columns that users look single values up in. A filter shrinks to what its row group holds; of an empty column
/// nearly nothing stays.
pub(crate) const LOOKED_UP: &[&str] = &[
    "id",
    "parent_id",
    "context___trace_id",
    "context___span_id",
    "attributes___session___id",
    "attributes___user___id",
    "attributes___user___email",
];

/// Columns that are filtered on besides those with statistics: they get a page index.
const FILTERED: &[&str] = &["attributes___url___path", "attributes___http___route", "time_unix_nano", "series_id"];

const STATS_LOGS_AND_SPANS: &[&str] = &[
    "project_id",
    "timestamp",
    "start_time",
    "name",
    "kind",
    "status_code",
    "level",
    "severity___severity_text",
    "severity___severity_number",
    "duration",
    "context___trace_id",
    "attributes___http___request___method",
    "attributes___http___response___status_code",
    "resource___service___name",
    "resource___deployment___environment___name",
];

const STATS_METRICS: &[&str] = &[
    "project_id",
    "timestamp",
    "start_timestamp",
    "metric_name",
    "metric_type",
    "unit",
    "series_id",
    "resource___service___name",
    "resource___deployment___environment___name",
];

/// The columns with least and greatest value and number of nulls in the log.
pub fn stats_columns(table: TableName) -> &'static [&'static str] {
    match table {
        TableName::LogsAndSpans => STATS_LOGS_AND_SPANS,
        TableName::Metrics => STATS_METRICS,
    }
}

/// The columns of a data file: those of the table without its partition columns.
pub fn file_schema(table: TableName) -> SchemaRef {
    let schema = rows::schema(table);
    let partition = table.partition_columns();
    let kept = schema.fields().iter().filter(|f| !partition.contains(&f.name().as_str())).cloned();
    Arc::new(Schema::new(kept.collect::<Vec<_>>()))
}

/// Where [`SORT_COLUMN`] stands in a schema.
pub fn sort_key_index(schema: &Schema) -> Option<usize> {
    schema.index_of(SORT_COLUMN).ok()
}

/// How a data file with this schema is written.
pub fn properties(schema: &Schema, table: TableName) -> Result<WriterProperties, ParquetError> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL)?;
    let level_of_ids = ZstdLevel::try_new(ZSTD_LEVEL_OF_IDS)?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROWS_PER_ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_sorting_columns(sorting_columns(schema)?);
    for name in PLAIN_TEXT {
        properties = properties.set_column_dictionary_enabled(path(name), false);
    }
    for name in DIFFERENCES {
        properties = properties
            .set_column_dictionary_enabled(path(name), false)
            .set_column_encoding(path(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in LOOKED_UP {
        properties = properties
            .set_column_compression(path(name), Compression::ZSTD(level_of_ids))
            .set_column_bloom_filter_fpp(path(name), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(path(name), ROWS_PER_ROW_GROUP as u64);
    }
    for name in stats_columns(table).iter().chain(FILTERED) {
        properties = properties.set_column_statistics_enabled(path(name), EnabledStatistics::Page);
    }
    Ok(properties.build())
}

fn path(name: &str) -> ColumnPath {
    ColumnPath::new(vec![name.to_owned()])
}

fn sorting_columns(schema: &Schema) -> Result<Option<Vec<SortingColumn>>, ParquetError> {
    let leaves = ArrowSchemaConverter::new().convert(schema)?;
    let leaf = leaves.columns().iter().position(|leaf| leaf.path().string() == SORT_COLUMN);
    let column_idx = leaf.and_then(|at| i32::try_from(at).ok());
    Ok(column_idx.map(|column_idx| vec![SortingColumn { column_idx, descending: false, nulls_first: false }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_that_the_layout_names_is_in_a_table() {
        let known: Vec<SchemaRef> = TableName::ALL.into_iter().map(file_schema).collect();
        for name in PLAIN_TEXT.iter().chain(DIFFERENCES).chain(LOOKED_UP).chain(FILTERED) {
            assert!(known.iter().any(|schema| schema.index_of(name).is_ok()), "{name}");
        }
        for table in TableName::ALL {
            for name in stats_columns(table) {
                assert!(file_schema(table).index_of(name).is_ok(), "{table}: {name}");
            }
        }
    }

    #[test]
    fn files_declare_their_order_and_leave_the_partition_out() {
        for table in TableName::ALL {
            let schema = file_schema(table);
            let sorting = sorting_columns(&schema).expect("converts").expect("has a time");
            assert_eq!(sorting.len(), 1);
            assert!(!sorting[0].descending);
            for column in table.partition_columns() {
                assert!(schema.index_of(column).is_err(), "{column}");
            }
        }
    }
}
