//! A store that refuses calls, or damages what is put, as a rule of the test says for as long as it stands.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use model::ProjectId;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use objects::RootError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Of an object or of its metadata.
    Get,
    Put,
    Delete,
    List,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bend {
    /// 503.
    Busy,
    /// 403.
    Denied,
    /// 401.
    Unauthenticated,
    /// The bucket of the project's owner does not let us in.
    Shut,
    /// Only the first half of what is put arrives, and the store says that all is well.
    Truncated,
    /// Some bytes in the middle arrive as others.
    Flipped,
    /// The one who calls dies of it.
    Panics,
}

impl Bend {
    fn error(self, path: &str) -> Error {
        let (path, source) = (path.to_owned(), "a refusal of the test".into());
        match self {
            Self::Denied => Error::PermissionDenied { path, source },
            Self::Unauthenticated => Error::Unauthenticated { path, source },
            Self::Shut => RootError::NotConnected { project: ProjectId::parse("shop").expect("an id") }.into(),
            Self::Panics => panic!("on purpose, at {path}"),
            _ => Error::Generic { store: "bent", source: "503 Service Unavailable".into() },
        }
    }

    fn damage(self, bytes: &[u8]) -> Option<Bytes> {
        match self {
            Self::Truncated => Some(Bytes::copy_from_slice(&bytes[..bytes.len() / 2])),
            Self::Flipped => {
                let mut bytes = bytes.to_vec();
                let middle = bytes.len() / 2;
                bytes[middle - 100..middle + 100].iter_mut().for_each(|byte| *byte ^= 0x55);
                Some(bytes.into())
            }
            _ => None,
        }
    }
}

type Rule = Box<dyn Fn(Call, &str) -> Option<Bend> + Send + Sync>;

/// Paths in its rule are those of the whole store: `shop/landing/...`.
pub(super) struct BentStore {
    inner: Arc<dyn ObjectStore>,
    rule: Mutex<Option<Rule>>,
    bent: AtomicUsize,
}

impl BentStore {
    pub(super) fn over(inner: &Arc<dyn ObjectStore>) -> Arc<Self> {
        Arc::new(Self { inner: Arc::clone(inner), rule: Mutex::default(), bent: AtomicUsize::new(0) })
    }

    pub(super) fn bend(&self, rule: impl Fn(Call, &str) -> Option<Bend> + Send + Sync + 'static) {
        *self.rule.lock().expect("lock") = Some(Box::new(rule));
        self.bent.store(0, Ordering::SeqCst);
    }

    pub(super) fn straighten(&self) {
        *self.rule.lock().expect("lock") = None;
    }

    /// Calls bent by the rule that was given last.
    pub(super) fn n_bent(&self) -> usize {
        self.bent.load(Ordering::SeqCst)
    }

    fn found(&self, call: Call, path: &Path) -> Option<Bend> {
        let bend = self.rule.lock().expect("lock").as_ref().and_then(|rule| rule(call, path.as_ref()));
        self.bent.fetch_add(usize::from(bend.is_some()), Ordering::SeqCst);
        bend
    }

    fn pass(&self, call: Call, path: &Path) -> Result<()> {
        self.found(call, path).map_or(Ok(()), |bend| Err(bend.error(path.as_ref())))
    }
}

impl fmt::Debug for BentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bent {:?}", self.inner)
    }
}

impl fmt::Display for BentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bent {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for BentStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let Some(bend) = self.found(Call::Put, location) else {
            return self.inner.put_opts(location, payload, opts).await;
        };
        match bend.damage(&Bytes::from(payload)) {
            Some(damaged) => self.inner.put_opts(location, damaged.into(), opts).await,
            None => Err(bend.error(location.as_ref())),
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.pass(Call::Put, location)?;
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.pass(Call::Get, location)?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        // The rule is asked now, of no path: the stream outlives this borrow.
        match self.pass(Call::Delete, &Path::default()) {
            Ok(()) => self.inner.delete_stream(locations),
            Err(error) => futures::stream::once(futures::future::ready(Err(error))).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.pass(Call::List, prefix.unwrap_or(&Path::default())) {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures::stream::once(futures::future::ready(Err(error))).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.pass(Call::List, prefix.unwrap_or(&Path::default())) {
            Ok(()) => self.inner.list_with_offset(prefix, offset),
            Err(error) => futures::stream::once(futures::future::ready(Err(error))).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.pass(Call::List, prefix.unwrap_or(&Path::default()))?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.pass(Call::Put, to)?;
        self.inner.copy_opts(from, to, options).await
    }
}
