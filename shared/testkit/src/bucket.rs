//! Owners' buckets in memory, as strict as AWS: a role must be there and trust the external id, and a session reaches its
//! project's folder only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use clock::{RandomIds, SystemClock};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use model::storage::RoleArn;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use objects::{BucketError, CheckBucket, Claim, Entrance, OpenBucket, OpenedBucket, Preflight, RootError, try_root};

/// All buckets of all owners. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryBuckets(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, Arc<InMemory>>,
    /// Roles that are there, and the external id that each demands.
    roles: BTreeMap<String, String>,
    /// Projects that called, by bucket and path of the call.
    calls: BTreeSet<(String, String, String)>,
}

/// One bucket as one project sees it.
#[derive(Clone)]
struct Gated {
    buckets: MemoryBuckets,
    entrance: Entrance,
}

impl MemoryBuckets {
    /// An account without such a role.
    pub const ACCOUNT: &'static str = "111122223333";

    pub fn make_bucket(&self, name: &str) {
        self.state().buckets.entry(name.to_owned()).or_default();
    }

    /// With all that it held; one that is made again by this name is empty.
    pub fn delete_bucket(&self, name: &str) {
        self.state().buckets.remove(name);
    }

    /// The role is there from now on, and demands this external id.
    pub fn trust(&self, role: &str, external_id: &str) {
        self.state().roles.insert(role.to_owned(), external_id.to_owned());
    }

    /// The role is gone, with the sessions that were drawn.
    pub fn revoke(&self, role: &str) {
        self.state().roles.remove(role);
    }

    /// Paths of everything in a bucket.
    pub async fn paths(&self, bucket: &str) -> Vec<String> {
        let bucket = self.state().buckets.get(bucket).cloned().expect("a bucket that was made");
        let all: Vec<ObjectMeta> = bucket.list(None).try_collect().await.expect("listed");
        all.into_iter().map(|meta| meta.location.to_string()).collect()
    }

    /// Puts other bytes where something lies.
    pub async fn overwrite(&self, bucket: &str, path: &str, bytes: &'static [u8]) {
        let bucket = self.state().buckets.get(bucket).cloned().expect("a bucket that was made");
        bucket.put(&Path::from(path), bytes.into()).await.expect("put");
    }

    /// (project, bucket, path) of every call.
    pub fn calls(&self) -> Vec<(String, String, String)> {
        self.state().calls.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gated(&self, entrance: &Entrance) -> Gated {
        Gated { buckets: self.clone(), entrance: entrance.clone() }
    }
}

#[async_trait]
impl OpenBucket for MemoryBuckets {
    async fn open(&self, entrance: &Entrance) -> Result<OpenedBucket, RootError> {
        Ok(OpenedBucket { store: Arc::new(self.gated(entrance)), signer: None })
    }
}

#[async_trait]
impl CheckBucket for MemoryBuckets {
    async fn account(&self) -> Result<String, RootError> {
        Ok(Self::ACCOUNT.to_owned())
    }

    async fn preflight(&self, entrance: &Entrance, claim: &Claim) -> Preflight {
        let mut preflight = Preflight::default();
        let root = PrefixStore::new(self.gated(entrance), Path::from(entrance.at.folder(&entrance.project)));
        try_root(&root, claim, &SystemClock, &RandomIds, &mut preflight).await;
        preflight
    }
}

impl Gated {
    /// The bucket as it stands now, as STS and S3 decide with each call.
    fn admit(&self, path: &Path) -> Result<Arc<InMemory>> {
        let Entrance { project, external_id, at } = &self.entrance;
        let mut state = self.buckets.state();
        let demanded = state.roles.get(at.role_arn.as_str()).cloned();
        state.calls.insert((project.to_string(), at.bucket.to_string(), path.to_string()));
        if demanded.as_deref() != Some(external_id.as_str()) {
            let (project, role_arn) = (project.clone(), RoleArn::to_string(&at.role_arn));
            return Err(RootError::Role { project, role_arn, why: "AccessDenied".to_owned() }.into());
        }
        if path.prefix_matches(&Path::from(at.folder(project))) {
            let bucket = state.buckets.get(at.bucket.as_str()).cloned();
            let gone = || BucketError::Gone { said: "NoSuchBucket: The specified bucket does not exist".to_owned() };
            return bucket.ok_or_else(|| gone().into());
        }
        Err(Error::PermissionDenied { path: path.to_string(), source: "outside the session's folder".into() })
    }

    fn listed(
        &self,
        prefix: Option<&Path>,
        list: impl FnOnce(&InMemory) -> BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.admit(prefix.unwrap_or(&Path::default())) {
            Ok(bucket) => list(&bucket),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Gated {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.admit(location)?.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.admit(location)?.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.admit(location)?.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.admit(location)?.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let deleted = locations.then(move |location| {
            let this = this.clone();
            async move {
                let path = location?;
                this.admit(&path)?.delete(&path).await?;
                Ok(path)
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, |bucket| bucket.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, |bucket| bucket.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.admit(prefix.unwrap_or(&Path::default()))?.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.admit(from)?;
        self.admit(to)?.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.admit(from)?;
        self.admit(to)?.rename_opts(from, to, options).await
    }
}

impl fmt::Display for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket {} as project {}", self.entrance.at.bucket, self.entrance.project)
    }
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
