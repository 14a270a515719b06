//! Sorted files read side by side as one sorted stream.
//!
//! A file is opened only when the stream reaches its least time, so that what is open at once is what overlaps.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use lake::{DataFile, FileReader};
use model::{Micros, TableName};
use object_store::ObjectStore;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;

use crate::PassError;

/// Rows read from a file, and handed on, at a time.
const ROWS_AT_ONCE: usize = 4_096;

/// All rows of some files, ascending by time.
pub(super) struct Merged {
    store: Arc<dyn ObjectStore>,
    table: TableName,
    schema: SchemaRef,
    /// Not opened yet, by least time.
    waiting: VecDeque<DataFile>,
    open: Vec<Source>,
}

/// An open file, at its next row.
struct Source {
    path: String,
    stream: BoxStream<'static, Result<RecordBatch, ParquetError>>,
    batch: RecordBatch,
    times: ScalarBuffer<Micros>,
    at: usize,
}

impl Merged {
    pub(super) fn new(store: Arc<dyn ObjectStore>, table: TableName, mut files: Vec<DataFile>) -> Self {
        files.sort_by_key(|file| file.time_min);
        Self { store, table, schema: lake::layout::file_schema(table), waiting: files.into(), open: Vec::new() }
    }

    /// The next rows, at most a few thousand; none: that was all.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, PassError> {
        let mut taken = Taken::default();
        while taken.n_rows < ROWS_AT_ONCE {
            self.open_what_is_reached().await?;
            let Some(first) = (0..self.open.len()).min_by_key(|i| self.open[*i].head()) else { break };
            let limit = self.limit_for(first);
            let source = &mut self.open[first];
            let end = source.times[source.at..].partition_point(|time| *time <= limit) + source.at;
            let end = end.min(source.at + ROWS_AT_ONCE - taken.n_rows);
            taken.take(&source.batch, source.at, end);
            source.at = end;
            if source.at == source.times.len() && !source.advance(&self.schema).await? {
                self.open.swap_remove(first);
            }
        }
        taken.put_together()
    }

    /// A file that is not open yet holds nothing below its least time.
    async fn open_what_is_reached(&mut self) -> Result<(), PassError> {
        loop {
            let head = self.open.iter().map(Source::head).min().unwrap_or(Micros::MAX);
            match self.waiting.front() {
                Some(file) if file.time_min <= head => {}
                _ => return Ok(()),
            }
            if let Some(file) = self.waiting.pop_front() {
                let source = Source::open(&self.store, self.table, &file, &self.schema).await?;
                self.open.extend(source);
            }
        }
    }

    /// Rows up to this time come from one source before any other must be asked.
    fn limit_for(&self, first: usize) -> Micros {
        let others = self.open.iter().enumerate().filter(|(i, _)| *i != first).map(|(_, source)| source.head());
        others.chain(self.waiting.front().map(|file| file.time_min)).min().unwrap_or(Micros::MAX)
    }
}

impl Source {
    /// None: the file holds no rows.
    async fn open(
        store: &Arc<dyn ObjectStore>,
        table: TableName,
        file: &DataFile,
        schema: &SchemaRef,
    ) -> Result<Option<Self>, PassError> {
        let reader = FileReader::new(store, table, file);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|e| failure(&file.path, e))?;
        // What we do not know we would not write again.
        let unknown = builder.schema().fields().iter().find(|field| schema.index_of(field.name()).is_err());
        if let Some(field) = unknown {
            return Err(PassError::Newer(format!("data file {} has a column {}", file.path, field.name())));
        }
        let stream = builder.with_batch_size(ROWS_AT_ONCE).build().map_err(|e| failure(&file.path, e))?;
        let mut source = Self {
            path: file.path.clone(),
            stream: Box::pin(stream),
            batch: RecordBatch::new_empty(Arc::clone(schema)),
            times: ScalarBuffer::from(Vec::new()),
            at: 0,
        };
        Ok(source.advance(schema).await?.then_some(source))
    }

    fn head(&self) -> Micros {
        self.times[self.at]
    }

    /// Loads the next rows; false if there are none.
    async fn advance(&mut self, schema: &SchemaRef) -> Result<bool, PassError> {
        loop {
            let next = self.stream.try_next().await.map_err(|e| failure(&self.path, e))?;
            let Some(batch) = next else { return Ok(false) };
            if batch.num_rows() == 0 {
                continue;
            }
            self.batch = rows::conform_to(&batch, schema).map_err(|error| PassError::Build(error.into()))?;
            let column = self.batch.column_by_name(lake::SORT_COLUMN);
            let times = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
            let times = times.filter(|times| times.null_count() == 0);
            let times =
                times.ok_or_else(|| PassError::Build(format!("{} has rows without a time", self.path).into()))?;
            self.times = times.values().clone();
            self.at = 0;
            return Ok(true);
        }
    }
}

/// Rows gathered from several batches, in order.
#[derive(Default)]
struct Taken {
    batches: Vec<RecordBatch>,
    /// (batch, from, to)
    runs: Vec<(usize, usize, usize)>,
    n_rows: usize,
}

impl Taken {
    fn take(&mut self, batch: &RecordBatch, from: usize, to: usize) {
        let is_same = |held: &RecordBatch| {
            held.num_columns() > 0 && batch.num_columns() > 0 && Arc::ptr_eq(held.column(0), batch.column(0))
        };
        let known = self.batches.iter().rposition(is_same);
        let which = known.unwrap_or_else(|| {
            self.batches.push(batch.clone());
            self.batches.len() - 1
        });
        self.runs.push((which, from, to));
        self.n_rows += to - from;
    }

    fn put_together(self) -> Result<Option<RecordBatch>, PassError> {
        if let [(which, from, to)] = self.runs.as_slice() {
            return Ok(Some(self.batches[*which].slice(*from, to - from)));
        }
        if self.runs.is_empty() {
            return Ok(None);
        }
        let places: Vec<(usize, usize)> =
            self.runs.iter().flat_map(|(which, from, to)| (*from..*to).map(|row| (*which, row))).collect();
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let merged = interleave_record_batch(&batches, &places).map_err(|error| PassError::Build(error.into()))?;
        Ok(Some(merged))
    }
}

pub(super) fn failure(path: &str, error: ParquetError) -> PassError {
    match error {
        ParquetError::External(inner) => match inner.downcast::<object_store::Error>() {
            Ok(source) => PassError::Store { act: "read a data file", source: *source },
            Err(inner) => PassError::Build(inner),
        },
        error => PassError::Build(format!("data file {path}: {error}").into()),
    }
}
