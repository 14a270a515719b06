//! A disk that is slow when told to be: every act on an object waits, before it is done or after.
//!
//! How long is read from a file at each act, so that whoever watches the server can change it while the server runs.

use std::fmt;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use clock::{Ids, RandomIds};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use serde::{Deserialize, Serialize};

/// How slow the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slowness {
    /// An act takes up to so much longer.
    pub delay_ms_max: u64,
    /// One PUT in [`HANGING`] takes so much longer, whatever the others do.
    pub hang_ms: u64,
}

const HANGING: u64 = 8;

impl Slowness {
    /// From now on. The file is whole at any moment.
    pub fn set(self, file: &FilePath) {
        let aside = file.with_extension("new");
        std::fs::write(&aside, serde_json::to_vec(&self).expect("two numbers")).expect("the file can be written");
        std::fs::rename(&aside, file).expect("it was written there");
    }

    fn read(file: &FilePath) -> Self {
        let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_slice(&bytes).expect("the file was written by `set`")
    }
}

/// See the module.
#[derive(Debug)]
pub struct SlowStore {
    inner: Arc<dyn ObjectStore>,
    slowness: PathBuf,
}

impl SlowStore {
    pub fn new(inner: Arc<dyn ObjectStore>, slowness: PathBuf) -> Self {
        Self { inner, slowness }
    }

    /// Waits around `act`, some of the time before it and the rest after it.
    async fn slowly<T>(&self, act: impl Future<Output = T>) -> T {
        let wait = drawn(Slowness::read(&self.slowness).delay_ms_max);
        self.around(wait, act).await
    }

    async fn put_slowly<T>(&self, act: impl Future<Output = T>) -> T {
        let slowness = Slowness::read(&self.slowness);
        let hangs = slowness.hang_ms > 0 && drawn(HANGING - 1) == 0;
        let wait = if hangs { slowness.hang_ms } else { drawn(slowness.delay_ms_max) };
        self.around(wait, act).await
    }

    async fn around<T>(&self, wait_ms: u64, act: impl Future<Output = T>) -> T {
        if wait_ms == 0 {
            return act.await;
        }
        let before = drawn(wait_ms);
        tokio::time::sleep(Duration::from_millis(before)).await;
        let done = act.await;
        tokio::time::sleep(Duration::from_millis(wait_ms - before)).await;
        done
    }
}

/// From 0 to `max`, both included.
fn drawn(max: u64) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = RandomIds.secret();
    u64::from_le_bytes([a, b, c, d, e, f, g, h]) % (max + 1)
}

impl fmt::Display for SlowStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slow {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for SlowStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.put_slowly(self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.slowly(self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.slowly(self.inner.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.slowly(self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let slowness = self.slowness.clone();
        let waiting = locations.and_then(move |location| {
            let wait = drawn(Slowness::read(&slowness).delay_ms_max);
            async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                Ok(location)
            }
        });
        self.inner.delete_stream(waiting.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.slowly(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.slowly(self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.slowly(self.inner.rename_opts(from, to, options)).await
    }
}
