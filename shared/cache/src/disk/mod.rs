//! The disk: one thread writes, whoever asks reads.
//!
//! ```text
//! <folder>/lock              held by the process that uses the folder
//! <folder>/leads-<n>.pieces  bytes of pieces, one after the other; closed: behind them what lies where; see `file`
//! <folder>/rows-<n>.pieces
//! ```
//! What is left of an unclosed file, or of one that does not read, is removed at the next start.

mod file;
mod log;

use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock, statvfs};

use self::log::{Log, Room};
use crate::limits::DiskLimits;
use crate::meters::{LeftOut, Meters};
use crate::piece::{Piece, Shelf};

const LOCK: &str = "lock";
/// Of the room on the disk, what leads to rows gets one part in so many.
const LEADS_PART: u64 = 4;
/// The process before may be about to end.
const LOCK_TRIES: u32 = 50;
const LOCK_TRIED_EVERY: Duration = Duration::from_millis(100);
/// How often it is seen whether others need the room, while nothing is written.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long an end waits for what is to be written; what is not by then is fetched again some day.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Pieces on a disk.
pub(crate) struct Disk {
    leads: Arc<Log>,
    rows: Arc<Log>,
    queue: Option<Sender<Job>>,
    /// Bytes in the queue.
    queued: Arc<AtomicU64>,
    queued_max: u64,
    meters: Meters,
    /// Hung up by the thread when it ends.
    ended: Mutex<Receiver<()>>,
}

enum Job {
    Put(Shelf, Piece, Bytes),
    #[cfg(test)]
    Tell(Sender<()>),
}

impl Disk {
    /// What an earlier process left in the folder is there a moment later.
    pub(crate) fn start(limits: DiskLimits, index_bytes: u64, queued_max: u64, meters: Meters) -> io::Result<Self> {
        // Nobody else on the machine reads telemetry.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&limits.folder)?;
        let bytes_max = room(&limits)?;
        let (for_leads, for_rows) = (bytes_max / LEADS_PART, bytes_max - bytes_max / LEADS_PART);
        let log = |shelf, bytes_max| {
            let entries_max = index_bytes / 2 / log::ENTRY_BYTES;
            let room = Room { bytes_max, free_bytes_min: limits.free_bytes_min, entries_max };
            Arc::new(Log::new(&limits.folder, shelf, room, meters.clone()))
        };
        let (leads, rows) = (log(Shelf::Leads, for_leads), log(Shelf::Rows, for_rows));
        let (queue, jobs) = channel();
        let (ending, ended) = channel::<()>();
        let queued = Arc::<AtomicU64>::default();
        let writer = Writer { leads: Arc::clone(&leads), rows: Arc::clone(&rows), queued: Arc::clone(&queued) };
        std::thread::Builder::new().name("cache".to_owned()).spawn(move || {
            let _until_the_end = ending;
            writer.run(&limits.folder, &jobs);
        })?;
        Ok(Self { leads, rows, queue: Some(queue), queued, queued_max, meters, ended: Mutex::new(ended) })
    }

    /// Those that are there, whole and unchanged.
    pub(crate) async fn read(&self, shelf: Shelf, pieces: Vec<Piece>) -> Vec<(Piece, Bytes)> {
        let log = self.log(shelf);
        let there = log.find(&pieces);
        if there.is_empty() {
            return Vec::new();
        }
        let log = Arc::clone(log);
        let read = move || there.into_iter().filter_map(|there| log.read(&there)).collect();
        // An error: the runtime ends, or reading panicked.
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }

    /// Keeps it, a moment later, if there is time and room.
    pub(crate) fn put(&self, shelf: Shelf, piece: Piece, bytes: Bytes) {
        let length = bytes.len() as u64;
        let before = self.queued.fetch_add(length, Ordering::Relaxed);
        let sent = before + length <= self.queued_max
            && self.queue.as_ref().is_some_and(|queue| queue.send(Job::Put(shelf, piece, bytes)).is_ok());
        if !sent {
            self.queued.fetch_sub(length, Ordering::Relaxed);
            self.meters.left_out(LeftOut::Busy);
        }
    }

    fn log(&self, shelf: Shelf) -> &Arc<Log> {
        match shelf {
            Shelf::Leads => &self.leads,
            Shelf::Rows => &self.rows,
        }
    }

    /// Waits until all that was put is written or left out.
    #[cfg(test)]
    pub(crate) fn settled(&self) {
        let (told, tells) = channel();
        self.queue.as_ref().expect("taken when dropped only").send(Job::Tell(told)).expect("the thread runs");
        tells.recv().expect("it tells");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.queue.take());
        let ended = self.ended.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Hung up is what is waited for.
        let _ = ended.recv_timeout(END_WITHIN);
    }
}

/// What the thread works with.
struct Writer {
    leads: Arc<Log>,
    rows: Arc<Log>,
    queued: Arc<AtomicU64>,
}

impl Writer {
    fn run(&self, folder: &Path, jobs: &Receiver<Job>) {
        let lock = locked(folder);
        let is_ours = match &lock {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "nothing is kept on the disk: its folder is another's");
                false
            }
        };
        if is_ours {
            self.leads.load();
            self.rows.load();
        }
        loop {
            match jobs.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if is_ours => {
                    self.leads.leave_room();
                    self.rows.leave_room();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Job::Put(shelf, piece, bytes)) => {
                    let log = if shelf == Shelf::Leads { &self.leads } else { &self.rows };
                    if is_ours {
                        log.write(piece, &bytes);
                    }
                    self.queued.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
                }
                #[cfg(test)]
                Ok(Job::Tell(told)) => drop(told.send(())),
            }
        }
        if is_ours {
            self.leads.close();
            self.rows.close();
        }
    }
}

/// How much may be kept on this disk: what is kept already, and what is free and not left to others.
fn room(limits: &DiskLimits) -> io::Result<u64> {
    let mut there = free_bytes(&limits.folder)?;
    for entry in std::fs::read_dir(&limits.folder)? {
        // An error: it vanished meanwhile.
        there = there.saturating_add(entry?.metadata().map_or(0, |file| file.len()));
    }
    Ok(limits.bytes_max.min(there.saturating_sub(limits.left_bytes)))
}

fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The lock on the folder, as long as the file is open.
fn locked(folder: &Path) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
    let mut tries = 0;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(error) if tries == LOCK_TRIES => return Err(error.into()),
            Err(_) => tries += 1,
        }
        std::thread::sleep(LOCK_TRIED_EVERY);
    }
}
