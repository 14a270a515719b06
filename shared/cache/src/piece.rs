//! What is kept: pieces of objects.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// The most that is read for one byte: rows are kept by the column chunk, and of a longer one by pieces of this length.
pub const PIECE_BYTES_MAX: u64 = 256 << 10;

/// An object of a project of an installation. Two are the same only if all three are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId([u8; 16]);

/// Some bytes of an object, from `start` up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    pub object: ObjectId,
    pub start: u64,
    pub end: u64,
}

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Footer,
    /// Page indexes and Bloom filters.
    Index,
    Rollup,
    /// Column chunks.
    Rows,
    /// Live segments, whole.
    Segment,
}

/// Where there is room for a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// What leads to rows, or stands for them.
    Leads,
    Rows,
}

impl Shelf {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Rows => "rows",
        }
    }
}

impl Kind {
    pub(crate) fn shelf(self) -> Shelf {
        match self {
            Self::Footer | Self::Index | Self::Rollup => Shelf::Leads,
            Self::Rows | Self::Segment => Shelf::Rows,
        }
    }

    /// Whether its bytes are kept in memory here: of footers and segments others keep what they made of them.
    pub(crate) fn is_kept_in_memory(self) -> bool {
        matches!(self, Self::Index | Self::Rollup | Self::Rows)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Footer => "footer",
            Self::Index => "index",
            Self::Rollup => "rollup",
            Self::Rows => "rows",
            Self::Segment => "segment",
        }
    }
}

impl ObjectId {
    /// `root`: where the installation keeps all projects; `path`: below the project's root.
    pub fn of(root: &str, project: &str, path: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [root, project, path] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }
}

impl Piece {
    pub(crate) const STORED_BYTES: usize = 32;

    pub(crate) fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    pub(crate) fn stored(&self) -> [u8; Self::STORED_BYTES] {
        let mut stored = [0; Self::STORED_BYTES];
        stored[..16].copy_from_slice(&self.object.0);
        stored[16..24].copy_from_slice(&self.start.to_le_bytes());
        stored[24..].copy_from_slice(&self.end.to_le_bytes());
        stored
    }

    pub(crate) fn of_stored(stored: &[u8; Self::STORED_BYTES]) -> Self {
        let (object, bounds) = stored.split_at(16);
        let bound = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let object = ObjectId(object.try_into().expect("sixteen bytes"));
        Self { object, start: bound(&bounds[..8]), end: bound(&bounds[8..]) }
    }
}

/// The pieces of an extent (a column chunk) that hold `range`, ascending: aligned to the extent's start, so that whoever reads
/// other parts of it reads the same pieces.
pub fn cut(range: &Range<u64>, extent: &Range<u64>) -> Vec<Range<u64>> {
    if range.start < extent.start || extent.end < range.end || range.is_empty() {
        return vec![range.clone()];
    }
    let first = (range.start - extent.start) / PIECE_BYTES_MAX;
    let last = (range.end - 1 - extent.start) / PIECE_BYTES_MAX;
    let start = |n: u64| extent.start + n * PIECE_BYTES_MAX;
    (first..=last).map(|n| start(n)..start(n + 1).min(extent.end)).collect()
}

/// The bytes of `range` out of the pieces that [`cut`] said, in that order. None: pieces are shorter than they should be.
pub fn join(range: &Range<u64>, pieces: &[Range<u64>], bytes: &[Bytes]) -> Option<Bytes> {
    let part = |piece: &Range<u64>, bytes: &Bytes| {
        let (from, to) = (range.start.max(piece.start) - piece.start, range.end.min(piece.end) - piece.start);
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
        (to <= bytes.len()).then(|| bytes.slice(from..to))
    };
    if let ([piece], [bytes]) = (pieces, bytes) {
        return part(piece, bytes);
    }
    let mut joined = BytesMut::with_capacity(usize::try_from(range.end - range.start).ok()?);
    for (piece, bytes) in pieces.iter().zip(bytes) {
        joined.extend_from_slice(&part(piece, bytes)?);
    }
    Some(joined.freeze())
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "ranges are what is meant")]
mod tests {
    use super::*;

    const MAX: u64 = PIECE_BYTES_MAX;

    #[test]
    fn pieces_are_of_the_extent_not_of_the_range() {
        let chunk = 100..100 + 2 * MAX + 50;
        for (range, pieces) in [
            (chunk.clone(), vec![100..100 + MAX, 100 + MAX..100 + 2 * MAX, 100 + 2 * MAX..100 + 2 * MAX + 50]),
            (110..120, vec![100..100 + MAX]),
            (99 + MAX..101 + MAX, vec![100..100 + MAX, 100 + MAX..100 + 2 * MAX]),
            (100 + 2 * MAX..130 + 2 * MAX, vec![100 + 2 * MAX..150 + 2 * MAX]),
            // Not inside: as it is asked for.
            (90..120, vec![90..120]),
            (120..120, vec![120..120]),
        ] {
            assert_eq!(cut(&range, &chunk), pieces, "{range:?}");
        }
    }

    #[test]
    fn a_range_is_the_same_bytes_however_it_is_cut() {
        let object: Vec<u8> = (0..3 * MAX).map(|n| (n % 251) as u8).collect();
        let at = |range: &Range<u64>| Bytes::copy_from_slice(&object[range.start as usize..range.end as usize]);
        let chunk = 7..3 * MAX - 9;
        for range in [chunk.clone(), 7..8, MAX..MAX + 20, MAX + 5..2 * MAX + 9, 2 * MAX..3 * MAX - 9, 0..20] {
            let pieces = cut(&range, &chunk);
            let bytes: Vec<Bytes> = pieces.iter().map(at).collect();
            assert_eq!(join(&range, &pieces, &bytes), Some(at(&range)), "{range:?}");
        }
        assert_eq!(join(&(0..10), &[0..10], &[Bytes::from_static(b"short")]), None);
    }

    #[test]
    fn objects_are_told_apart_by_root_project_and_path() {
        let same = ObjectId::of("s3://b/p/", "shop", "t/f");
        assert_eq!(ObjectId::of("s3://b/p/", "shop", "t/f"), same);
        for (root, project, path) in [
            ("s3://b/q/", "shop", "t/f"),
            ("s3://b/p/", "shop2", "t/f"),
            ("s3://b/p/", "shop", "t/g"),
            ("s3://b/p/", "sho", "pt/f"),
        ] {
            assert_ne!(ObjectId::of(root, project, path), same, "{root} {project} {path}");
        }
        let piece = Piece { object: same, start: 3, end: u64::MAX };
        assert_eq!(Piece::of_stored(&piece.stored()), piece);
    }
}
