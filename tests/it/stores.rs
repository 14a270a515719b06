//! Stores that tests can bend: one whose clock is the test's, and one that fails, loses replies, or lets its caller die.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clock::{Clock, ManualClock};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use meta::{Item, ItemKey, ItemStore, Operation, Page, SortRange, StoreError};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;

/// Objects are as old as the test's clock says.
#[derive(Debug)]
pub(crate) struct AgedStore {
    inner: Arc<dyn ObjectStore>,
    clock: Arc<ManualClock>,
    put_at: Arc<Mutex<HashMap<Path, i64>>>,
}

impl AgedStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, clock: Arc<ManualClock>) -> Self {
        Self { inner, clock, put_at: Arc::default() }
    }

    fn note(&self, location: &Path) {
        self.put_at.lock().expect("lock").insert(location.clone(), self.clock.now());
    }
}

fn aged(put_at: &Mutex<HashMap<Path, i64>>, mut meta: ObjectMeta) -> ObjectMeta {
    if let Some(at) = put_at.lock().expect("lock").get(&meta.location) {
        meta.last_modified = chrono::DateTime::from_timestamp_micros(*at).expect("a time");
    }
    meta
}

impl fmt::Display for AgedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aged {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for AgedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let put = self.inner.put_opts(location, payload, opts).await?;
        self.note(location);
        Ok(put)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.note(location);
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.inner.get_opts(location, options).await?;
        got.meta = aged(&self.put_at, got.meta);
        Ok(got)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let put_at = Arc::clone(&self.put_at);
        self.inner.list(prefix).map_ok(move |meta| aged(&put_at, meta)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Whether a call changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Writes,
}

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails and does nothing.
    FailBefore,
    /// It takes effect, and its caller is told that it failed.
    LoseReply,
    /// It takes effect, and its caller dies. (To die before it is to die after the one before.)
    DieAfter,
}

impl Fault {
    /// Those that differ for a call: a read has no effect that could be lost.
    pub(crate) fn of(effect: Effect) -> &'static [Fault] {
        match effect {
            Effect::Reads => &[Fault::FailBefore],
            Effect::Writes => &[Fault::FailBefore, Fault::LoseReply, Fault::DieAfter],
        }
    }
}

/// Which calls are bent.
#[derive(Debug)]
enum Bent {
    /// The one with this number.
    One(usize, Fault),
    /// One in so many, drawn from a seed.
    Some { one_in: u64, drawn: AtomicU64 },
}

/// Counts every outside call of one worker and bends some of them.
#[derive(Debug)]
pub(crate) struct Faults {
    calls: Mutex<Vec<Effect>>,
    bent: Bent,
    loses_reply: AtomicBool,
    dead: AtomicBool,
    died: Notify,
}

impl Faults {
    /// At call number `at`, counted from 0.
    pub(crate) fn new(at: usize, fault: Fault) -> Arc<Self> {
        Self::with(Bent::One(at, fault))
    }

    /// None fails.
    pub(crate) fn none() -> Arc<Self> {
        Self::with(Bent::One(usize::MAX, Fault::FailBefore))
    }

    /// One call in so many.
    pub(crate) fn some(one_in: u64, seed: u64) -> Arc<Self> {
        Self::with(Bent::Some { one_in, drawn: AtomicU64::new(seed) })
    }

    fn with(bent: Bent) -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            bent,
            loses_reply: AtomicBool::default(),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    /// Beside that: the next call that changes anything takes effect, and its caller is told that it failed.
    pub(crate) fn lose_next_reply(&self) {
        self.loses_reply.store(true, Ordering::SeqCst);
    }

