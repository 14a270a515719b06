//! The bytes of a data file, as the Parquet reader asks for them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use model::TableName;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use objects::table_path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::log::DataFile;

/// Enough for the footer of most files, so that it comes with one request.
const FOOTER_BYTES: usize = 64 * 1024;

/// Reads one data file from the store of its project. The store's errors come back as
/// [`parquet::errors::ParquetError::External`].
pub struct FileReader {
    store: Arc<dyn ObjectStore>,
    key: Path,
    bytes: u64,
}

impl FileReader {
    /// `store` is rooted at the project.
    pub fn new(store: &Arc<dyn ObjectStore>, table: TableName, file: &DataFile) -> Self {
        let key = Path::from(format!("{}/{}", table_path(table), file.path));
        Self { store: Arc::clone(store), key, bytes: file.bytes }
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { Ok(self.store.get_range(&self.key, range).await?) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { Ok(self.store.get_ranges(&self.key, &ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let file_bytes = self.bytes;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, file_bytes).await?))
        }
        .boxed()
    }
}
