//! The look-up index of a day: which row groups of its data files may hold an id, known by one small read.
//!
//! It holds what the Bloom filters inside the files hold (of the columns that [`crate::layout`] says are looked up), laid out the other way round. In a
//! filter the upper half of a value's hash chooses the block, in the order of the hashes; so the filters of all files are
//! cut at the same hashes, and what each of them has for one range of hashes lies together: a *region*. A value is looked
//! up in one region, however many files there are.
//!
//! - [`Filters`]: the filters of one file, read from it. [`encode`], [`decode`]: those of a day's files, as one object.
//! - [`Layout`]: where the regions lie; beside the object's key in the ledger, so that nothing else is read first.
//! - [`Region`]: parsed, and asked. It names its files and bears a checksum: what it does not name, it knows nothing of.
//!
//! An index is right for ever about the files that it names, since names are unique and files never change. Nothing depends
//! on it: without one, or with a damaged one, files are opened and say the same.

mod filters;
mod layout;
mod object;
mod region;

pub use filters::{FileId, Filter, Filters};
pub use layout::{Layout, RegionPlace};
pub use object::{Encoded, decode, encode};
pub use region::{Damaged, Kept, Region};

use twox_hash::XxHash64;

/// Columns whose filters lie together: whoever asks for one of them reads them all, and where the filters of two columns of a
/// group are the same, as a span's two names for its own id are, they lie there once.
const GROUPS: [&[&str]; 4] = [
    &["context___trace_id"],
    &["id", "context___span_id"],
    &["parent_id"],
    &["attributes___session___id", "attributes___user___id", "attributes___user___email"],
];

/// A column that the index knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    group: u8,
    /// The bit that stands for it in its group.
    bit: u8,
}

impl Column {
    /// None: values of this column are not looked up.
    pub fn of(name: &str) -> Option<Self> {
        Self::all().find(|(known, _)| *known == name).map(|(_, column)| column)
    }

    fn all() -> impl Iterator<Item = (&'static str, Self)> {
        let groups = GROUPS.iter().zip(0..);
        groups.flat_map(|(names, group)| {
            names.iter().zip(0..).map(move |(name, nth)| (*name, Self { group, bit: 1 << nth }))
        })
    }
}

/// A value's hash, as Parquet's Bloom filters take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueHash(u64);

impl ValueHash {
    pub fn of(value: &str) -> Self {
        // Parquet's specification: xxHash64 with seed 0.
        Self(XxHash64::oneshot(0, value.as_bytes()))
    }

    /// Of so many equal parts of all hashes, the one that it falls into: a block of a filter, or a region.
    fn part_of(self, parts_log2: u8) -> usize {
        usize::try_from((self.0 >> 32) << parts_log2 >> 32).expect("32 bits")
    }

    /// True if a block's bits allow for it.
    fn may_be_in(self, block: &[u8]) -> bool {
        // Parquet's specification, "Split Block Bloom filters".
        const SALT: [u32; 8] =
            [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];
        let low = u32::try_from(self.0 & u64::from(u32::MAX)).expect("32 bits");
        block.chunks_exact(4).zip(SALT).all(|(word, salt)| {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            word & (1 << (low.wrapping_mul(salt) >> 27)) != 0
        })
    }
}

/// Bytes of a block of a filter.
const BLOCK: usize = 32;

#[cfg(test)]
mod tests;
