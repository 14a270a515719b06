//! Pieces of data files that are no rows: metered, and kept across queries as indexes are.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use model::TableId;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::parquet::FileCaches;
use crate::meter::Meter;
use crate::waits::{OBJECTS, On};

/// Reads pieces of the files of one table in one query.
pub(crate) struct PiecesOfFiles {
    pub(super) table: TableId,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) caches: FileCaches,
    pub(super) meter: Arc<Meter>,
}

impl PiecesOfFiles {
    /// `path` is relative to the table.
    pub(crate) async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        self.meter.rollups_read(self.table.table, path);
        let location = Path::from(format!("{}/{path}", self.table.table));
        let key = ((self.table.clone(), Arc::from(location.as_ref())), range.clone());
        if let Some(kept) = self.caches.piece(&key).await {
            return Ok(kept);
        }
        let limit = self.meter.charge(range.end - range.start);
        limit.map_err(|limit| DataFusionError::External(Box::new(limit)))?;
        let _waiting = self.meter.waits.begin(On::Store(OBJECTS));
        let read = self.store.get_range(&location, range).await;
        let bytes = read.map_err(|error| {
            if matches!(error, object_store::Error::NotFound { .. }) {
                self.meter.something_missing();
            }
            DataFusionError::External(Box::new(error))
        })?;
        self.caches.keep_piece(key, bytes.clone()).await;
        Ok(bytes)
    }
}
