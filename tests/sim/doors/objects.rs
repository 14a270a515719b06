//! The object store: one whose clock is the world's, and the same as a process sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use clock::{Clock, ManualClock};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::stage::{Effect, ProcessId, Stage};

/// All objects of the world. Objects are as old as the world's clock says, and it is known how often each was written.
#[derive(Debug)]
pub(crate) struct Shelf {
    inner: InMemory,
    clock: Arc<ManualClock>,
    written: Mutex<BTreeMap<Path, Written>>,
}

#[derive(Clone, Copy, Debug)]
struct Written {
    at: i64,
    times: u32,
}

impl Shelf {
    pub(crate) fn new(clock: Arc<ManualClock>) -> Self {
        Self { inner: InMemory::new(), clock, written: Mutex::default() }
    }

    /// How often an object was written; 0: never.
    pub(crate) fn times_written(&self, location: &Path) -> u32 {
        self.written.lock().expect("not poisoned").get(location).map_or(0, |written| written.times)
    }

    /// The whole object; none: it is not there.
    pub(crate) async fn read(&self, location: &Path) -> Option<Bytes> {
        self.inner.get(location).await.ok()?.bytes().await.ok()
    }

    /// Takes objects away, as if they had never been there, without anybody's doing.
    pub(crate) async fn hide(&self, fragment: &str) -> Vec<(Path, Bytes)> {
        let mut hidden = Vec::new();
        for path in self.all().await.into_iter().filter(|path| path.as_ref().contains(fragment)) {
            let bytes = self.read(&path).await.expect("it was listed");
            self.inner.delete(&path).await.expect("memory deletes");
            hidden.push((path, bytes));
        }
        hidden
    }

    /// Puts back what was hidden, as old as it was.
    pub(crate) async fn unhide(&self, hidden: Vec<(Path, Bytes)>) {
        for (path, bytes) in hidden {
            self.inner.put(&path, bytes.into()).await.expect("memory takes it");
        }
    }

    /// Every object, by path.
    pub(crate) async fn all(&self) -> Vec<Path> {
        self.inner.list(None).map_ok(|object| object.location).try_collect().await.expect("memory lists")
    }

    fn aged(&self, mut meta: ObjectMeta) -> ObjectMeta {
        if let Some(written) = self.written.lock().expect("not poisoned").get(&meta.location) {
            meta.last_modified = chrono::DateTime::from_timestamp_micros(written.at).expect("a time");
        }
        meta
    }

    async fn put(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let put = self.inner.put_opts(location, payload, opts).await?;
        let mut written = self.written.lock().expect("not poisoned");
        let times = written.get(location).map_or(0, |written| written.times) + 1;
        written.insert(location.clone(), Written { at: self.clock.now(), times });
        Ok(put)
    }

    async fn get(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.inner.get_opts(location, options).await?;
        got.meta = self.aged(got.meta);
        Ok(got)
    }

    async fn list(&self, prefix: Option<Path>) -> Result<Vec<ObjectMeta>> {
        let listed: Vec<_> = self.inner.list(prefix.as_ref()).try_collect().await?;
        Ok(listed.into_iter().map(|meta| self.aged(meta)).collect())
    }

    async fn folders(&self, prefix: Option<Path>) -> Result<ListResult> {
        let mut listed = self.inner.list_with_delimiter(prefix.as_ref()).await?;
        listed.objects = listed.objects.into_iter().map(|meta| self.aged(meta)).collect();
        Ok(listed)
    }
}

/// The shelf as a process sees it.
#[derive(Clone)]
pub(crate) struct StagedObjects {
    pub shelf: Arc<Shelf>,
    pub stage: Arc<Stage>,
    pub process: ProcessId,
}

fn lost() -> Error {
    Error::Generic { store: "simulated", source: "the call was lost".into() }
}

impl StagedObjects {
    async fn staged<T, F>(&self, effect: Effect, label: String, call: impl FnOnce(Arc<Shelf>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        self.stage.call(self.process, effect, label, call(Arc::clone(&self.shelf)), lost).await
    }
}

impl fmt::Debug for StagedObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for StagedObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the objects that {:?} sees", self.process)
    }
}

#[async_trait]
impl ObjectStore for StagedObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let (label, location) = (format!("PUT {location}"), location.clone());
        self.staged(Effect::Writes, label, |shelf| async move { shelf.put(&location, payload, opts).await }).await
    }

    /// Parts are kept until the upload is complete, which is one PUT.
    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload { store: self.clone(), location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (label, location) = (format!("GET {location}"), location.clone());
        self.staged(Effect::Reads, label, |shelf| async move { shelf.get(&location, options).await }).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (label, location, ranges) = (format!("GET ranges of {location}"), location.clone(), ranges.to_vec());
        let get = |shelf: Arc<Shelf>| async move { shelf.inner.get_ranges(&location, &ranges).await };
        self.staged(Effect::Reads, label, get).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Path| {
            let store = store.clone();
            async move {
                let (label, gone) = (format!("DELETE {location}"), location.clone());
                let delete = |shelf: Arc<Shelf>| async move { shelf.inner.delete(&gone).await };
                store.staged(Effect::Writes, label, delete).await.map(|()| location)
            }
        };
        locations.and_then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listing = async move {
            let label = format!("LIST {}", prefix.as_ref().map_or("all", |prefix| prefix.as_ref()));
            store.staged(Effect::Reads, label, |shelf| async move { shelf.list(prefix).await }).await
        };
        let objects = futures::stream::once(listing);
        objects.map_ok(|all| futures::stream::iter(all.into_iter().map(Ok))).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned();
        let label = format!("LIST folders of {}", prefix.as_ref().map_or("all", |prefix| prefix.as_ref()));
        self.staged(Effect::Reads, label, |shelf| async move { shelf.folders(prefix).await }).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (label, from, to) = (format!("COPY {from} to {to}"), from.clone(), to.clone());
        let copy = |shelf: Arc<Shelf>| async move { shelf.inner.copy_opts(&from, &to, options).await };
        self.staged(Effect::Writes, label, copy).await
    }
}

#[derive(Debug)]
struct Upload {
    store: StagedObjects,
    location: Path,
    parts: Vec<Bytes>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.extend(data);
        Box::pin(futures::future::ready(Ok(())))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let payload = PutPayload::from_iter(std::mem::take(&mut self.parts));
        self.store.put_opts(&self.location, payload, PutOptions::default()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}
