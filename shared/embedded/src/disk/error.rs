//! What can be wrong with a disk, in one line that names the path.

use std::io;
use std::path::{Path, PathBuf};

/// The source inside `object_store::Error::Generic` of this store.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("disk full: cannot {act} {path}")]
    Full {
        act: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {act} {path}: the file system is read-only")]
    ReadOnly {
        act: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {act} {path}: permission denied")]
    Denied {
        act: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {act} {path}: {source}")]
    Io {
        act: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the upload of {path} was completed or aborted before")]
    UploadOver { path: PathBuf },
}

impl DiskError {
    pub(super) fn new(act: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { act, path, source },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { act, path, source },
            io::ErrorKind::PermissionDenied => Self::Denied { act, path, source },
            _ => Self::Io { act, path, source },
        }
    }
}

impl From<DiskError> for object_store::Error {
    fn from(error: DiskError) -> Self {
        Self::Generic { store: "DurableDisk", source: Box::new(error) }
    }
}

/// Names the act and the path of an I/O error: `.map_err(io("write", &path))`.
pub(super) fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    let path = path.to_owned();
    move |source| DiskError::new(act, &path, source)
}