    fn fault_at(&self, at: usize, effect: Effect) -> Option<Fault> {
        if effect == Effect::Writes && self.loses_reply.swap(false, Ordering::SeqCst) {
            return Some(Fault::LoseReply);
        }
        match &self.bent {
            Bent::One(chosen, fault) => (at == *chosen).then_some(*fault),
            Bent::Some { one_in, drawn } => {
                // Splitmix64.
                let mut z = drawn.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                z ^= z >> 31;
                let kinds = Fault::of(effect);
                (z % one_in == 0).then(|| kinds[(z >> 32) as usize % kinds.len()])
            }
        }
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Effect> {
        self.calls.lock().expect("lock").clone()
    }

    /// Runs a worker to its end, or to its death.
    pub(crate) async fn run<F: Future>(&self, worker: F) -> Option<F::Output> {
        tokio::select! {
            output = worker => Some(output),
            () = self.died.notified() => None,
        }
    }

    async fn die(&self) -> ! {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
        pending().await
    }

    async fn around<T, E>(
        &self,
        effect: Effect,
        call: impl Future<Output = std::result::Result<T, E>>,
        error: impl FnOnce() -> E,
    ) -> std::result::Result<T, E> {
        if self.dead.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        let at = {
            let mut calls = self.calls.lock().expect("lock");
            calls.push(effect);
            calls.len() - 1
        };
        let Some(fault) = self.fault_at(at, effect) else { return call.await };
        match fault {
            Fault::FailBefore => Err(error()),
            Fault::LoseReply => call.await.and_then(|_| Err(error())),
            Fault::DieAfter => {
                let _ = call.await;
                self.die().await
            }
        }
    }
}

fn store_error() -> Error {
    Error::Generic { store: "faulty", source: "a fault of the test".into() }
}

/// An object store whose calls may fail.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) inner: Arc<dyn ObjectStore>,
    pub(crate) faults: Arc<Faults>,
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.faults.around(Effect::Writes, self.inner.put_opts(location, payload, opts), store_error).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.faults.around(Effect::Writes, self.inner.put_multipart_opts(location, opts), store_error).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.faults.around(Effect::Reads, self.inner.get_opts(location, options), store_error).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, faults) = (Arc::clone(&self.inner), Arc::clone(&self.faults));
        locations
            .then(move |location| {
                let (inner, faults) = (Arc::clone(&inner), Arc::clone(&faults));
                async move {
                    let location = location?;
                    let one = futures::stream::once(futures::future::ready(Ok(location.clone()))).boxed();
                    let delete = async { inner.delete_stream(one).try_collect::<Vec<_>>().await };
                    faults.around(Effect::Writes, delete, store_error).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (listing, faults) = (self.inner.list(prefix), Arc::clone(&self.faults));
        let gated = async move {
            let all = async { listing.try_collect::<Vec<_>>().await };
            faults.around(Effect::Reads, all, store_error).await
        };
        futures::stream::once(gated).map_ok(|all| futures::stream::iter(all.into_iter().map(Ok))).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.faults.around(Effect::Reads, self.inner.list_with_delimiter(prefix), store_error).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.faults.around(Effect::Writes, self.inner.copy_opts(from, to, options), store_error).await
    }
}

/// A metadata store whose calls may fail.
pub(crate) struct FaultyItems {
    pub(crate) inner: Arc<dyn ItemStore>,
    pub(crate) faults: Arc<Faults>,
}

fn items_error() -> StoreError {
    StoreError::unavailable("a fault of the test", "faulty")
}

#[async_trait]
impl ItemStore for FaultyItems {
    async fn get(&self, key: &ItemKey) -> std::result::Result<Option<Item>, StoreError> {
        self.faults.around(Effect::Reads, self.inner.get(key), items_error).await
    }

    async fn write(&self, operation: Operation) -> std::result::Result<u64, StoreError> {
        self.faults.around(Effect::Writes, self.inner.write(operation), items_error).await
    }

    async fn query(
        &self,
        partition: &str,
        range: &SortRange,
        after: Option<&str>,
        limit: usize,
    ) -> std::result::Result<Page, StoreError> {
        self.faults.around(Effect::Reads, self.inner.query(partition, range, after, limit), items_error).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> std::result::Result<(), StoreError> {
        self.faults.around(Effect::Writes, self.inner.transact(operations), items_error).await
    }
}
