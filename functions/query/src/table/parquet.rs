//! Reading Parquet files: metered, with footers, bloom filters and page indexes kept across queries.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use model::TableId;
use moka::future::Cache;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::error::Limit;
use crate::meter::Meter;
use crate::waits::{OBJECTS, On};

/// Bytes at the end of a file that are read at once in the hope that they hold the whole footer.
const FOOTER_BYTES_HINT: usize = 256 << 10;

/// What is kept of files that were read before. Files never change, so nothing ever goes stale.
#[derive(Clone)]
pub(crate) struct FileCaches {
    footers: Cache<FileKey, Arc<ParquetMetaData>>,
    /// Page indexes, bloom filters, rollups and parts of look-up indexes, by place in the file.
    indexes: Cache<(FileKey, Range<u64>), Bytes>,
}

/// Project, table and path: files of two projects may be called the same.
type FileKey = (TableId, Arc<str>);

impl FileCaches {
    pub(crate) fn new(footer_bytes: u64, index_bytes: u64) -> Self {
        let weight = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let footers = Cache::builder().max_capacity(footer_bytes);
        let indexes = Cache::builder().max_capacity(index_bytes);
        Self {
            footers: footers.weigher(move |_, footer: &Arc<ParquetMetaData>| weight(footer.memory_size())).build(),
            indexes: indexes.weigher(move |_, bytes: &Bytes| weight(bytes.len())).build(),
        }
    }
}

/// Reads the files of one table in one query.
pub(crate) struct MeteredFiles {
    pub(super) table: TableId,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) caches: FileCaches,
    pub(super) meter: Arc<Meter>,
}

impl fmt::Debug for MeteredFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeteredFiles({})", self.table)
    }
}

impl MeteredFiles {
    /// The bytes of a level of a file's rollups; kept as indexes are. `path` is relative to the table.
    pub(crate) async fn rollups(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        self.meter.rollups_read(self.table.table, path);
        let read = self.kept(&format!("{}/{path}", self.table.table), range).await?;
        read.map_err(|error| DataFusionError::External(Box::new(noted(error, &self.meter))))
    }

    /// Part of an object below the project's root that never changes; kept as indexes are. An error of the store is the
    /// caller's to judge.
    pub(super) async fn kept(&self, key: &str, range: Range<u64>) -> Result<object_store::Result<Bytes>> {
        let location = Path::from(key);
        let key = ((self.table.clone(), Arc::from(location.as_ref())), range.clone());
        if let Some(kept) = self.caches.indexes.get(&key).await {
            return Ok(Ok(kept));
        }
        let limit = self.meter.charge(range.end - range.start);
        limit.map_err(|limit| DataFusionError::External(Box::new(limit)))?;
        let _waiting = self.meter.waits.begin(On::Store(OBJECTS));
        let read = self.store.get_range(&location, range).await;
        if let Ok(bytes) = &read {
            self.caches.indexes.insert(key, bytes.clone()).await;
        }
        Ok(read)
    }
}

/// A missing object makes that the query starts over.
fn noted(error: object_store::Error, meter: &Meter) -> object_store::Error {
    if matches!(error, object_store::Error::NotFound { .. }) {
        meter.something_missing();
    }
    error
}

impl ParquetFileReaderFactory for MeteredFiles {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _footer_bytes_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let location = file.object_meta.location;
        let metrics = ParquetFileMetrics::new(partition, location.as_ref(), metrics);
        let path: Arc<str> = location.as_ref().into();
        Ok(Box::new(FileReader {
            key: (self.table.clone(), path),
            location,
            bytes: file.object_meta.size,
            store: Arc::clone(&self.store),
            caches: self.caches.clone(),
            meter: Arc::clone(&self.meter),
            metrics,
        }))
    }
}

/// Reads one file.
struct FileReader {
    key: FileKey,
    location: Path,
    bytes: u64,
    store: Arc<dyn ObjectStore>,
    caches: FileCaches,
    meter: Arc<Meter>,
    metrics: ParquetFileMetrics,
}

impl FileReader {
    fn charge(&self, bytes: u64) -> Result<(), ParquetError> {
        self.metrics.bytes_scanned.add(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.meter.charge(bytes).map_err(|limit: Limit| ParquetError::External(Box::new(limit)))
    }

    fn failed(&self, error: object_store::Error) -> ParquetError {
        ParquetError::External(Box::new(noted(error, &self.meter)))
    }

    async fn fetch(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        self.charge(range.end - range.start)?;
        let _waiting = self.meter.waits.begin(On::Store(OBJECTS));
        self.store.get_range(&self.location, range).await.map_err(|error| self.failed(error))
    }

    /// Rows are read each time, everything else once.
    async fn read(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        if self.meter.file_read(self.key.0.table, &self.key.1, &range) {
            return self.fetch(range).await;
        }
        let key = (self.key.clone(), range.clone());
        if let Some(kept) = self.caches.indexes.get(&key).await {
            return Ok(kept);
        }
        let bytes = self.fetch(range).await?;
        self.caches.indexes.insert(key, bytes.clone()).await;
        Ok(bytes)
    }

    async fn footer(&self, policy: PageIndexPolicy) -> Result<Arc<ParquetMetaData>, ParquetError> {
        if let Some(kept) = self.caches.footers.get(&self.key).await {
            let complete = kept.column_index().is_some() && kept.offset_index().is_some();
            if policy == PageIndexPolicy::Skip || complete {
                return Ok(kept);
            }
        }
        let footer = ParquetMetaDataReader::new()
            .with_page_index_policy(policy)
            .with_prefetch_hint(Some(FOOTER_BYTES_HINT))
            .load_and_finish(FooterFetch(self), self.bytes)
            .await?;
        let footer = Arc::new(footer);
        self.caches.footers.insert(self.key.clone(), Arc::clone(&footer)).await;
        Ok(footer)
    }
}

/// Reads of the footer go past the cache of indexes: the parsed footer is kept instead.
struct FooterFetch<'a>(&'a FileReader);

impl MetadataFetch for FooterFetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.0.fetch(range).boxed()
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.read(range).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move {
            for range in &ranges {
                self.meter.file_read(self.key.0.table, &self.key.1, range);
            }
            self.charge(ranges.iter().map(|range| range.end - range.start).sum())?;
            let _waiting = self.meter.waits.begin(On::Store(OBJECTS));
            self.store.get_ranges(&self.location, &ranges).await.map_err(|error| self.failed(error))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let policy = options.map_or(PageIndexPolicy::Skip, ArrowReaderOptions::column_index_policy);
            let footer = self.footer(policy).await?;
            self.meter.file_probed(self.key.0.table, &self.key.1, &footer);
            Ok(footer)
        }
        .boxed()
    }
}
