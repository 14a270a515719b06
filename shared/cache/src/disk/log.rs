//! Files of pieces of one shelf: pieces go to the end of the newest; for room the oldest file is given up, with all that is in it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::file::{Entry, PieceFile, checksum};
use super::free_bytes;
use crate::meters::{LeftOut, Meters, Tier};
use crate::piece::{Piece, Shelf};

const ENDING: &str = ".pieces";
/// The room is in so many files, each of which is open.
const FILES: u64 = 64;
const FILE_BYTES_MIN: u64 = 1 << 20;
const FILE_BYTES_MAX: u64 = 1 << 30;
/// What it takes in memory to know where a piece lies; a map that has just grown is half empty.
pub(super) const ENTRY_BYTES: u64 = 160;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) bytes_max: u64,
    pub(super) free_bytes_min: u64,
    pub(super) entries_max: u64,
}

/// The pieces of one shelf. Written by one thread.
pub(super) struct Log {
    folder: PathBuf,
    shelf: Shelf,
    room: Room,
    meters: Meters,
    state: Mutex<State>,
    create: fn(&Path) -> io::Result<PieceFile>,
}

#[derive(Default)]
struct State {
    places: HashMap<Piece, Place>,
    /// By number, the oldest first; with their length.
    files: BTreeMap<u64, (Arc<PieceFile>, u64)>,
    /// The one that is written, by its number.
    open: Option<Open>,
    next: u64,
}

#[derive(Clone, Copy)]
struct Place {
    file: u64,
    offset: u64,
    checksum: u32,
}

struct Open {
    number: u64,
    file: Arc<PieceFile>,
    length: u64,
    entries: Vec<Entry>,
}

/// A piece that is there, unless it is damaged.
pub(super) struct There {
    entry: Entry,
    file: Arc<PieceFile>,
}

impl Log {
    pub(super) fn new(folder: &Path, shelf: Shelf, room: Room, meters: Meters) -> Self {
        Self { folder: folder.to_owned(), shelf, room, meters, state: Mutex::default(), create: PieceFile::create }
    }

    pub(super) fn find(&self, pieces: &[Piece]) -> Vec<There> {
        let state = self.state();
        let there = |piece: &Piece| {
            let place = state.places.get(piece)?;
            let file = match &state.open {
                Some(open) if open.number == place.file => &open.file,
                _ => &state.files.get(&place.file)?.0,
            };
            let entry = Entry { piece: *piece, offset: place.offset, checksum: place.checksum };
            Some(There { entry, file: Arc::clone(file) })
        };
        pieces.iter().filter_map(there).collect()
    }

    pub(super) fn read(&self, there: &There) -> Option<(Piece, Bytes)> {
        let piece = there.entry.piece;
        if let Some(bytes) = there.file.read(&there.entry) {
            return Some((piece, bytes));
        }
        self.state().places.remove(&piece);
        self.meters.left_out(LeftOut::Damaged);
        None
    }

    /// Takes over what an earlier process closed, and removes what it left unclosed.
    pub(super) fn load(&self) {
        let mut found: Vec<(u64, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if let Some(number) = self.number(&entry.file_name().to_string_lossy()) {
                found.push((number, entry.path()));
            }
        }
        found.sort_unstable();
        for (number, path) in found {
            let opened = PieceFile::open(&path, self.room.entries_max).ok().flatten();
            let mut state = self.state();
            state.next = state.next.max(number + 1);
            let Some((file, entries, length)) = opened else {
                remove(&path);
                continue;
            };
            for Entry { piece, offset, checksum } in entries {
                state.places.insert(piece, Place { file: number, offset, checksum });
            }
            state.files.insert(number, (Arc::new(file), length));
        }
        self.leave_room();
    }

    /// Gives up what others need the room of.
    pub(super) fn leave_room(&self) {
        self.make_room(0);
        self.tell();
    }

