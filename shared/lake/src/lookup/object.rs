//! An index as one object: the regions of all groups, one after the other.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::layout::GroupPlace;
use super::region::{self, Damaged, Region, region_bytes};
use super::{BLOCK, FileId, Filter, Filters, GROUPS, Layout};

/// What one look-up reads of filters, about; what names the files comes on top.
const REGION_BYTES: usize = 32 << 10;
/// Every region names every file: many files in many regions would fill the object with names. An object may be so many times
/// as large as the filters in it, and this many bytes.
const TIMES_LARGER_MAX: usize = 2;
const LARGER_MAX: usize = 16 << 20;

/// An index, ready to be put.
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub layout: Layout,
}

/// The index of these files, whose filters take some hundred MB at most.
pub fn encode(files: &[Filters]) -> Encoded {
    let mut encoded = Encoded { bytes: Vec::new(), layout: Layout { groups: Vec::new() } };
    for (_, group) in GROUPS.iter().zip(0..) {
        let regions_log2 = regions_log2(files, group);
        let place = GroupPlace {
            at: encoded.bytes.len() as u64,
            regions_log2,
            region_bytes: u32::try_from(region_bytes(files, group, regions_log2)).expect("filters are limited"),
        };
        encoded.bytes.reserve(place.region_bytes as usize * (1 << regions_log2));
        for nth in 0..1 << regions_log2 {
            let region = place.region(group, nth).expect("it lies in memory");
            region::write(files, &region, &mut encoded.bytes);
        }
        encoded.layout.groups.push(place);
    }
    encoded
}

/// As many regions as make them small, but not so many that names and repeated blocks outweigh the filters.
fn regions_log2(files: &[Filters], group: u8) -> u8 {
    let bytes: usize = files.iter().flat_map(|file| file.of_group(group)).map(|filter| filter.bits.len()).sum();
    let wanted = bytes.div_ceil(REGION_BYTES).max(1).next_power_of_two().ilog2();
    let fits = |log2: &u8| region_bytes(files, group, *log2) << log2 <= TIMES_LARGER_MAX * bytes + LARGER_MAX;
    let wanted = u8::try_from(wanted).expect("filters are limited");
    (1..=wanted).rev().find(fits).unwrap_or(0)
}

/// The filters that an index was made of.
pub fn decode(object: &Bytes, layout: &Layout) -> Result<Vec<Filters>, Damaged> {
    let mut files: BTreeMap<FileId, Filters> = BTreeMap::new();
    for (place, group) in layout.groups.iter().zip(0..) {
        let mut taken: BTreeMap<(FileId, u16, u8), (u8, BytesMut)> = BTreeMap::new();
        for nth in 0..1_u32 << place.regions_log2 {
            let region = place.region(group, nth).ok_or(Damaged("it ends beyond all numbers"))?;
            let range = usize::try_from(region.range.start).ok().zip(usize::try_from(region.range.end).ok());
            let bytes = range.and_then(|(start, end)| object.get(start..end));
            let bytes = bytes.ok_or(Damaged("the object ends before it"))?;
            for (id, file) in Region::parse(bytes, &region)?.into_files() {
                let new = || Filters { file: id, row_groups: file.row_groups, filters: Vec::new() };
                files.entry(id).or_insert_with(new);
                for slice in file.slices {
                    let key = (id, slice.row_group, slice.columns);
                    let (_, bits) = taken.entry(key).or_insert_with(|| (slice.blocks_log2, BytesMut::new()));
                    // Of a block that lies in several regions, the first is as good as the others.
                    let is_new = bits.len() == ((nth as usize) << slice.blocks_log2 >> place.regions_log2) * BLOCK;
                    if is_new {
                        bits.extend_from_slice(slice.blocks);
                    }
                }
            }
        }
        for ((id, row_group, columns), (blocks_log2, bits)) in taken {
            if bits.len() != BLOCK << blocks_log2 {
                return Err(Damaged("blocks of a filter are missing"));
            }
            let file = files.get_mut(&id).ok_or(Damaged("a filter is of no file"))?;
            file.filters.push(Filter { group, row_group, columns, blocks_log2, bits: bits.freeze() });
        }
    }
    Ok(files.into_values().collect())
}
