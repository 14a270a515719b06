//! Text with few distinct values: a code per row.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array};
use arrow_schema::DataType;

use super::{Column, Fixed, Text};

/// A text column whose values are said once and referred to by rows.
#[derive(Default)]
pub(crate) struct Coded {
    rows: Fixed<Int32Type>,
    values: Text,
}

impl Coded {
    /// With `values` known: their codes are their places.
    pub(crate) fn with_values(values: &[&str]) -> Self {
        let mut coded = Self::default();
        for value in values {
            coded.add(value);
        }
        coded
    }

    /// Adds a value; its code.
    pub(crate) fn add(&mut self, value: &str) -> i32 {
        let n = self.values.len();
        self.values.set(n, value);
        n as i32
    }

    /// The code of `value`: that of the last one added if it is the same, else a new one; None, for null, if it is empty.
    pub(crate) fn code_of_text(&mut self, value: &str) -> Option<i32> {
        (!value.is_empty()).then(|| self.code_of(value))
    }

    /// The code of `value`: that of the last one added if it is the same, else a new one.
    pub(crate) fn code_of(&mut self, value: &str) -> i32 {
        match self.values.len().checked_sub(1) {
            Some(last) if self.values.bytes(last) == Some(value.as_bytes()) => last as i32,
            _ => self.add(value),
        }
    }

    #[inline]
    pub(crate) fn set_some(&mut self, row: usize, code: Option<i32>) {
        self.rows.set_some(row, code);
    }

    #[inline]
    pub(crate) fn set(&mut self, row: usize, code: i32) {
        self.rows.set(row, code);
    }
}

impl Column for Coded {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    /// Values stay, also those that no row refers to any more.
    fn truncate(&mut self, n_rows: usize) {
        self.rows.truncate(n_rows);
    }

    fn finish(self, n_rows: usize) -> Option<ArrayRef> {
        let codes = self.rows.finish(n_rows)?;
        let codes = codes.as_primitive::<Int32Type>().clone();
        let n_values = self.values.len();
        Some(coded_array(codes, Arc::new(self.values.into_array(n_values))))
    }
}

/// Rows below which repeating a text is cheaper than a dictionary of its own in the file.
const DICTIONARY_ROWS_MIN: usize = 64;

/// `values` by `codes`: dictionary-encoded, or spelled out where that is smaller or the values are no text.
pub(crate) fn coded_array(codes: Int32Array, values: ArrayRef) -> ArrayRef {
    if codes.len() >= DICTIONARY_ROWS_MIN && *values.data_type() == DataType::Utf8 {
        return Arc::new(DictionaryArray::new(codes, values));
    }
    arrow_select::take::take(&values, &codes, None).expect("every code is that of a value")
}
