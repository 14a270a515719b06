//! Where the levels of a data file lie in it. As text (in the log, beside the file's name):
//! `{"v":1,"levels":[{"granule":"1h","set":"all","layout":2,"cells":7200,"at":38012345,"bytes":410233}]}`.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::level::Level;

const VERSION: u32 = 1;

/// The levels of a data file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    pub levels: Vec<Place>,
}

/// A level in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    #[serde(flatten)]
    pub level: Level,
    /// What its cells hold: [`crate::cells::LAYOUT`] when it was written; none at all was 1.
    #[serde(default = "first_layout")]
    pub layout: u32,
    pub cells: u64,
    /// Offset of its first byte, and its length.
    pub at: u64,
    pub bytes: u64,
}

fn first_layout() -> u32 {
    1
}

impl Place {
    pub fn range(&self) -> Range<u64> {
        self.at..self.at + self.bytes
    }
}

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    levels: &'a [Place],
}

#[derive(Deserialize)]
struct Read {
    v: u32,
    levels: Vec<serde_json::Value>,
}

impl Directory {
    pub fn to_text(&self) -> String {
        serde_json::to_string(&Written { v: VERSION, levels: &self.levels }).expect("numbers and constants")
    }

    /// What a newer version adds is passed over; what does not lie in a file of so many bytes is none.
    pub fn of_text(text: &str, file_bytes: u64) -> Self {
        let read = serde_json::from_str::<Read>(text).ok().filter(|read| read.v == VERSION);
        let levels = read.map(|read| read.levels).unwrap_or_default();
        let lies_inside = |place: &Place| place.at.checked_add(place.bytes).is_some_and(|end| end <= file_bytes);
        let levels = levels.into_iter().filter_map(|level| serde_json::from_value(level).ok()).filter(lies_inside);
        Self { levels: levels.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::{DimensionSet, Granule};

    #[test]
    fn a_directory_reads_back_and_what_is_unknown_is_passed_over() {
        let place = Place {
            level: Level { granule: Granule::Hour, set: DimensionSet::All },
            layout: 2,
            cells: 7_200,
            at: 100,
            bytes: 50,
        };
        let directory = Directory { levels: vec![place] };
        let text = directory.to_text();
        assert_eq!(
            text,
            r#"{"v":1,"levels":[{"granule":"1h","set":"all","layout":2,"cells":7200,"at":100,"bytes":50}]}"#
        );
        let before = Directory::of_text(&text.replace("\"layout\":2,", ""), 150);
        assert_eq!(before.levels[0].layout, 1);
        assert_eq!(Directory::of_text(&text, 150), directory);
        assert_eq!(Directory::of_text(&text, 149), Directory::default(), "beyond the file's end");
        for unknown in ["", "{", r#"{"v":2,"levels":[]}"#, &text.replace("\"v\":1", "\"v\":2")] {
            assert_eq!(Directory::of_text(unknown, 150), Directory::default(), "{unknown}");
        }
        let newer = text.replace("}]}", r#"},{"granule":"1d","set":"all","cells":1,"at":1,"bytes":1}]}"#);
        assert_eq!(Directory::of_text(&newer, 150), directory);
    }
}
