//! An upload in parts: written to a staged file, which becomes the object when all of it is on the disk.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::error::{DiskError, io};
use super::staging::Staged;
use super::{Inner, blocking};

#[derive(Debug)]
pub(super) struct Upload {
    inner: Arc<Inner>,
    destination: PathBuf,
    /// None once it is over.
    staged: Option<Arc<Staged>>,
    /// Where the next part begins.
    offset: u64,
}

impl Upload {
    pub(super) fn new(inner: Arc<Inner>, destination: PathBuf, staged: Staged) -> Self {
        Self { inner, destination, staged: Some(Arc::new(staged)), offset: 0 }
    }

    fn over(&self) -> DiskError {
        DiskError::UploadOver { path: self.destination.clone() }
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let Some(staged) = self.staged.clone() else {
            let over = self.over();
            return async move { Err(over.into()) }.boxed();
        };
        let mut offset = self.offset;
        self.offset += payload.content_length() as u64;
        blocking(move || {
            for bytes in &payload {
                staged.file.write_all_at(bytes, offset).map_err(io("write", &staged.path))?;
                offset += bytes.len() as u64;
            }
            Ok(())
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.staged.take().ok_or_else(|| self.over())?;
        let (inner, destination) = (Arc::clone(&self.inner), self.destination.clone());
        blocking(move || {
            staged.file.sync_all().map_err(io("sync", &staged.path))?;
            inner.replace(&staged.path, &destination)?;
            Ok(PutResult { e_tag: None, version: None })
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        // Its drop removes the file.
        self.staged.take().map(drop).ok_or_else(|| self.over().into())
    }
}
