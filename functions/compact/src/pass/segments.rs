//! Segments as they are read back: length, checksum, Arrow, and that every row belongs where it is going.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use bytes::Bytes;
use futures::StreamExt;
use model::{Segment, TableId, day_of};
use object_store::path::Path;
use objects::{ObjectError, fetch_segment};
use rows::segment::SegmentError;

use crate::aside::{AsideError, aside};
use crate::{App, PassError};

/// Segments fetched at a time.
const FETCH_AT_ONCE: usize = 16;

/// A segment with its rows, encoded as they landed.
pub(crate) struct Loaded {
    pub(crate) segment: Segment,
    pub(crate) rows: Vec<RecordBatch>,
}

impl Loaded {
    /// What its rows take, not counting that several columns may lie in one buffer.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let columns = self.rows.iter().flat_map(RecordBatch::columns);
        columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(0) as u64).sum()
    }
}

/// What became of reading a segment. A store that did not answer is an error, never one of these.
pub(crate) enum Reading {
    Rows(Loaded),
    /// The object itself is at fault.
    Poison {
        segment: Segment,
        why: ObjectError,
    },
    /// A newer version wrote it.
    Newer {
        segment: Segment,
        why: String,
    },
}

/// Reads segments, several at a time, in their order.
pub(crate) async fn read(app: &App, table: &TableId, segments: Vec<Segment>) -> Result<Vec<Reading>, PassError> {
    let root = app.root(table);
    let mut read = Vec::with_capacity(segments.len());
    let fetched = futures::stream::iter(segments).map(|segment| {
        let store = Arc::clone(&root.store);
        async move {
            let bytes = fetch_segment(store.as_ref(), &segment).await;
            (segment, bytes)
        }
    });
    let mut fetched = std::pin::pin!(fetched.buffered(FETCH_AT_ONCE));
    while let Some((segment, bytes)) = fetched.next().await {
        read.push(match bytes {
            Ok(bytes) => {
                let (table, name) = (table.clone(), segment.clone());
                match aside(async move { decode(&table, segment, bytes) }).await {
                    Err(AsideError::Panicked(what)) => {
                        let key = Path::from(name.key.as_str());
                        Reading::Poison { segment: name, why: ObjectError::Damaged { key, what } }
                    }
                    decoded => decoded?,
                }
            }
            Err(why) if why.is_poison() => Reading::Poison { segment, why },
            Err(why) => return Err(PassError::Object(why)),
        });
    }
    Ok(read)
}

fn decode(table: &TableId, segment: Segment, bytes: Bytes) -> Reading {
    let damaged = |what: String| ObjectError::Damaged { key: Path::from(segment.key.as_str()), what };
    let why = match rows::segment::read(bytes) {
        Err(SegmentError::NewerFormat { found, known }) => {
            return Reading::Newer { segment, why: format!("format {found}, known is {known}") };
        }
        Err(error) => damaged(error.to_string()),
        Ok((batches, _)) => match check(table, &segment, &batches) {
            Ok(()) => return Reading::Rows(Loaded { segment, rows: batches }),
            Err(Fault::Newer(why)) => return Reading::Newer { segment, why },
            Err(Fault::Damaged(what)) => damaged(what),
        },
    };
    Reading::Poison { segment, why }
}

/// What is wrong with the rows of a segment.
pub(crate) enum Fault {
    Damaged(String),
    Newer(String),
}

/// Every row is of this project, has a time, and lies in the partition that its time says.
pub(crate) fn check(table: &TableId, segment: &Segment, batches: &[RecordBatch]) -> Result<(), Fault> {
    let known = rows::schema(table.table);
    let mut n_rows = 0;
    for batch in batches {
        n_rows += batch.num_rows() as u64;
        if let Some(field) = batch.schema_ref().fields().iter().find(|f| known.index_of(f.name()).is_err()) {
            return Err(Fault::Newer(format!("column {} is not known here", field.name())));
        }
        let keys = rows::conform_to(batch, &key_schema()).map_err(|error| Fault::Damaged(error.to_string()))?;
        check_keys(table, &keys).map_err(Fault::Damaged)?;
        for column in table.table.partition_columns() {
            if batch.column_by_name(column).is_none_or(|values| values.logical_null_count() > 0) {
                return Err(Fault::Damaged(format!("a row has no {column}")));
            }
        }
    }
    if n_rows != segment.rows {
        return Err(Fault::Damaged(format!("it has {n_rows} rows instead of {}", segment.rows)));
    }
    Ok(())
}

fn check_keys(table: &TableId, keys: &RecordBatch) -> Result<(), String> {
    let projects = keys.column(0).as_string::<i32>();
    let dates = keys.column(1).as_primitive::<Date32Type>();
    let times = keys.column(2).as_primitive::<TimestampMicrosecondType>();
    for row in 0..keys.num_rows() {
        if !projects.is_valid(row) || projects.value(row) != table.project.as_str() {
            return Err("a row is of another project".to_owned());
        }
        if !times.is_valid(row) || !dates.is_valid(row) || dates.value(row) != day_of(times.value(row)) {
            return Err("a row's date is not that of its timestamp".to_owned());
        }
    }
    Ok(())
}

fn key_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("project_id", DataType::Utf8, true),
        Field::new("date", DataType::Date32, true),
        Field::new(lake::SORT_COLUMN, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
    ]))
}
