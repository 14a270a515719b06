//! Which level of which file answers for which stretch of time; the rows beside it are read as ever.

use std::collections::HashMap;
use std::ops::Range;

use lake::DataFile;
use model::Micros;
use rollup::{Directory, Granule, Place};

use super::over_cells::Needs;

/// A cell, with its sketch, takes as long to read as so many rows.
const ROWS_PER_CELL: u64 = 4;
/// A plan of two parts takes longer to make; fewer rows are read in that time.
const SAVED_ROWS_MIN: u64 = 20_000;

/// What cells answer for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Coverage {
    /// By path: the times whose rows need not be read.
    times: HashMap<String, Range<Micros>>,
}

/// The cells of a file that are read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CellsOf {
    pub(super) path: String,
    pub(super) signal: Option<String>,
    pub(super) place: Place,
    /// Of their buckets.
    pub(super) times: Range<Micros>,
}

impl Coverage {
    /// The times of a file whose rows cells answer for.
    pub(crate) fn of(&self, file: &DataFile) -> Option<&Range<Micros>> {
        self.times.get(&file.path)
    }

    /// None: it is not worth it.
    pub(super) fn choose<'a>(
        files: impl Iterator<Item = (&'a DataFile, &'a Directory)>,
        needs: &Needs,
        (least, greatest): (Micros, Micros),
    ) -> Option<(Self, Vec<CellsOf>)> {
        let (mut coverage, mut cells, mut saved) = (Self::default(), Vec::new(), 0);
        for (file, directory) in files.filter(|(file, _)| file.time_min <= greatest && least <= file.time_max) {
            let places = directory.levels.iter().filter(|place| needs.are_met_by(place));
            let ways = places.filter_map(|place| Way::of(file, place, (least, greatest)));
            let Some(way) = ways.max_by_key(|way| way.saved_rows) else { continue };
            saved += way.saved_rows;
            coverage.times.insert(file.path.clone(), way.times.clone());
            cells.push(CellsOf {
                path: file.path.clone(),
                signal: file.partition.get(super::over_cells::SIGNAL).cloned(),
                place: *way.place,
                times: way.times,
            });
        }
        (saved >= SAVED_ROWS_MIN).then_some((coverage, cells))
    }
}

/// A level of a file, in a window.
struct Way<'a> {
    place: &'a Place,
    times: Range<Micros>,
    saved_rows: u64,
}

impl<'a> Way<'a> {
    /// None: it saves nothing.
    fn of(file: &DataFile, place: &'a Place, (least, greatest): (Micros, Micros)) -> Option<Self> {
        let times = whole(place.level.granule, least, greatest);
        let (first, last) = (times.start.max(file.time_min), times.end.min(file.time_max.saturating_add(1)));
        let length = |from: Micros, to: Micros| i128::from(to) - i128::from(from);
        let all = length(file.time_min, file.time_max.saturating_add(1)).max(1);
        let share = |of: u64| {
            let part = i128::from(of) * length(first, last).max(0) / all;
            u64::try_from(part).unwrap_or(of)
        };
        let saved_rows = share(file.rows).saturating_sub(share(place.cells).saturating_mul(ROWS_PER_CELL));
        (saved_rows > 0).then_some(Self { place, times, saved_rows })
    }
}

/// The stretches that lie wholly in a window whose ends are inside.
fn whole(granule: Granule, least: Micros, greatest: Micros) -> Range<Micros> {
    let start = match least {
        Micros::MIN => Micros::MIN,
        least => granule.start(least.saturating_add(granule.micros() - 1)),
    };
    let end = match greatest {
        Micros::MAX => Micros::MAX,
        greatest => granule.start(greatest.saturating_add(1)),
    };
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Micros = model::MICROS_PER_HOUR;

    #[test]
    fn only_whole_stretches_are_answered_by_cells() {
        for (least, greatest, expected) in [
            (0, HOUR - 1, 0..HOUR),
            (0, HOUR, 0..HOUR),
            (1, HOUR, HOUR..HOUR),
            (1, HOUR - 2, HOUR..HOUR),
            (1, 3 * HOUR - 1, HOUR..3 * HOUR),
            (-1, 3 * HOUR - 2, 0..2 * HOUR),
            (Micros::MIN, 5, Micros::MIN..0),
            (5, Micros::MAX, HOUR..Micros::MAX),
        ] {
            assert_eq!(whole(Granule::Hour, least, greatest), expected, "{least} {greatest}");
        }
    }
}
