//! Summing up the rows of a data file while they are written.
//!
//! Every level that may be worth it is kept until it is clear that it is not: a level is worth it if its cells sum up at least
//! [`ROWS_PER_CELL_MIN`] rows each, and no finer one has nearly as few. Rows come in order of time, so that only the cells of
//! one stretch of time are open at once.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use model::Micros;

use crate::cells::{self, Cell, Measures, Overflow, Row};
use crate::combinations::{Coded, Combinations, Values};
use crate::distinct::hash_of_text;
use crate::level::{Counted, DimensionSet, Level};
use crate::steps;

/// A file with fewer rows is read faster than its cells are found.
const ROWS_MIN: u64 = 10_000;
/// A cell with its sketch takes about as much room as a few rows do.
const ROWS_PER_CELL_MIN: u64 = 32;
/// Registers take up to 16 kB a column, compressed about a third of it.
const ROWS_PER_DISTINCT_CELL_MIN: u64 = 1_024;
/// Cells from which on it is judged whether a level is worth it; before that, a file may only have begun.
const CELLS_BEFORE_JUDGED: u64 = 4_096;
/// A level whose finer one has at most so many times its cells is left out.
const FINER_CELLS_TIMES: u64 = 2;

/// Sums up rows as they come.
pub struct Builder {
    values: Values,
    sets: Vec<OfSet>,
    rows: u64,
}

/// The levels of one set of dimensions.
struct OfSet {
    combinations: Combinations,
    levels: Vec<OfLevel>,
}

struct OfLevel {
    level: Level,
    /// The stretch of time whose cells are open.
    bucket: Micros,
    /// By number of combination; those without rows are not open.
    open: Vec<Cell>,
    opened: Vec<u32>,
    closed: Measures,
    /// The combinations of the closed ones.
    combinations: Vec<u32>,
}

/// A level, ready to be written.
pub struct Built {
    pub level: Level,
    pub cells: u64,
    pub bytes: Vec<u8>,
}

impl Default for Builder {
    fn default() -> Self {
        let of_level = |level| OfLevel {
            level,
            bucket: Micros::MIN,
            open: Vec::new(),
            opened: Vec::new(),
            closed: Measures::default(),
            combinations: Vec::new(),
        };
        let of_set = |set| OfSet {
            combinations: Combinations::of(set),
            levels: Level::each().filter(|level| level.set == set).map(of_level).collect(),
        };
        Self { values: Values::default(), sets: DimensionSet::EACH.map(of_set).into(), rows: 0 }
    }
}

impl Builder {
    /// Rows of `otel_logs_and_spans`, ascending by time and not below those before. Rows that lack a dimension make that
    /// it is not told apart; if their sums are too large, nothing is summed up.
    pub fn add(&mut self, batch: &RecordBatch) {
        if self.sets.is_empty() {
            return;
        }
        self.rows += batch.num_rows() as u64;
        let Some(columns) = Columns::of(batch) else {
            self.sets.clear();
            return;
        };
        let coded = self.values.code(batch, columns.durations);
        let rows = self.rows;
        let read: Vec<Row> = (0..batch.num_rows()).map(|at| columns.row(at)).collect();
        self.sets.retain_mut(|of_set| of_set.add(&coded, &read).is_ok());
        for of_set in &mut self.sets {
            of_set.levels.retain(|level| !level.is_hopeless(rows));
        }
        self.sets.retain(|of_set| !of_set.levels.is_empty());
    }

    /// The levels that are worth it, the coarsest first.
    pub fn finish(mut self) -> Result<Vec<Built>, parquet::errors::ParquetError> {
        if self.rows < ROWS_MIN {
            return Ok(Vec::new());
        }
        let mut levels = Vec::new();
        for of_set in &mut self.sets {
            for mut level in of_set.levels.drain(..) {
                level.close();
                if level.closed.len() as u64 * rows_per_cell_min(level.level) <= self.rows {
                    levels.push((level, &of_set.combinations));
                }
            }
        }
        levels.sort_by_key(|(level, _)| level.closed.len());
        let sizes: Vec<(Level, u64)> = levels.iter().map(|(of, _)| (of.level, of.closed.len() as u64)).collect();
        let mut built = Vec::new();
        for (of_level, combinations) in levels {
            let (level, cells) = (of_level.level, of_level.closed.len() as u64);
            let serves_as_well = |(finer, finer_cells): &(Level, u64)| {
                *finer != level && finer.refines(level) && *finer_cells <= cells * FINER_CELLS_TIMES
            };
            if !sizes.iter().any(serves_as_well) {
                let (dimensions, has_duration) = combinations.columns(&of_level.combinations, &self.values);
                let batch = of_level.closed.into_batch(level.set, dimensions, has_duration)?;
                built.push(Built { level, cells, bytes: cells::write(&batch)? });
            }
        }
        Ok(built)
    }
}

