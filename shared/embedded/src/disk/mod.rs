//! Objects in a folder, on the disk before anybody is told so.
//!
//! Reads and listings are `object_store`'s `LocalFileSystem` as it is. That one never syncs; so everything that changes
//! is our own: a file is written aside, synced, and given its name by `link` (create-only: one winner) or `rename`
//! (overwrite); then its folder is synced, and every folder that is not known to be on the disk yet.

mod error;
mod folders;
mod staging;
mod upload;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use clock::Clock;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, RenameTargetMode, Result,
};

pub use self::error::DiskError;
use self::error::io;
use self::folders::{Folders, Placing};
use self::staging::{STAGING_FOLDER, Staging};
use self::upload::Upload;

/// Deletions at a time of one stream.
const DELETES_AT_ONCE: usize = 8;

/// See the module. Conditional updates by e-tag and object attributes are not supported, and say so.
#[derive(Clone, Debug)]
pub struct DurableDisk {
    reads: LocalFileSystem,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folders: Folders,
    staging: Staging,
}

impl DurableDisk {
    /// Opens a folder, made if it is missing. `clock` tells which staged files were left by a killed process.
    pub fn open(folder: impl AsRef<FilePath>, clock: &dyn Clock) -> Result<Self> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(io("create folder", folder))?;
        let root = fs::canonicalize(folder).map_err(io("find", folder))?;
        let reads = LocalFileSystem::new_with_prefix(&root)?;
        let staging = Staging::open(&root, clock.now())?;
        Ok(Self { reads, inner: Arc::new(Inner { folders: Folders::new(root), staging }) })
    }
}

impl std::fmt::Display for DurableDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DurableDisk({})", self.reads)
    }
}

#[async_trait]
impl ObjectStore for DurableDisk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !options.attributes.is_empty() {
            return Err(self.unsupported("object attributes"));
        }
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return Err(self.unsupported("a conditional update by e-tag (`PutMode::Update`)")),
        };
        let (inner, path) = (Arc::clone(&self.inner), self.reads.path_to_filesystem(location)?);
        blocking(move || {
            let staged = inner.staging.write(&payload)?;
            if create {
                inner.link(&staged.path, &path)?;
            } else {
                inner.replace(&staged.path, &path)?;
            }
            Ok(PutResult { e_tag: None, version: None })
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return Err(self.unsupported("object attributes"));
        }
        let (inner, path) = (Arc::clone(&self.inner), self.reads.path_to_filesystem(location)?);
        let staged = blocking(move || Ok(inner.staging.create()?)).await?;
        Ok(Box::new(Upload::new(Arc::clone(&self.inner), path, staged)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.reads.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.reads.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (reads, inner) = (self.reads.clone(), Arc::clone(&self.inner));
        locations
            .map(move |location| {
                let (reads, inner) = (reads.clone(), Arc::clone(&inner));
                async move {
                    let location = location?;
                    let path = reads.path_to_filesystem(&location)?;
                    blocking(move || inner.delete(&path)).await?;
                    Ok(location)
                }
            })
            .buffered(DELETES_AT_ONCE)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.reads.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.reads.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.reads.list_with_delimiter(prefix).await?;
        listed.common_prefixes.retain(|folder| folder.as_ref() != STAGING_FOLDER);
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (inner, mode) = (Arc::clone(&self.inner), options.mode);
        let (from, to) = (self.reads.path_to_filesystem(from)?, self.reads.path_to_filesystem(to)?);
        blocking(move || {
            sync_file(&from)?;
            match mode {
                CopyMode::Create => inner.link(&from, &to),
                CopyMode::Overwrite => {
                    // Objects are never changed in place, so two names may share one file.
                    let staged = inner.staging.fresh_path();
                    fs::hard_link(&from, &staged).map_err(io("link", &from))?;
                    inner.replace(&staged, &to)
                }
            }
        })
        .await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let (inner, mode) = (Arc::clone(&self.inner), options.target_mode);
        let (from, to) = (self.reads.path_to_filesystem(from)?, self.reads.path_to_filesystem(to)?);
        blocking(move || {
            sync_file(&from)?;
            match mode {
                RenameTargetMode::Create => {
                    inner.link(&from, &to)?;
                    inner.delete(&from)
                }
                RenameTargetMode::Overwrite => {
                    inner.replace(&from, &to)?;
                    inner.folders.sync_entry(&from)?;
                    inner.folders.remove_empty(&from);
                    Ok(())
                }
            }
        })
        .await
    }
}

impl DurableDisk {
    fn unsupported(&self, operation: &str) -> object_store::Error {
        object_store::Error::NotImplemented { operation: operation.to_owned(), implementer: self.to_string() }
    }
}

impl Inner {
    /// Gives a synced file a second name, unless somebody has it already.
    fn link(&self, from: &FilePath, to: &FilePath) -> Result<()> {
        match self.folders.placing(to, || fs::hard_link(from, to)) {
            Ok(()) => Ok(self.folders.sync_entry(to)?),
            Err(Placing::File(source)) if source.kind() == ErrorKind::AlreadyExists => {
                Err(object_store::Error::AlreadyExists { path: to.display().to_string(), source: source.into() })
            }
            Err(Placing::File(source)) => Err(DiskError::new("create", to, source).into()),
            Err(Placing::Folder(error)) => Err(error.into()),
        }
    }

    /// Moves a synced file to its name, over what may stand there.
    fn replace(&self, from: &FilePath, to: &FilePath) -> Result<()> {
        match self.folders.placing(to, || fs::rename(from, to)) {
            Ok(()) => Ok(self.folders.sync_entry(to)?),
            Err(Placing::File(source)) => Err(DiskError::new("replace", to, source).into()),
            Err(Placing::Folder(error)) => Err(error.into()),
        }
    }

    fn delete(&self, path: &FilePath) -> Result<()> {
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(source) if source.kind() == ErrorKind::NotFound => return Err(not_found(path, source)),
            Err(source) => return Err(DiskError::new("delete", path, source).into()),
        }
        self.folders.sync_entry(path)?;
        self.folders.remove_empty(path);
        Ok(())
    }
}