    pub(super) fn write(&self, piece: Piece, bytes: &[u8]) {
        if self.state().places.contains_key(&piece) {
            return;
        }
        if bytes.len() as u64 > self.file_bytes() {
            return self.meters.left_out(LeftOut::NoRoom);
        }
        if let Err(error) = self.try_write(piece, bytes) {
            let full = error.kind() == io::ErrorKind::StorageFull;
            self.meters.left_out(if full { LeftOut::NoRoom } else { LeftOut::Failed });
            tracing::debug!(%error, "a piece is not kept on the disk");
            // What was written stays of use only if the file can be closed. If it is room that lacks, others need it more.
            self.give_up_open();
            if full {
                self.give_up_oldest();
            }
        }
        self.tell();
    }

    fn try_write(&self, piece: Piece, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        let fits = self.state().open.as_ref().is_some_and(|open| open.length + length <= self.file_bytes());
        if !fits {
            self.close();
            self.open()?;
        }
        let (file, number, offset) = match &self.state().open {
            Some(open) => (Arc::clone(&open.file), open.number, open.length),
            None => return Err(io::ErrorKind::StorageFull.into()),
        };
        // Without the lock: readers go on meanwhile, and nobody else writes.
        file.write(bytes, offset)?;
        let checksum = checksum(&piece, bytes);
        let mut state = self.state();
        if let Some(open) = &mut state.open {
            open.length += length;
            open.entries.push(Entry { piece, offset, checksum });
            state.places.insert(piece, Place { file: number, offset, checksum });
        }
        Ok(())
    }

    fn open(&self) -> io::Result<()> {
        if !self.make_room(self.file_bytes()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let number = self.state().next;
        let path = self.folder.join(format!("{}-{number:010}{ENDING}", self.shelf.name()));
        // Also if it fails: the name may be taken.
        self.state().next += 1;
        let file = Arc::new((self.create)(&path)?);
        self.state().open = Some(Open { number, file, length: 0, entries: Vec::new() });
        Ok(())
    }

    /// The file that is written is not written any more.
    pub(super) fn close(&self) {
        let Some(open) = self.state().open.take() else { return };
        let closed = open.file.close(&open.entries, open.length);
        let mut state = self.state();
        match closed {
            Ok(length) => drop(state.files.insert(open.number, (open.file, length))),
            Err(_) => give_up(&mut state, open.number, &open.file),
        }
    }

    /// True if a file of so many bytes more may be written. Gives up files for it, the oldest first.
    fn make_room(&self, bytes: u64) -> bool {
        loop {
            let free = free_bytes(&self.folder).unwrap_or(0);
            let (kept, entries) = self.state().size();
            let fits = kept + bytes <= self.room.bytes_max
                && self.room.free_bytes_min.saturating_add(bytes) <= free
                && entries < self.room.entries_max;
            if fits || !self.give_up_oldest() {
                return fits;
            }
        }
    }

    /// False: there is none.
    fn give_up_oldest(&self) -> bool {
        let mut state = self.state();
        let Some((number, (file, _))) = state.files.pop_first() else { return false };
        give_up(&mut state, number, &file);
        true
    }

    fn give_up_open(&self) {
        let mut state = self.state();
        if let Some(open) = state.open.take() {
            give_up(&mut state, open.number, &open.file);
        }
    }

    fn file_bytes(&self) -> u64 {
        (self.room.bytes_max / FILES).clamp(FILE_BYTES_MIN, FILE_BYTES_MAX)
    }

    fn number(&self, name: &str) -> Option<u64> {
        name.strip_prefix(self.shelf.name())?.strip_prefix('-')?.strip_suffix(ENDING)?.parse().ok()
    }

    fn tell(&self) {
        let (bytes, _) = self.state().size();
        self.meters.kept(self.shelf, Tier::Disk, bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Bytes on the disk, and pieces.
    fn size(&self) -> (u64, u64) {
        let closed: u64 = self.files.values().map(|(_, length)| length).sum();
        (closed + self.open.as_ref().map_or(0, |open| open.length), self.places.len() as u64)
    }
}

/// Readers that hold the file still read it.
fn give_up(state: &mut State, number: u64, file: &PieceFile) {
    state.places.retain(|_, place| place.file != number);
    remove(&file.path);
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a file of the cache stays");
    }
}

#[cfg(test)]
mod tests;
