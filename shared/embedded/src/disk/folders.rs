//! Folders: made when a file needs them, and known to be on the disk themselves.
//!
//! A file is found after a power cut only if every folder above it is. So the entry of a folder in its parent is synced
//! too, once for each folder and process: a folder found at the first look may have been made a moment before a kill.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::{DiskError, io};

/// Most folders remembered; beyond, all are forgotten and synced anew.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
    /// Folders whose entries, up to the root, are on the disk.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, durable: Mutex::default() }
    }

    /// Runs `place`, which puts a file at `path`; makes the folders above it if they are missing.
    ///
    /// More than once if somebody removes the empty folder in between.
    pub(super) fn placing(&self, path: &Path, mut place: impl FnMut() -> io::Result<()>) -> Result<(), Placing> {
        const TRIES_MAX: usize = 100;
        let folder = folder_of(path);
        for _ in 0..TRIES_MAX {
            match place() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(folder).map_err(io("create folder", folder)).map_err(Placing::Folder)?;
                }
                other => return other.map_err(Placing::File),
            }
        }
        Err(Placing::File(io::Error::from(io::ErrorKind::NotFound)))
    }

    /// Returns when the entry of a file that stands at `path` is on the disk, and those of all folders above it.
    pub(super) fn sync_entry(&self, path: &Path) -> Result<(), DiskError> {
        let folder = folder_of(path);
        if !sync_folder(folder)? || self.durable().contains(folder) {
            return Ok(());
        }
        for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.root)) {
            if !sync_folder(above)? {
                return Ok(());
            }
        }
        let mut durable = self.durable();
        if durable.len() >= REMEMBERED_MAX {
            durable.clear();
        }
        durable.insert(folder.to_owned());
        Ok(())
    }

    /// Removes the folders above a deleted file as far as they are empty.
    ///
    /// Under the lock, so that a folder made anew under the same name is never taken for the one that was synced.
    pub(super) fn remove_empty(&self, path: &Path) {
        let mut folder = folder_of(path);
        while folder != self.root && folder.starts_with(&self.root) {
            let mut durable = self.durable();
            if fs::remove_dir(folder).is_err() {
                return;
            }
            durable.remove(folder);
            folder = folder_of(folder);
        }
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a file could not be put in its place.
pub(super) enum Placing {
    Folder(DiskError),
    File(io::Error),
}

/// Every path here lies below the root, so it has a parent.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// False if it is gone: then somebody deleted what was in it, and nothing is left to be made durable.
fn sync_folder(folder: &Path) -> Result<bool, DiskError> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DiskError::new("sync folder", folder, error)),
    }
}
