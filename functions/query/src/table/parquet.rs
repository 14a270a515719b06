//! Reading Parquet files: metered, and through what is kept of them across queries: parsed footers here, bytes in [`cache`].

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cache::{Cache, Kind, ObjectId, Tier, cut, join};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use model::TableId;
use object_store::ObjectStore;
use object_store::path::Path;
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
    footers: moka::future::Cache<FileKey, Arc<Footer>>,
    /// Bytes of footers, page indexes, bloom filters, rollups, parts of look-up indexes, and rows.
    bytes: Cache,
}

/// Project, table and path: files of two projects may be called the same.
type FileKey = (TableId, Arc<str>);

/// A footer as it was read, and where the file's column chunks lie, ascending.
struct Footer {
    metadata: Arc<ParquetMetaData>,
    chunks: Box<[Range<u64>]>,
}

impl FileCaches {
    pub(crate) fn new(footer_bytes: u64, bytes: Cache) -> Self {
        let weight = |_: &FileKey, footer: &Arc<Footer>| u32::try_from(footer.memory_size()).unwrap_or(u32::MAX);
        Self { footers: moka::future::Cache::builder().max_capacity(footer_bytes).weigher(weight).build(), bytes }
    }
}

impl Footer {
    fn new(metadata: ParquetMetaData) -> Self {
        let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
        let mut chunks: Vec<Range<u64>> = chunks
            .map(|column| {
                let (start, length) = column.byte_range();
                start..start.saturating_add(length)
            })
            .collect();
        chunks.sort_unstable_by_key(|chunk| chunk.start);
        Self { metadata: Arc::new(metadata), chunks: chunks.into() }
    }

    fn memory_size(&self) -> usize {
        self.metadata.memory_size() + size_of_val(self.chunks.as_ref())
    }

    /// The column chunk that a range lies in.
    fn chunk(&self, range: &Range<u64>) -> Option<&Range<u64>> {
        let after = self.chunks.partition_point(|chunk| chunk.start <= range.start);
        self.chunks[..after].last().filter(|chunk| range.end <= chunk.end)
    }
}

/// Reads the files of one table in one query.
pub(crate) struct MeteredFiles {
    pub(super) table: TableId,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) caches: FileCaches,
    pub(super) keeps_rows: bool,
    pub(super) meter: Arc<Meter>,
}

impl fmt::Debug for MeteredFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeteredFiles({})", self.table)
    }
}

impl MeteredFiles {
    /// The bytes of a level of a file's rollups. `path` is relative to the table.
    pub(crate) async fn rollups(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        self.meter.rollups_read(self.table.table, path);
        let read = self.part(Kind::Rollup, &format!("{}/{path}", self.table.table), range).await?;
        read.map_err(|error| DataFusionError::External(Box::new(noted(error, &self.meter))))
    }

    /// Part of an object below the project's root that never changes; kept as indexes are. An error of the store is the
    /// caller's to judge.
    pub(super) async fn kept(&self, key: &str, range: Range<u64>) -> Result<object_store::Result<Bytes>> {
        self.part(Kind::Index, key, range).await
    }

    async fn part(&self, kind: Kind, key: &str, range: Range<u64>) -> Result<object_store::Result<Bytes>> {
        let location = Path::from(key);
        let object = self.caches.bytes.object(self.table.project.as_str(), location.as_ref());
        let fetch = |missing: Vec<Range<u64>>| fetch(&self.store, &location, &self.meter, missing);
        match self.caches.bytes.read(kind, object, std::slice::from_ref(&range), fetch).await {
            Ok(mut read) => Ok(Ok(read.pop().unwrap_or_default())),
            Err(Unread::TooMuch(limit)) => Err(DataFusionError::External(Box::new(limit))),
            Err(Unread::Store(error)) => Ok(Err(error)),
        }
    }
}

/// Why bytes were not fetched.
enum Unread {
    TooMuch(Limit),
    Store(object_store::Error),
}

/// From the store, within the query's budget.
async fn fetch(
    store: &Arc<dyn ObjectStore>,
    location: &Path,
    meter: &Meter,
    ranges: Vec<Range<u64>>,
) -> Result<Vec<Bytes>, Unread> {
    meter.charge(ranges.iter().map(|range| range.end - range.start).sum()).map_err(Unread::TooMuch)?;
    let _waiting = meter.waits.begin(On::Store(OBJECTS));
    store.get_ranges(location, &ranges).await.map_err(Unread::Store)
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
            object: self.caches.bytes.object(self.table.project.as_str(), &path),
            key: (self.table.clone(), path),
            location,
            bytes: file.object_meta.size,
            footer: None,
            store: Arc::clone(&self.store),
            caches: self.caches.clone(),
            keeps_rows: self.keeps_rows && self.caches.bytes.keeps(Kind::Rows),
            meter: Arc::clone(&self.meter),
            metrics,
        }))
    }
}

