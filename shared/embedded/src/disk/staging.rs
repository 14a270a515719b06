//! Where files are written before they have a name: `<root>/.staging/<pid>-<n>#1`.
//!
//! `LocalFileSystem` hides names that end in `#<digits>` from its listings, and `DurableDisk` hides the folder. What a
//! killed process leaves behind is removed at a later opening.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use model::Micros;
use object_store::PutPayload;

use super::error::{DiskError, io};

pub(super) const STAGING_FOLDER: &str = ".staging";

/// A leftover older than this belongs to nobody: uploads do not pause that long.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
    next: AtomicU64,
}

impl Staging {
    /// Makes the folder and removes what was left there long ago.
    pub(super) fn open(root: &Path, now: Micros) -> Result<Self, DiskError> {
        let folder = root.join(STAGING_FOLDER);
        fs::create_dir_all(&folder).map_err(io("create folder", &folder))?;
        for entry in fs::read_dir(&folder).map_err(io("list", &folder))? {
            let entry = entry.map_err(io("list", &folder))?;
            if is_leftover(&entry, now) {
                fs::remove_file(entry.path()).or_else(unless_gone).map_err(io("remove", &entry.path()))?;
            }
        }
        Ok(Self { folder, next: AtomicU64::new(0) })
    }

    /// A new, empty file that nobody else writes; removed on drop unless it was renamed away.
    pub(super) fn create(&self) -> Result<Staged, DiskError> {
        loop {
            let path = self.fresh_path();
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Staged { file, path }),
                // Left by an earlier process of the same pid.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(DiskError::new("create", &path, error)),
            }
        }
    }

    /// A staged file with these bytes, which are on the disk.
    pub(super) fn write(&self, payload: &PutPayload) -> Result<Staged, DiskError> {
        let mut staged = self.create()?;
        for bytes in payload {
            staged.file.write_all(bytes).map_err(io("write", &staged.path))?;
        }
        staged.file.sync_all().map_err(io("sync", &staged.path))?;
        Ok(staged)
    }

    /// A name in the folder that this process has not used before.
    pub(super) fn fresh_path(&self) -> PathBuf {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{}-{n}#1", std::process::id()))
    }
}

/// A file without a name of its own yet.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path).or_else(unless_gone) {
            tracing::warn!(path = %self.path.display(), %error, "a staged file stays until a later start");
        }
    }
}

fn is_leftover(entry: &fs::DirEntry, now: Micros) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    let Ok(Ok(modified)) = modified.map(|at| at.duration_since(UNIX_EPOCH)) else { return false };
    let now = Duration::from_micros(u64::try_from(now).unwrap_or(0));
    now.saturating_sub(modified) > LEFTOVER_AGE
}

fn unless_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
