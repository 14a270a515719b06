//! One data file: sorted batches in, a durable object with its statistics out.
//!
//! Encoding is heavy and runs where the caller polls; a caller that serves others polls it aside.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use bytes::Bytes;
use model::{Micros, TableName};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use objects::table_path;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use rollup::{Directory, Place};
use tokio::io::AsyncWriteExt;

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
    /// In a box, as what sums up: many a future holds a writer.
    encoder: Box<ArrowWriter<Vec<u8>>>,
    upload: BufWriter,
    /// None: the table has no rollups.
    rollups: Option<Box<rollup::Builder>>,
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
        let encoder =
            Box::new(ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties)).map_err(encode)?);
        let rollups = (table == TableName::LogsAndSpans).then(Box::default);
        let store = Arc::clone(store);
        Ok(Self { encoder, upload, rollups, store, table, schema, path, key, partition, rows: 0, times: None })
    }

    /// Adds rows, ascending by [`SORT_COLUMN`] and not below those before; columns of the table, in any order.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = self.without_partition_columns(batch)?;
        self.times = Some(self.check_order(&batch)?);
        self.rows += batch.num_rows() as u64;
        if let Some(rollups) = &mut self.rollups {
            rollups.add(&batch);
        }
        let row_groups = self.encoder.flushed_row_groups().len();
        self.encoder.write(&batch).map_err(|source| self.not_encoded(source))?;
        if self.encoder.flushed_row_groups().len() > row_groups {
            self.hand_over().await?;
        }
        Ok(())
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
        let (directory, metadata) = self.encode_end().map_err(|source| self.not_encoded(source))?;
        self.hand_over().await?;
        self.upload.shutdown().await.map_err(|error| self.not_taken(error))?;
        let stored = self.store.head(&self.key).await.map_err(|error| self.not_taken(error))?;
        Ok(NewFile {
            bytes: stored.size,
            rows: self.rows,
            partition: self.partition,
            time_min,
            time_max,
            rewrites,
            stats: stats::delta_stats(&metadata, self.table).into(),
            rollups: (!directory.levels.is_empty()).then(|| directory.to_text().into()),
            modified_at: now,
            path: self.path,
        })
    }

    /// What stands behind the last row group: the rollups, then the footer.
    fn encode_end(&mut self) -> Result<(Directory, ParquetMetaData), ParquetError> {
        self.encoder.flush()?;
        let mut directory = Directory::default();
        for built in self.rollups.take().map_or(Ok(Vec::new()), |rollups| rollups.finish())? {
            let (at, bytes) = (self.encoder.bytes_written() as u64, built.bytes.len() as u64);
            self.encoder.write_all(&built.bytes)?;
            let layout = rollup::cells::LAYOUT;
            directory.levels.push(Place { level: built.level, layout, cells: built.cells, at, bytes });
        }
        Ok((directory, self.encoder.finish()?))
    }

    /// Hands what is encoded so far to the upload.
    async fn hand_over(&mut self) -> Result<(), WriteError> {
        let encoded = Bytes::from(std::mem::take(self.encoder.inner_mut()));
        self.upload.put(encoded).await.map_err(|error| self.not_taken(error))
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

    fn not_encoded(&self, source: ParquetError) -> WriteError {
        WriteError::Encode { path: self.path.clone(), source }
    }

    fn not_taken(&self, error: impl std::error::Error + Send + Sync + 'static) -> WriteError {
        WriteError::Store { path: self.path.clone(), source: error.into() }
    }
}
