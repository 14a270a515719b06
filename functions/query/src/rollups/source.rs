//! The cells of files as a table: the signal, and of the level's columns those that are needed.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringViewArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use rollup::{DimensionSet, cells};

use super::coverage::CellsOf;
use super::over_cells::{Needs, SIGNAL};
use crate::table::MeteredFiles;

/// Files of one partition whose cells are fetched ahead of those being read.
const FETCH_AHEAD: usize = 4;

/// A table of these cells.
pub(super) fn table(
    needs: &Needs,
    cells: Vec<CellsOf>,
    files: MeteredFiles,
    partitions: usize,
) -> Result<Arc<dyn TableProvider>> {
    let schema = visible_schema(needs);
    let files = Arc::new(files);
    let per_partition = cells.len().div_ceil(partitions.max(1)).max(1);
    let partition = |cells: &[CellsOf]| -> Arc<dyn PartitionStream> {
        Arc::new(Partition { schema: Arc::clone(&schema), cells: cells.to_vec(), files: Arc::clone(&files) })
    };
    let partitions = cells.chunks(per_partition).map(partition).collect();
    Ok(Arc::new(StreamingTable::try_new(Arc::clone(&schema), partitions)?))
}

/// The needed columns, texts as queries see them.
fn visible_schema(needs: &Needs) -> SchemaRef {
    let is_needed = |name: &str| {
        let dimension = rollup::Dimension::of_column(name);
        dimension.map_or(needs.columns.contains(name), |dimension| needs.dimensions.contains(&dimension))
    };
    let of_level = cells::schema(DimensionSet::All);
    let of_bare = cells::schema(DimensionSet::Bare);
    let counted = of_bare.fields().iter().filter(|field| of_level.field_with_name(field.name()).is_err());
    let mut fields: Vec<Field> = Vec::new();
    if needs.columns.contains(SIGNAL) {
        fields.push(Field::new(SIGNAL, DataType::Utf8View, true));
    }
    for field in of_level.fields().iter().chain(counted).filter(|field| is_needed(field.name())) {
        let kind = match field.data_type() {
            DataType::Utf8 => DataType::Utf8View,
            other => other.clone(),
        };
        fields.push(Field::new(field.name(), kind, true));
    }
    Arc::new(Schema::new(fields))
}

struct Partition {
    schema: SchemaRef,
    cells: Vec<CellsOf>,
    files: Arc<MeteredFiles>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cells of {} files", self.cells.len())
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (schema, files) = (Arc::clone(&self.schema), Arc::clone(&self.files));
        let fetch = move |of: CellsOf| {
            let files = Arc::clone(&files);
            async move {
                let bytes = files.rollups(&of.path, of.place.range()).await?;
                Ok::<_, DataFusionError>((of, bytes))
            }
        };
        // Only bytes are ahead: decoded cells lie outside the memory pool.
        let fetched = futures::stream::iter(self.cells.clone()).map(fetch).buffered(FETCH_AHEAD);
        let decoded = fetched.map(move |fetched| {
            let (of, bytes) = fetched?;
            let batches = cells_of(&of, bytes, &schema)?;
            Ok::<_, DataFusionError>(futures::stream::iter(batches.into_iter().map(Ok)))
        });
        let batches = decoded.try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

fn cells_of(of: &CellsOf, bytes: bytes::Bytes, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let damaged = |what: &dyn fmt::Display| {
        DataFusionError::Execution(format!("the rollups of data file {} do not read: {what}", of.path))
    };
    let mut columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    columns.push(cells::BUCKET);
    let batches = cells::read(bytes, &columns).map_err(|error| damaged(&error))?;
    let batches = batches.into_iter().map(|batch| {
        let buckets = batch.column_by_name(cells::BUCKET).ok_or_else(|| damaged(&"there is no time"))?;
        let buckets = buckets.as_primitive::<TimestampMicrosecondType>();
        let inside = buckets.values().iter().map(|bucket| Some(of.times.contains(bucket))).collect();
        let batch = filter_record_batch(&batch, &inside)?;
        let column = |field: &Arc<Field>| -> Result<ArrayRef> {
            if field.name() == SIGNAL {
                return Ok(Arc::new(StringViewArray::from(vec![of.signal.as_deref(); batch.num_rows()])));
            }
            let column = batch.column_by_name(field.name()).ok_or_else(|| damaged(field.name()))?;
            Ok(cast(column, field.data_type())?)
        };
        let columns = schema.fields().iter().map(column).collect::<Result<_>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    });
    batches.collect()
}
