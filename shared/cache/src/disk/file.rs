//! One file of pieces.
//!
//! ```text
//! bytes of the first piece, of the second, ...
//! index: of each piece, 48 bytes: object (16), start (8), end (8), offset in the file (8), checksum (4), zero (4)
//! trailer: number of pieces (8), checksum of index and number (4), "PLCACHE1" (8)
//! ```
//! Numbers are little-endian. The trailer is written last: a file without it was not closed. A piece's checksum is over what it
//! is, then its bytes, so that bytes of one never pass for those of another.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::piece::Piece;

const MAGIC: &[u8; 8] = b"PLCACHE1";
const ENTRY_BYTES: usize = 48;
const TRAILER_BYTES: usize = 20;

/// A file that is open. Removed from its folder, it reads on.
#[derive(Debug)]
pub(super) struct PieceFile {
    pub(super) path: PathBuf,
    file: File,
}

/// Where a piece lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) piece: Piece,
    pub(super) offset: u64,
    pub(super) checksum: u32,
}

pub(super) fn checksum(piece: &Piece, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&piece.stored()), bytes)
}

impl PieceFile {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().create_new(true).read(true).write(true).open(path)?;
        Ok(Self { path: path.to_owned(), file })
    }

    #[cfg(test)]
    pub(super) fn open_for_tests(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: File::options().read(true).write(true).open(path)? })
    }

    /// One that was closed, what lies in it, and its length; None: it does not read, or was never closed.
    pub(super) fn open(path: &Path, entries_max: u64) -> io::Result<Option<(Self, Vec<Entry>, u64)>> {
        let file = File::options().read(true).open(path)?;
        let length = file.metadata()?.len();
        let this = Self { path: path.to_owned(), file };
        Ok(this.entries(length, entries_max)?.map(|entries| (this, entries, length)))
    }

    fn entries(&self, length: u64, entries_max: u64) -> io::Result<Option<Vec<Entry>>> {
        let Some(trailer_at) = length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
        let mut trailer = [0; TRAILER_BYTES];
        self.file.read_exact_at(&mut trailer, trailer_at)?;
        let n = number(&trailer[..8]);
        let index_bytes = n.checked_mul(ENTRY_BYTES as u64).filter(|bytes| *bytes <= trailer_at);
        let (Some(index_bytes), true) = (index_bytes, n <= entries_max && trailer.ends_with(MAGIC)) else {
            return Ok(None);
        };
        let pieces_end = trailer_at - index_bytes;
        let mut index = vec![0; usize::try_from(index_bytes).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut index, pieces_end)?;
        let sum = crc32c::crc32c_append(crc32c::crc32c(&index), &trailer[..8]);
        if sum.to_le_bytes() != trailer[8..12] {
            return Ok(None);
        }
        Ok(index.chunks_exact(ENTRY_BYTES).map(|stored| Entry::of_stored(stored, pieces_end)).collect())
    }

    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Nothing is written to it after that.
    pub(super) fn close(&self, entries: &[Entry], offset: u64) -> io::Result<u64> {
        let mut end: Vec<u8> = entries.iter().flat_map(Entry::stored).collect();
        let n = (entries.len() as u64).to_le_bytes();
        let sum = crc32c::crc32c_append(crc32c::crc32c(&end), &n);
        end.extend_from_slice(&n);
        end.extend_from_slice(&sum.to_le_bytes());
        end.extend_from_slice(MAGIC);
        self.file.write_all_at(&end, offset)?;
        Ok(offset + end.len() as u64)
    }

    /// None: these are not its bytes. Whatever the reason, it is not kept any more.
    pub(super) fn read(&self, entry: &Entry) -> Option<Bytes> {
        let mut bytes = vec![0; usize::try_from(entry.piece.len()).ok()?];
        self.file.read_exact_at(&mut bytes, entry.offset).ok()?;
        (checksum(&entry.piece, &bytes) == entry.checksum).then(|| bytes.into())
    }
}

impl Entry {
    fn stored(&self) -> [u8; ENTRY_BYTES] {
        let mut stored = [0; ENTRY_BYTES];
        stored[..32].copy_from_slice(&self.piece.stored());
        stored[32..40].copy_from_slice(&self.offset.to_le_bytes());
        stored[40..44].copy_from_slice(&self.checksum.to_le_bytes());
        stored
    }

    /// None: it lies outside of the file's pieces.
    fn of_stored(stored: &[u8], pieces_end: u64) -> Option<Self> {
        let piece = Piece::of_stored(stored[..32].try_into().ok()?);
        let offset = number(&stored[32..40]);
        let checksum = u32::from_le_bytes(stored[40..44].try_into().ok()?);
        let fits = piece.start <= piece.end && offset.checked_add(piece.len()).is_some_and(|end| end <= pieces_end);
        fits.then_some(Self { piece, offset, checksum })
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}
