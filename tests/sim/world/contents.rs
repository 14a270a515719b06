//! What lies in a data file or a segment, read without any of the product's readers of tables.

use arrow::array::{Array, AsArray, RecordBatch};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A record: its project and its span id.
pub(crate) type Record = (String, String);

/// The records of a Parquet file.
pub(crate) fn of_file(bytes: Bytes) -> Vec<Record> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a Parquet footer");
    let columns = ProjectionMask::columns(builder.parquet_schema(), ["project_id", "id"]);
    let rows = builder.with_projection(columns).build().expect("a reader");
    rows.flat_map(|batch| of_batch(&batch.expect("rows"))).collect()
}

/// The records of a landed segment; none if it cannot be read.
pub(crate) fn of_segment(bytes: Bytes) -> Option<Vec<Record>> {
    let (batches, _) = rows::segment::read(bytes).ok()?;
    Some(batches.iter().flat_map(of_batch).collect())
}

fn of_batch(batch: &RecordBatch) -> Vec<Record> {
    let text = |name: &str| {
        let column = batch.column_by_name(name).expect("the column is there");
        let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).expect("text");
        let column = column.as_string::<i32>();
        (0..column.len()).map(|row| column.value(row).to_owned()).collect::<Vec<_>>()
    };
    text("project_id").into_iter().zip(text("id")).collect()
}
