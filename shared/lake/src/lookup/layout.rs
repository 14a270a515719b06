//! Where the regions of an index lie in its object.
//!
//! All regions of a group are of one length, so a place and a length say where each of them is. As text:
//! `v1 <place>:<number of regions, log2>:<bytes of a region>` with a part for each group, in the order of the groups.

use std::ops::Range;

use super::{Column, GROUPS, ValueHash};

const VERSION: &str = "v1";
/// More regions than there are blocks in a filter of ours would be of no use.
const REGIONS_LOG2_MAX: u8 = 24;

/// The regions of all groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) groups: Vec<GroupPlace>,
}

/// The regions of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupPlace {
    pub(super) at: u64,
    pub(super) regions_log2: u8,
    pub(super) region_bytes: u32,
}

/// A region, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegionPlace {
    pub range: Range<u64>,
    pub(super) group: u8,
    pub(super) regions_log2: u8,
    pub(super) nth: u32,
}

impl GroupPlace {
    /// None: it would end beyond what numbers reach.
    pub(super) fn region(&self, group: u8, nth: u32) -> Option<RegionPlace> {
        let start = u64::from(nth).checked_mul(u64::from(self.region_bytes))?.checked_add(self.at)?;
        let range = start..start.checked_add(u64::from(self.region_bytes))?;
        Some(RegionPlace { range, group, regions_log2: self.regions_log2, nth })
    }
}

impl Layout {
    /// The region that tells of a value of a column.
    pub fn region(&self, column: Column, value: ValueHash) -> Option<RegionPlace> {
        let place = self.groups.get(usize::from(column.group))?;
        place.region(column.group, u32::try_from(value.part_of(place.regions_log2)).ok()?)
    }

    pub fn to_text(&self) -> String {
        let mut text = VERSION.to_owned();
        for GroupPlace { at, regions_log2, region_bytes } in &self.groups {
            text.push_str(&format!(" {at}:{regions_log2}:{region_bytes}"));
        }
        text
    }

    /// None: a newer version wrote it, or it does not fit an object of so many bytes.
    pub fn of_text(text: &str, object_bytes: u64) -> Option<Self> {
        let groups = text.strip_prefix(VERSION)?.split_whitespace().map(|group| {
            let mut parts = group.splitn(3, ':');
            let at = parts.next()?.parse().ok()?;
            let regions_log2 = parts.next()?.parse().ok().filter(|log2| *log2 <= REGIONS_LOG2_MAX)?;
            let place = GroupPlace { at, regions_log2, region_bytes: parts.next()?.parse().ok()? };
            let last = place.region(0, (1 << regions_log2) - 1)?;
            (last.range.end <= object_bytes).then_some(place)
        });
        let groups: Vec<GroupPlace> = groups.collect::<Option<_>>()?;
        (groups.len() == GROUPS.len()).then_some(Self { groups })
    }
}