/// Whoever wrote it may not have synced it. Also finds out whether it is there.
fn sync_file(path: &FilePath) -> Result<()> {
    match File::open(path) {
        Ok(file) => Ok(file.sync_all().map_err(io("sync", path))?),
        Err(source) if source.kind() == ErrorKind::NotFound => Err(not_found(path, source)),
        Err(source) => Err(DiskError::new("open", path, source).into()),
    }
}

fn not_found(path: &FilePath, source: std::io::Error) -> object_store::Error {
    object_store::Error::NotFound { path: path.display().to_string(), source: source.into() }
}

/// Off the async threads.
async fn blocking<T: Send + 'static>(task: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(task).await?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clock::{ManualClock, SystemClock};
    use futures::TryStreamExt;
    use futures::future::join_all;
    use object_store::ObjectStoreExt;

    use super::*;

    fn create() -> PutOptions {
        PutOptions { mode: PutMode::Create, ..PutOptions::default() }
    }

    async fn names(disk: &DurableDisk, prefix: Option<&Path>) -> Vec<String> {
        let mut names: Vec<_> =
            disk.list(prefix).map_ok(|meta| meta.location.to_string()).try_collect().await.expect("listed");
        names.sort();
        names
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_listing_shows_no_staged_file_while_writers_race() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = DurableDisk::open(folder.path(), &SystemClock).expect("opened");
        let mut upload = disk.put_multipart_opts(&Path::from("big"), Default::default()).await.expect("begun");
        upload.put_part("part".into()).await.expect("written");
        let puts = (0..40).map(|n| {
            let disk = disk.clone();
            async move { disk.put(&Path::from(format!("a/{}/x{n}", n % 3)), "x".into()).await.map(drop) }
        });
        let looks = (0..20).map(|_| {
            let disk = disk.clone();
            async move {
                assert!(names(&disk, None).await.iter().all(|name| name.starts_with("a/")));
                let listed = disk.list_with_delimiter(None).await?;
                assert!(listed.common_prefixes.iter().all(|folder| folder.as_ref() == "a"), "{listed:?}");
                assert!(listed.objects.is_empty(), "{listed:?}");
                Ok(())
            }
        });
        let (puts, looks) = futures::join!(join_all(puts), join_all(looks));
        puts.into_iter().chain(looks).collect::<Result<Vec<()>>>().expect("all went well");
        upload.complete().await.expect("complete");
        assert_eq!(names(&disk, None).await.len(), 41);
        assert_eq!(fs::read_dir(folder.path().join(STAGING_FOLDER)).expect("there").count(), 0);
        assert!(upload.complete().await.is_err(), "it is over");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn folders_come_and_go_under_racing_writers() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = DurableDisk::open(folder.path(), &SystemClock).expect("opened");
        let turns = (0..8).map(|n| {
            let disk = disk.clone();
            async move {
                let path = Path::from(format!("hour/deep/x{n}"));
                for _ in 0..20 {
                    disk.put_opts(&path, "x".into(), create()).await?;
                    disk.delete(&path).await?;
                }
                Ok(())
            }
        });
        join_all(turns).await.into_iter().collect::<Result<Vec<()>>>().expect("all went well");
        assert!(!folder.path().join("hour").exists(), "empty folders go");
    }

    #[tokio::test]
    async fn copies_and_renames_are_whole_and_create_only_when_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = DurableDisk::open(folder.path(), &SystemClock).expect("opened");
        let path = |name: &str| Path::from(name);
        let taken = |result: Result<()>| assert!(matches!(result, Err(object_store::Error::AlreadyExists { .. })));
        let gone = |result: Result<()>| assert!(matches!(result, Err(object_store::Error::NotFound { .. })));
        disk.put(&path("a/1"), "one".into()).await.expect("put");
        disk.put(&path("b/2"), "two".into()).await.expect("put");

        disk.copy_if_not_exists(&path("a/1"), &path("c/d/3")).await.expect("copied");
        taken(disk.copy_if_not_exists(&path("a/1"), &path("b/2")).await);
        disk.copy(&path("a/1"), &path("b/2")).await.expect("copied");
        disk.put(&path("a/1"), "changed".into()).await.expect("put");
        for copy in ["c/d/3", "b/2"] {
            let bytes = disk.get(&path(copy)).await.expect("there").bytes().await.expect("read");
            assert_eq!(bytes, "one", "a copy does not follow its origin");
        }
        taken(disk.rename_if_not_exists(&path("a/1"), &path("b/2")).await);
        disk.rename_if_not_exists(&path("c/d/3"), &path("e/4")).await.expect("renamed");
        disk.rename(&path("a/1"), &path("b/2")).await.expect("renamed");
        for missing in [disk.copy(&path("none"), &path("x")).await, disk.rename(&path("none"), &path("x")).await] {
            gone(missing);
        }
        assert_eq!(names(&disk, None).await, ["b/2", "e/4"]);
        assert!(!folder.path().join("c").exists(), "empty folders go");
        assert_eq!(fs::read_dir(folder.path().join(STAGING_FOLDER)).expect("there").count(), 0);
    }

    #[tokio::test]
    async fn what_is_not_supported_says_so_and_writes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = DurableDisk::open(folder.path(), &SystemClock).expect("opened");
        let version = object_store::UpdateVersion { e_tag: Some("x".into()), version: None };
        let update = PutOptions { mode: PutMode::Update(version), ..PutOptions::default() };
        let error = disk.put_opts(&Path::from("a"), "x".into(), update).await.expect_err("refused").to_string();
        assert!(error.contains("conditional update by e-tag") && error.contains("DurableDisk"), "{error}");
        assert_eq!(names(&disk, None).await, [""; 0]);
    }

    #[tokio::test]
    async fn trouble_names_the_path_and_the_kind() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = DurableDisk::open(folder.path(), &SystemClock).expect("opened");
        disk.put(&Path::from("a"), "x".into()).await.expect("put");
        let error = disk.put(&Path::from("a/b"), "x".into()).await.expect_err("a is a file").to_string();
        assert!(error.contains("cannot replace") && error.contains("/a/b: Not a directory"), "{error}");

        let cases = [
            (ErrorKind::StorageFull, "disk full: cannot write /x"),
            (ErrorKind::QuotaExceeded, "disk full: cannot write /x"),
            (ErrorKind::ReadOnlyFilesystem, "cannot write /x: the file system is read-only"),
            (ErrorKind::PermissionDenied, "cannot write /x: permission denied"),
        ];
        for (kind, text) in cases {
            assert_eq!(DiskError::new("write", FilePath::new("/x"), kind.into()).to_string(), text);
        }
    }

    #[test]
    fn a_later_start_removes_what_a_killed_process_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let staging = folder.path().join(STAGING_FOLDER);
        fs::create_dir_all(&staging).expect("made");
        fs::write(staging.join("1-0#1"), "left").expect("written");
        let clock = ManualClock::new(SystemClock.now());
        DurableDisk::open(folder.path(), &clock).expect("opened");
        assert!(staging.join("1-0#1").exists(), "it may be in use");
        clock.advance(Duration::from_secs(2 * 3600));
        DurableDisk::open(folder.path(), &clock).expect("opened");
        assert!(!staging.join("1-0#1").exists());
    }
}
