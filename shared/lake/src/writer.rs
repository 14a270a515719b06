//! One data file: sorted batches in, a durable object with its statistics out.
//!
//! Encoding is heavy and runs where the caller polls; a caller that serves others polls it aside.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use model::{Micros, TableName};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use objects::table_path;
use parquet::arrow::AsyncArrowWriter;
use parquet::errors::ParquetError;

use crate::layout::{self, SORT_COLUMN, stats};
use crate::log::NewFile;

/// Above so many bytes a file goes up in parts of that size.
const PART_BYTES: usize = 16 << 20;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The store did not take it; says nothing about the rows.
    #[error("store did not take data file {path}")]
    Store {
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("failed to encode data file {path}")]
    Encode {
        path: String,
        #[source]
        source: ParquetError,
    },
    /// A bug of ours: what was handed over cannot become a data file.
    #[error("data file {path} cannot hold these rows: {what}")]
    Rows { path: String, what: String },
}

impl WriteError {
    /// True if the store may take it later.
    pub fn is_store(&self) -> bool {
        matches!(self, Self::Store { .. })
    }
}

/// A data file being written. Dropped before [`FileWriter::finish`], it leaves at most an unfinished upload.
pub struct FileWriter {
    writer: AsyncArrowWriter<BufWriter>,
    store: Arc<dyn ObjectStore>,
    table: TableName,
    schema: SchemaRef,
    path: String,
    key: Path,
    partition: BTreeMap<String, String>,
    rows: u64,
    times: Option<(Micros, Micros)>,
}

impl FileWriter {
    /// `store` is rooted at the project; `path` is relative to the table.
    pub fn create(
        store: &Arc<dyn ObjectStore>,
        table: TableName,
        path: String,
        partition: BTreeMap<String, String>,
    ) -> Result<Self, WriteError> {
        let schema = layout::file_schema(table);
        let key = Path::from(format!("{}/{path}", table_path(table)));
        let encode = |source| WriteError::Encode { path: path.clone(), source };
        let properties = layout::properties(&schema, table).map_err(encode)?;
        let upload = BufWriter::with_capacity(Arc::clone(store), key.clone(), PART_BYTES);
        let writer = AsyncArrowWriter::try_new(upload, Arc::clone(&schema), Some(properties)).map_err(encode)?;
        Ok(Self { writer, store: Arc::clone(store), table, schema, path, key, partition, rows: 0, times: None })
    }

    /// Adds rows, ascending by [`SORT_COLUMN`] and not below those before; columns of the table, in any order.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = self.without_partition_columns(batch)?;
        self.times = Some(self.check_order(&batch)?);
        self.rows += batch.num_rows() as u64;
        let written = self.writer.write(&batch).await;
        written.map_err(|source| failure(&self.path, source))
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Greatest time written so far.
    pub fn time_max(&self) -> Option<Micros> {
        self.times.map(|(_, max)| max)
    }

    /// Finishes the file and asks the store for its length. Only then a commit may name it.
    pub async fn finish(mut self, rewrites: u32, now: Micros) -> Result<NewFile, WriteError> {
        let Some((time_min, time_max)) = self.times else { return Err(self.wrong("there are none")) };
        let metadata = self.writer.finish().await.map_err(|source| failure(&self.path, source))?;
        let stored = self.store.head(&self.key).await;
        let stored = stored.map_err(|source| WriteError::Store { path: self.path.clone(), source: source.into() })?;
        Ok(NewFile {
            bytes: stored.size,
            rows: self.rows,
            partition: self.partition,
            time_min,
            time_max,
            rewrites,
            stats: stats::delta_stats(&metadata, self.table).into(),
            modified_at: now,
            path: self.path,
        })
    }

    fn without_partition_columns(&self, batch: &RecordBatch) -> Result<RecordBatch, WriteError> {
        let columns = self.schema.fields().iter().map(|field| {
            let column = batch.column_by_name(field.name());
            column.cloned().ok_or_else(|| self.wrong(&format!("column {} is not there", field.name())))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| self.wrong(&error.to_string()))
    }

    /// The least and greatest time so far, with this batch.
    fn check_order(&self, batch: &RecordBatch) -> Result<(Micros, Micros), WriteError> {
        let column = layout::sort_key_index(&self.schema).map(|at| batch.column(at));
        let times = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.filter(|times| times.null_count() == 0);
        let times = times.ok_or_else(|| self.wrong(&format!("{SORT_COLUMN} is null or of another type")))?.values();
        let (first, last) = (times[0], times[times.len() - 1]);
        let follows = self.times.is_none_or(|(_, before)| before <= first);
        if !follows || !times.is_sorted() {
            return Err(self.wrong(&format!("they do not ascend by {SORT_COLUMN}")));
        }
        Ok((self.times.map_or(first, |(min, _)| min), last))
    }

    fn wrong(&self, what: &str) -> WriteError {
        WriteError::Rows { path: self.path.clone(), what: what.to_owned() }
    }
}

/// Tells the store's failures from those of encoding.
fn failure(path: &str, source: ParquetError) -> WriteError {
    let path = path.to_owned();
    if is_io(&source) { WriteError::Store { path, source: source.into() } } else { WriteError::Encode { path, source } }
}

fn is_io(error: &ParquetError) -> bool {
    let ParquetError::External(inner) = error else { return false };
    if let Some(nested) = inner.downcast_ref::<ParquetError>() {
        return is_io(nested);
    }
    inner.is::<std::io::Error>() || inner.is::<object_store::Error>()
}