/// Reads one file.
struct FileReader {
    key: FileKey,
    object: ObjectId,
    location: Path,
    bytes: u64,
    /// None: nobody asked for it yet.
    footer: Option<Arc<Footer>>,
    store: Arc<dyn ObjectStore>,
    caches: FileCaches,
    keeps_rows: bool,
    meter: Arc<Meter>,
    metrics: ParquetFileMetrics,
}

impl FileReader {
    async fn fetch(&self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>, ParquetError> {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.metrics.bytes_scanned.add(usize::try_from(bytes).unwrap_or(usize::MAX));
        let fetched = fetch(&self.store, &self.location, &self.meter, ranges).await;
        fetched.map_err(|error| match error {
            Unread::TooMuch(limit) => ParquetError::External(Box::new(limit)),
            Unread::Store(error) => ParquetError::External(Box::new(noted(error, &self.meter))),
        })
    }

    /// As they are asked for: what others will ask for in the same way.
    async fn exactly(&self, kind: Kind, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        self.caches.bytes.read(kind, self.object, ranges, |missing| self.fetch(missing)).await
    }

    /// By pieces of column chunks, so that whoever needs other rows of them finds these.
    async fn rows(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        if !self.keeps_rows {
            return self.fetch(ranges.to_vec()).await;
        }
        let pieces_of = |range: &Range<u64>| {
            let chunk = self.footer.as_ref().and_then(|footer| footer.chunk(range));
            cut(range, chunk.unwrap_or(range))
        };
        let cuts: Vec<Vec<Range<u64>>> = ranges.iter().map(pieces_of).collect();
        let pieces = self.exactly(Kind::Rows, &cuts.concat()).await?;
        let mut pieces = pieces.as_slice();
        let mut read = Vec::with_capacity(ranges.len());
        for (range, cut) in ranges.iter().zip(&cuts) {
            let Some((mine, others)) = pieces.split_at_checked(cut.len()) else { return Err(self.short()) };
            read.push(join(range, cut, mine).ok_or_else(|| self.short())?);
            pieces = others;
        }
        // A read that waited for nothing leaves all partitions on the thread that began them; now the others can take some.
        tokio::task::yield_now().await;
        Ok(read)
    }

    fn short(&self) -> ParquetError {
        ParquetError::EOF(format!("{} is shorter than its footer says", self.location))
    }

    /// Rows, or what leads to them.
    async fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        let mut all_are_rows = true;
        for range in ranges {
            all_are_rows &= self.meter.file_read(self.key.0.table, &self.key.1, range);
        }
        if all_are_rows { self.rows(ranges).await } else { self.exactly(Kind::Index, ranges).await }
    }

    async fn footer(&self, policy: PageIndexPolicy) -> Result<Arc<Footer>, ParquetError> {
        if let Some(kept) = self.caches.footers.get(&self.key).await {
            let complete = kept.metadata.column_index().is_some() && kept.metadata.offset_index().is_some();
            if policy == PageIndexPolicy::Skip || complete {
                self.caches.bytes.meters().hit(Kind::Footer, Tier::Memory, kept.memory_size() as u64);
                return Ok(kept);
            }
        }
        let footer = ParquetMetaDataReader::new()
            .with_page_index_policy(policy)
            .with_prefetch_hint(Some(FOOTER_BYTES_HINT))
            .load_and_finish(FooterFetch(self), self.bytes)
            .await?;
        let footer = Arc::new(Footer::new(footer));
        self.caches.footers.insert(self.key.clone(), Arc::clone(&footer)).await;
        Ok(footer)
    }
}

/// Bytes of a footer are kept on the disk only: in memory lies what was made of them.
struct FooterFetch<'a>(&'a FileReader);

impl MetadataFetch for FooterFetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { Ok(self.0.exactly(Kind::Footer, &[range]).await?.pop().unwrap_or_default()) }.boxed()
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { Ok(self.read(&[range]).await?.pop().unwrap_or_default()) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.read(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let policy = options.map_or(PageIndexPolicy::Skip, ArrowReaderOptions::column_index_policy);
            let footer = self.footer(policy).await?;
            self.meter.file_probed(self.key.0.table, &self.key.1, &footer.metadata);
            self.footer = Some(Arc::clone(&footer));
            Ok(Arc::clone(&footer.metadata))
        }
        .boxed()
    }
}
