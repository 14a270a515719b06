//! A disk of its own for a data folder: small enough to be filled, and it outlives the servers that are killed on it.
//!
//! A tmpfs in a mount namespace that a waiting process holds; servers and readers enter it. Nothing needs root.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Ballast is written in pieces of these sizes, until not even the last fits.
const PIECES: [usize; 3] = [1 << 20, 64 << 10, 4 << 10];

/// Unmounted, with all that is on it, when dropped or when this process ends, however it ends.
pub struct SmallDisk {
    /// Waits for the end of its input.
    holder: Child,
    mounted_at: TempDir,
}

impl SmallDisk {
    pub fn mount(bytes: u64) -> Self {
        let mounted_at = TempDir::with_prefix("plimsoll-disk-").expect("a temporary folder");
        let script = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\" && echo mounted && exec cat");
        let mut holder = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &script])
            .arg(mounted_at.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`unshare` of util-linux starts");
        let mut said = String::new();
        let stdout = holder.stdout.take().expect("piped above");
        BufReader::new(stdout).read_line(&mut said).expect("it says that the disk is mounted");
        assert_eq!(said, "mounted\n", "a tmpfs can be mounted in a namespace of its own");
        Self { holder, mounted_at }
    }

    /// The folder, as those see it that enter.
    pub fn path(&self) -> &Path {
        self.mounted_at.path()
    }

    /// The same command, run where the disk is mounted; its process id stays its own.
    pub fn enter(&self, inner: &Command) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target", &self.holder.id().to_string(), "--"]);
        command.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Writes ballast until less than `left_bytes` (and the size of a small file's block) are free; again, to keep it full.
    pub fn fill(&self, left_bytes: u64) {
        let ballast = File::options().append(true).create(true).open(self.ballast());
        let mut ballast = match ballast {
            Ok(ballast) => ballast,
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("ballast: {error}"),
        };
        for size in PIECES {
            let piece = vec![1; size];
            while self.free_bytes() >= left_bytes + size as u64 {
                match ballast.write_all(&piece) {
                    Ok(()) => {}
                    // The server writes too.
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("ballast: {error}"),
                }
            }
        }
    }

    /// Takes the ballast away.
    pub fn free(&self) {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("ballast: {error}"),
            _ => {}
        }
    }

    pub fn free_bytes(&self) -> u64 {
        let disk = rustix::fs::statvfs(self.inside()).expect("the disk is mounted");
        disk.f_bavail * disk.f_frsize
    }

    pub fn used_bytes(&self) -> u64 {
        let disk = rustix::fs::statvfs(self.inside()).expect("the disk is mounted");
        (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    }

    pub fn has_ballast(&self) -> bool {
        self.ballast().exists()
    }

    /// The folder, as this process reaches it; not to be made canonical.
    pub fn inside(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.holder.id(), self.path().display()))
    }

    fn ballast(&self) -> PathBuf {
        self.inside().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It ends at the end of its input in any case.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
