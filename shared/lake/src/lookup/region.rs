//! A region: what the filters of all files of a day say of one range of hashes. All numbers are little-endian.
//!
//! | bytes | |
//! |---|---|
//! | 4 | `PLX1` |
//! | 4 | the group |
//! | 4 | which region of it |
//! | 4 | number of files |
//! | then of each file | 16: its [`FileId`]; 2: its row groups; 2: number of filters |
//! | and of each of its filters | 2: row group; 1: columns of the group; 1: blocks of the whole filter, log2; its blocks in this range of hashes, one at least |
//! | 16 | BLAKE3 of all before, the first half |

use std::collections::HashMap;

use bytes::{Buf, BufMut};
use model::safeguard::{Safeguard, holds};

use super::{BLOCK, Column, FileId, Filter, Filters, RegionPlace, ValueHash};

const MAGIC: &[u8; 4] = b"PLX1";
pub(super) const HEAD: usize = 16;
pub(super) const OF_FILE: usize = 20;
pub(super) const OF_FILTER: usize = 4;
pub(super) const CHECKSUM: usize = 16;

/// Why a region cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a region of a look-up index is damaged: {0}")]
pub struct Damaged(pub(super) &'static str);

/// What a region says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: the file must be opened.
    NotNamed,
    /// Those of its row groups that may hold the value are true.
    RowGroups(Vec<bool>),
}

/// A region that was read.
pub struct Region<'a> {
    place: RegionPlace,
    files: HashMap<FileId, FileIn<'a>>,
}

pub(super) struct FileIn<'a> {
    pub(super) row_groups: u16,
    pub(super) slices: Vec<Slice<'a>>,
}

/// A filter's blocks in this region.
pub(super) struct Slice<'a> {
    pub(super) row_group: u16,
    pub(super) columns: u8,
    pub(super) blocks_log2: u8,
    pub(super) blocks: &'a [u8],
}

/// Blocks that a filter has in each region; a filter of fewer blocks than there are regions has each block in several.
pub(super) fn blocks_in_region(blocks_log2: u8, regions_log2: u8) -> usize {
    1 << blocks_log2.saturating_sub(regions_log2)
}

/// Bytes of a region of these files.
pub(super) fn region_bytes(files: &[Filters], group: u8, regions_log2: u8) -> usize {
    let of_filter = |filter: &Filter| OF_FILTER + BLOCK * blocks_in_region(filter.blocks_log2, regions_log2);
    let of_file = |file: &Filters| OF_FILE + file.of_group(group).map(of_filter).sum::<usize>();
    HEAD + files.iter().map(of_file).sum::<usize>() + CHECKSUM
}

pub(super) fn write(files: &[Filters], place: &RegionPlace, out: &mut Vec<u8>) {
    let start = out.len();
    let RegionPlace { group, regions_log2, nth, .. } = *place;
    out.put_slice(MAGIC);
    out.put_u32_le(group.into());
    out.put_u32_le(nth);
    out.put_u32_le(u32::try_from(files.len()).expect("files are limited"));
    for file in files {
        out.put_slice(&file.file.0);
        out.put_u16_le(file.row_groups);
        out.put_u16_le(u16::try_from(file.of_group(group).count()).expect("three columns of few row groups"));
        for filter in file.of_group(group) {
            out.put_u16_le(filter.row_group);
            out.put_u8(filter.columns);
            out.put_u8(filter.blocks_log2);
            let n = blocks_in_region(filter.blocks_log2, regions_log2);
            let first = ((nth as usize) << filter.blocks_log2) >> regions_log2;
            out.put_slice(&filter.bits[first * BLOCK..(first + n) * BLOCK]);
        }
    }
    let checksum = checksum(&out[start..]);
    out.put_slice(&checksum);
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut half = [0; CHECKSUM];
    half.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECKSUM]);
    half
}

impl<'a> Region<'a> {
    /// `bytes` are those at the place.
    pub fn parse(bytes: &'a [u8], place: &RegionPlace) -> Result<Self, Damaged> {
        let (mut rest, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Damaged("it is too short"))?;
        if checksum(rest) != *sum {
            return Err(Damaged("its checksum is another"));
        }
        if take(&mut rest, MAGIC.len())? != MAGIC {
            return Err(Damaged("it does not begin as one"));
        }
        let head = [take_u32(&mut rest)?, take_u32(&mut rest)?];
        if head != [place.group.into(), place.nth] {
            return Err(Damaged("it is another region"));
        }
        let n_files = take_u32(&mut rest)?;
        let mut files = HashMap::new();
        for _ in 0..n_files {
            let id = FileId(take(&mut rest, 16)?.try_into().expect("16 bytes"));
            files.insert(id, FileIn::parse(&mut rest, place.regions_log2)?);
        }
        if !rest.is_empty() {
            return Err(Damaged("it is too long"));
        }
        Ok(Self { place: place.clone(), files })
    }

    /// Which row groups of a file may hold a value, whose region this is.
    pub fn row_groups(&self, file: FileId, column: Column, value: ValueHash) -> Kept {
        let Some(found) = self.files.get(&file) else {
            return if holds(Safeguard::UnnamedFilesOpened) { Kept::NotNamed } else { Kept::RowGroups(Vec::new()) };
        };
        let mut kept = vec![false; found.row_groups.into()];
        for slice in found.slices.iter().filter(|slice| slice.columns & column.bit != 0) {
            let first = ((self.place.nth as usize) << slice.blocks_log2) >> self.place.regions_log2;
            let nth = value.part_of(slice.blocks_log2).checked_sub(first);
            let block = nth.and_then(|nth| slice.blocks.chunks_exact(BLOCK).nth(nth));
            let Some(kept) = kept.get_mut(usize::from(slice.row_group)) else { return Kept::NotNamed };
            // Where it is not, another region was asked for.
            *kept |= block.is_none_or(|block| value.may_be_in(block));
        }
        Kept::RowGroups(kept)
    }

    pub(super) fn into_files(self) -> HashMap<FileId, FileIn<'a>> {
        self.files
    }
}

impl<'a> FileIn<'a> {
    fn parse(rest: &mut &'a [u8], regions_log2: u8) -> Result<Self, Damaged> {
        let (row_groups, n_filters) = (take(rest, 2)?.get_u16_le(), take(rest, 2)?.get_u16_le());
        let mut slices = Vec::with_capacity(n_filters.into());
        for _ in 0..n_filters {
            let row_group = take(rest, 2)?.get_u16_le();
            let [columns, blocks_log2] = take(rest, 2)?.try_into().expect("2 bytes");
            if blocks_log2 >= 32 {
                return Err(Damaged("a filter is too large"));
            }
            let blocks = take(rest, BLOCK * blocks_in_region(blocks_log2, regions_log2))?;
            slices.push(Slice { row_group, columns, blocks_log2, blocks });
        }
        Ok(Self { row_groups, slices })
    }
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Result<&'a [u8], Damaged> {
    let (taken, after) = rest.split_at_checked(n).ok_or(Damaged("it ends early"))?;
    *rest = after;
    Ok(taken)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, Damaged> {
    Ok(take(rest, 4)?.get_u32_le())
}
