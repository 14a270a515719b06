//! Which values of the dimensions occur together: each combination gets a number.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;

use crate::level::{Dimension, DimensionSet};

/// Values of a dimension, and combinations of a set, above which summing up is not worth it.
const DIFFERENT_MAX: usize = 4_096;

const DIMENSIONS: usize = Dimension::ALL.len();
/// The number of each dimension's value, and whether there is a duration.
type Key = [u16; DIMENSIONS + 1];

/// The values of all dimensions.
#[derive(Default)]
pub(crate) struct Values {
    texts: [Numbered<Box<str>>; DIMENSIONS],
    integers: [Numbered<i64>; DIMENSIONS],
}

/// Values by number; 0 is null.
struct Numbered<T> {
    numbers: HashMap<T, u16>,
    values: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Hash + Eq + Clone> Numbered<T> {
    /// None: there are too many.
    fn number<Q>(&mut self, value: &Q) -> Option<u16>
    where
        T: Borrow<Q>,
        Q: Hash + Eq + ToOwned + ?Sized,
        Q::Owned: Into<T>,
    {
        if let Some(number) = self.numbers.get(value) {
            return Some(*number);
        }
        if self.values.len() >= DIFFERENT_MAX {
            return None;
        }
        let value: T = value.to_owned().into();
        self.values.push(value.clone());
        let number = self.values.len() as u16;
        self.numbers.insert(value, number);
        Some(number)
    }

    fn value(&self, number: u16) -> Option<&T> {
        usize::from(number).checked_sub(1).map(|at| &self.values[at])
    }
}

/// The numbers of a batch's values, row by row.
pub(crate) struct Coded {
    /// None: the dimension has too many values, or the batch has no such column.
    of_dimensions: [Option<Vec<u16>>; DIMENSIONS],
    has_duration: Vec<u16>,
}

impl Values {
    pub(crate) fn code(&mut self, batch: &RecordBatch, durations: &Int64Array) -> Coded {
        let of_dimensions = std::array::from_fn(|at| {
            let column = batch.column_by_name(Dimension::ALL[at].column())?;
            if Dimension::ALL[at].is_integer() {
                let (values, numbered) = (column.as_primitive_opt::<Int64Type>()?, &mut self.integers[at]);
                values.iter().map(|value| value.map_or(Some(0), |value| numbered.number(&value))).collect()
            } else {
                let (values, numbered) = (column.as_string_opt::<i32>()?, &mut self.texts[at]);
                values.iter().map(|value| value.map_or(Some(0), |value| numbered.number(value))).collect()
            }
        });
        let has_duration = (0..durations.len()).map(|row| u16::from(durations.is_valid(row))).collect();
        Coded { of_dimensions, has_duration }
    }
}

/// The combinations of one set of dimensions.
pub(crate) struct Combinations {
    pub(crate) set: DimensionSet,
    numbers: HashMap<Key, u32>,
    keys: Vec<Key>,
}

impl Combinations {
    pub(crate) fn of(set: DimensionSet) -> Self {
        Self { set, numbers: HashMap::new(), keys: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The number of each row's combination. None: there are too many.
    pub(crate) fn number(&mut self, coded: &Coded) -> Option<Vec<u32>> {
        let columns: Vec<(usize, &Vec<u16>)> = self
            .set
            .dimensions()
            .map(|dimension| Some((dimension as usize, coded.of_dimensions[dimension as usize].as_ref()?)))
            .collect::<Option<_>>()?;
        let rows = coded.has_duration.len();
        let mut numbers = Vec::with_capacity(rows);
        let mut last: Option<(Key, u32)> = None;
        for row in 0..rows {
            let mut key = Key::default();
            columns.iter().for_each(|(at, column)| key[*at] = column[row]);
            key[DIMENSIONS] = coded.has_duration[row];
            let number = match last {
                Some((before, number)) if before == key => number,
                _ => self.number_of(key)?,
            };
            last = Some((key, number));
            numbers.push(number);
        }
        Some(numbers)
    }

    fn number_of(&mut self, key: Key) -> Option<u32> {
        if let Some(number) = self.numbers.get(&key) {
            return Some(*number);
        }
        if self.keys.len() >= DIFFERENT_MAX {
            return None;
        }
        let number = self.keys.len() as u32;
        self.keys.push(key);
        self.numbers.insert(key, number);
        Some(number)
    }

    /// The columns of the set's dimensions, and whether there is a duration, for cells with these combinations.
    pub(crate) fn columns(&self, numbers: &[u32], values: &Values) -> (Vec<ArrayRef>, BooleanArray) {
        let codes = |at: usize| numbers.iter().map(move |number| self.keys[*number as usize][at]);
        let column = |dimension: Dimension| -> ArrayRef {
            let at = dimension as usize;
            if dimension.is_integer() {
                let integers = codes(at).map(|code| values.integers[at].value(code).copied());
                Arc::new(integers.collect::<Int64Array>())
            } else {
                let texts = codes(at).map(|code| values.texts[at].value(code).map(AsRef::<str>::as_ref));
                Arc::new(texts.collect::<StringArray>())
            }
        };
        let has_duration = codes(DIMENSIONS).map(|code| Some(code == 1)).collect();
        (self.set.dimensions().map(column).collect(), has_duration)
    }
}