fn rows_per_cell_min(level: Level) -> u64 {
    if level.counts_distinct() { ROWS_PER_DISTINCT_CELL_MIN } else { ROWS_PER_CELL_MIN }
}

/// What is read of a batch beside its dimensions.
struct Columns<'a> {
    times: &'a [Micros],
    durations: &'a Int64Array,
    sizes: &'a Int64Array,
    counted: [&'a StringArray; Counted::ALL.len()],
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let times = batch.column_by_name("timestamp")?.as_primitive_opt::<TimestampMicrosecondType>()?;
        let integers = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
        let texts = |of: Counted| batch.column_by_name(of.column())?.as_string_opt::<i32>();
        Some(Self {
            times: times.values(),
            durations: integers("duration")?,
            sizes: integers("message_size_bytes")?,
            counted: [texts(Counted::Traces)?, texts(Counted::Users)?],
        })
    }

    fn row(&self, at: usize) -> Row {
        let value = |column: &Int64Array| column.is_valid(at).then(|| column.value(at));
        let duration = value(self.durations);
        Row {
            at: self.times[at],
            duration,
            slot: duration.map_or(0, steps::slot_of),
            size: value(self.sizes),
            counted: self.counted.map(|texts| texts.is_valid(at).then(|| hash_of_text(texts.value(at)))),
        }
    }
}

impl OfSet {
    /// An error: there are too many combinations, or a sum is too large.
    fn add(&mut self, coded: &Coded, rows: &[Row]) -> Result<(), Overflow> {
        let numbers = self.combinations.number(coded).ok_or(Overflow)?;
        for level in &mut self.levels {
            let of = level.level;
            level.open.resize_with(self.combinations.len(), || Cell::of(of));
            for (number, row) in numbers.iter().zip(rows) {
                level.add(*number, row)?;
            }
        }
        Ok(())
    }
}

impl OfLevel {
    fn add(&mut self, combination: u32, row: &Row) -> Result<(), Overflow> {
        let granule = self.level.granule;
        if row.at.wrapping_sub(self.bucket) as u64 >= granule.micros() as u64 {
            self.close();
            self.bucket = granule.start(row.at);
        }
        let cell = &mut self.open[combination as usize];
        if cell.rows == 0 {
            self.opened.push(combination);
        }
        cell.add(row)
    }

    /// Closes the open cells, in the order of their combinations.
    fn close(&mut self) {
        self.opened.sort_unstable();
        for combination in self.opened.drain(..) {
            let cell = std::mem::replace(&mut self.open[combination as usize], Cell::of(self.level));
            self.closed.push(self.bucket, cell);
            self.combinations.push(combination);
        }
    }

