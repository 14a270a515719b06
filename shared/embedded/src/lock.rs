//! One process per database file: a lock beside it, held until drop and by nobody after a kill.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::OpenError;

/// An exclusive lock on `<path>.lock`, which holds the pid of its owner as text.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let lock_path = beside(path);
        let io = |act| {
            let path = lock_path.clone();
            move |source| OpenError::Io { act, path, source }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io("create"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { path: path.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io("write"))?;
        write!(file, "{}", std::process::id()).map_err(io("write"))?;
        Ok(Self { _file: file })
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// None while the owner has not written it yet.
fn read_pid(file: &mut File) -> Option<u32> {
    const PID_BYTES_MAX: u64 = 20;
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("meta.db");
        let first = FileLock::take(&path).expect("free");
        let error = FileLock::take(&path).expect_err("held");
        assert!(error.to_string().ends_with(&format!("(pid {})", std::process::id())), "{error}");
        drop(first);
        FileLock::take(&path).expect("free again");
    }
}
