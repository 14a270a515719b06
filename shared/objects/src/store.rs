//! The store of a project whose place is looked up with each call: its owner may connect a bucket, or give it another
//! role, while stores are open.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use http::Method;
use model::ProjectId;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use url::Url;

use crate::Links;
use crate::buckets::Buckets;

/// Nothing outside the project's root can be named through it: both stores that it goes to are rooted there.
#[derive(Clone)]
pub(crate) struct ProjectStore {
    pub(crate) project: ProjectId,
    /// Its folder in the installation's own root.
    pub(crate) own: Arc<dyn ObjectStore>,
    pub(crate) buckets: Buckets,
}

impl ProjectStore {
    /// Where its objects lie now, and the errors of that place in words for its owner.
    async fn call<T, F>(&self, act: impl FnOnce(Arc<dyn ObjectStore>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        match self.buckets.entrance(&self.project).await? {
            None => act(Arc::clone(&self.own)).await,
            Some(entrance) => {
                let root = self.buckets.root(&entrance).await?;
                act(root).await.map_err(|error| self.buckets.explained(&entrance, error))
            }
        }
    }

    /// The same for what comes piece by piece.
    fn stream<T: Send + 'static>(
        &self,
        act: impl FnOnce(Arc<dyn ObjectStore>) -> BoxStream<'static, Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let this = self.clone();
        let opened = async move {
            let Some(entrance) = this.buckets.entrance(&this.project).await? else {
                return Ok::<_, Error>(act(this.own));
            };
            let root = this.buckets.root(&entrance).await?;
            Ok(act(root).map_err(move |error| this.buckets.explained(&entrance, error)).boxed())
        };
        stream::once(opened).try_flatten().boxed()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for ProjectStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.call(|root| async move { root.put_opts(location, payload, options).await }).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.call(|root| async move { root.put_multipart_opts(location, options).await }).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(|root| async move { root.get_opts(location, options).await }).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.call(|root| async move { root.get_ranges(location, ranges).await }).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.stream(|root| root.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.stream(move |root| root.list(prefix.as_ref()))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let (prefix, offset) = (prefix.cloned(), offset.clone());
        self.stream(move |root| root.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(|root| async move { root.list_with_delimiter(prefix).await }).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.call(|root| async move { root.copy_opts(from, to, options).await }).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.call(|root| async move { root.rename_opts(from, to, options).await }).await
    }
}

/// Links to a project's objects, signed by whoever may enter the place where they lie.
#[derive(Clone, Debug)]
pub(crate) struct ProjectSigner {
    pub(crate) project: ProjectId,
    /// In the installation's own root.
    pub(crate) own: Links,
    pub(crate) buckets: Buckets,
}

#[async_trait]
impl Signer for ProjectSigner {
    async fn signed_url(&self, method: Method, path: &Path, lasts: Duration) -> Result<Url> {
        if method != Method::GET {
            return Err(Error::NotSupported { source: "links are for reading".into() });
        }
        let Some(entrance) = self.buckets.entrance(&self.project).await? else {
            return self.own.to_read(path, lasts).await;
        };
        let bucket = self.buckets.bucket(&entrance).await?;
        let no_links = || Error::NotSupported { source: "this kind of bucket has no links".into() };
        let folder = Path::from(entrance.at.folder(&self.project));
        Links::new(bucket.signer.ok_or_else(no_links)?, folder).to_read(path, lasts).await
    }
}

impl fmt::Display for ProjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "root of project {}", self.project)
    }
}

impl fmt::Debug for ProjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectStore").field("project", &self.project).field("own", &self.own).finish_non_exhaustive()
    }
}