    fn is_hopeless(&self, rows: u64) -> bool {
        let cells = (self.closed.len() + self.opened.len()) as u64;
        cells > CELLS_BEFORE_JUDGED && cells * rows_per_cell_min(self.level) > rows
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
    use model::MICROS_PER_HOUR;

    use super::*;
    use crate::distinct::Registers;
    use crate::level::{Dimension, Granule};

    /// Rows of ten hours, with so many names, of this duration.
    fn rows(n: i64, names: i64, duration: i64) -> RecordBatch {
        let times = (0..n).map(|row| row * 10 * MICROS_PER_HOUR / n);
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
        let integers = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value; n as usize])) };
        let mut columns: Vec<(&str, ArrayRef)> =
            vec![("timestamp", Arc::new(times)), ("duration", integers(duration)), ("message_size_bytes", integers(3))];
        for dimension in Dimension::ALL {
            let texts = |text: &dyn Fn(i64) -> String| -> ArrayRef {
                Arc::new((0..n).map(|row| Some(text(row))).collect::<StringArray>())
            };
            let values = match dimension {
                Dimension::HttpStatus => integers(200),
                Dimension::Name => texts(&|row| format!("name {}", row % names)),
                _ => texts(&|_| "one".to_owned()),
            };
            columns.push((dimension.column(), values));
        }
        let traces: StringArray = (0..n).map(|row| Some(format!("{:032x}", row / 30))).collect();
        let users: StringArray = (0..n).map(|_| None::<&str>).collect();
        columns.push((Counted::Traces.column(), Arc::new(traces)));
        columns.push((Counted::Users.column(), Arc::new(users)));
        RecordBatch::try_from_iter(columns).expect("columns of one length")
    }

    fn built(batches: &[RecordBatch]) -> Vec<Built> {
        let mut builder = Builder::default();
        batches.iter().for_each(|batch| builder.add(batch));
        builder.finish().expect("encoded")
    }

    fn levels(built: &[Built]) -> Vec<(Granule, DimensionSet)> {
        built.iter().map(|built| (built.level.granule, built.level.set)).collect()
    }

    #[test]
    fn levels_are_kept_that_are_worth_it() {
        let (hour, minute, five) = (Granule::Hour, Granule::Minute, Granule::FiveMinutes);
        let bare = (hour, DimensionSet::Bare);
        for (n, names, expected, why) in [
            (9_000, 1, vec![], "too few rows"),
            (
                12_000,
                1,
                vec![bare, (hour, DimensionSet::All), (five, DimensionSet::All)],
                "20 rows a minute are too few",
            ),
            (
                60_000,
                1,
                vec![bare, (hour, DimensionSet::All), (five, DimensionSet::All), (minute, DimensionSet::All)],
                "",
            ),
            (
                60_000,
                9,
                vec![
                    bare,
                    (hour, DimensionSet::Nameless),
                    (hour, DimensionSet::All),
                    (five, DimensionSet::Nameless),
                    (minute, DimensionSet::Nameless),
                    (five, DimensionSet::All),
                ],
                "nobody needs a narrow one that is no smaller",
            ),
            (
                60_000,
                50_000,
                vec![
                    bare,
                    (hour, DimensionSet::Nameless),
                    (five, DimensionSet::Nameless),
                    (minute, DimensionSet::Nameless),
                ],
                "too many names",
            ),
        ] {
            let whole = rows(n, names, 5);
            let half = n as usize / 2;
            let built = built(&[whole.slice(0, half), whole.slice(half, n as usize - half)]);
            assert_eq!(levels(&built), expected, "{n} rows, {names} names: {why}");
        }
    }

    #[test]
    fn distinct_values_are_counted_where_cells_hold_many_rows() {
        assert!(built(&[rows(10_100, 1, 5)]).iter().all(|built| !built.level.counts_distinct()), "1,010 rows an hour");
        let built = built(&[rows(60_000, 9, 5)]);
        let bare = built.iter().find(|built| built.level.counts_distinct()).expect("6,000 rows an hour");
        let cells = cells::read(bare.bytes.clone().into(), &Counted::ALL.map(Counted::sketch)).expect("reads");
        for (column, expected) in cells[0].columns().iter().zip([2_000, 0]) {
            let mut registers = Registers::default();
            let sketches = column.as_binary::<i32>();
            sketches.iter().flatten().for_each(|sketch| registers.merge_bytes(sketch).expect("a sketch"));
            assert_eq!(sketches.null_count(), 0);
            assert!(registers.count().abs_diff(expected) <= 40, "{}", registers.count());
        }
    }

    #[test]
    fn durations_are_counted_by_round_lengths() {
        for built in built(&[rows(60_000, 9, 5_000)]) {
            let cells = cells::read(built.bytes.into(), &[cells::DURATION_STEPS]).expect("reads");
            let within = |slots: std::ops::Range<u16>| -> u64 {
                let steps = cells.iter().flat_map(|cells| cells.column(0).as_binary::<i32>().iter().flatten());
                steps.map(|steps| steps::count_within(steps, slots.clone()).expect("steps")).sum()
            };
            let slot = steps::slot_of(5_000);
            assert_eq!([within(0..slot), within(slot..slot + 1), within(slot + 1..steps::SLOTS)], [0, 60_000, 0]);
        }
    }

    #[test]
    fn cells_sum_up_all_rows() {
        for built in built(&[rows(60_000, 9, 5)]) {
            let cells =
                cells::read(built.bytes.into(), &[cells::ROWS, cells::DURATION_SUM, cells::SIZE_SUM]).expect("reads");
            let sum = |at: usize| -> i64 {
                cells.iter().flat_map(|cells| cells.column(at).as_primitive::<Int64Type>().values().iter()).sum()
            };
            assert_eq!([sum(0), sum(1), sum(2)], [60_000, 300_000, 180_000], "{:?}", built.level);
            assert_eq!(cells.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, built.cells);
        }
    }

    #[test]
    fn what_cannot_be_summed_up_is_not() {
        assert!(built(&[rows(60_000, 1, i64::MAX / 2)]).is_empty(), "sums beyond 64 bits");
        let whole = rows(60_000, 1, 5);
        let at = whole.schema().index_of("kind").expect("a column");
        let mut lacking = whole.clone();
        lacking.remove_column(at);
        assert_eq!(levels(&built(&[whole, lacking])), [(Granule::Hour, DimensionSet::Bare)], "which has no dimensions");
    }
}
