//! Text with few distinct values: a code per row.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, DictionaryArray, Int32Array, PrimitiveArray, StringArray,
};
use arrow_schema::{ArrowError, DataType};

use super::{Column, Fixed, Text};

/// A text column whose values are said once and referred to by rows.
#[derive(Default)]
pub(crate) struct Coded {
    rows: Fixed<Int32Type>,
    values: Text,
}

impl Coded {
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

/// All that a column can hold: the codes are the places.
pub(crate) trait Words {
    fn words() -> ArrayRef;
}

/// A text column that holds nothing but `W`.
pub(crate) struct Known<W> {
    rows: Fixed<Int32Type>,
    words: PhantomData<W>,
}

impl<W> Default for Known<W> {
    fn default() -> Self {
        Self { rows: Fixed::default(), words: PhantomData }
    }
}

impl<W> Known<W> {
    #[inline]
    pub(crate) fn set_some(&mut self, row: usize, code: Option<i32>) {
        self.rows.set_some(row, code);
    }

    #[inline]
    pub(crate) fn set(&mut self, row: usize, code: i32) {
        self.rows.set(row, code);
    }
}

impl<W: Words> Column for Known<W> {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn truncate(&mut self, n_rows: usize) {
        self.rows.truncate(n_rows);
    }

    fn finish(self, n_rows: usize) -> Option<ArrayRef> {
        let codes = self.rows.finish(n_rows)?;
        Some(coded_array(codes.as_primitive::<Int32Type>().clone(), W::words()))
    }
}

/// Rows below which repeating a text is cheaper than a dictionary of its own in the file.
const DICTIONARY_ROWS_MIN: usize = 64;

/// `values` by `codes`: dictionary-encoded, or spelled out where that is smaller or the values are no text.
pub(crate) fn coded_array(codes: Int32Array, values: ArrayRef) -> ArrayRef {
    if codes.len() >= DICTIONARY_ROWS_MIN && *values.data_type() == DataType::Utf8 {
        return Arc::new(DictionaryArray::new(codes, values));
    }
    spelled_out(&values, &codes).expect("a column of ours, far below 2 GiB")
}

/// A value a row; null where the code or its value is.
///
/// Only the types that coded columns have: kernels for all that Arrow knows weigh a megabyte in a function.
///
/// # Errors
/// A code is that of no value, a type is none of a coded column, or the text comes to 2 GiB.
pub(crate) fn spelled_out(values: &dyn Array, codes: &Int32Array) -> Result<ArrayRef, ArrowError> {
    if let Some(code) =
        codes.iter().flatten().find(|code| usize::try_from(*code).map_or(true, |code| code >= values.len()))
    {
        return Err(ArrowError::ComputeError(format!("code {code} is that of none of {} values", values.len())));
    }
    match values.data_type() {
        DataType::Utf8 => Ok(Arc::new(texts(values.as_string(), codes)?)),
        DataType::Int64 => Ok(Arc::new(numbers::<Int64Type>(values.as_primitive(), codes))),
        DataType::Float64 => Ok(Arc::new(numbers::<Float64Type>(values.as_primitive(), codes))),
        DataType::Boolean => {
            let values = values.as_boolean();
            Ok(Arc::new(
                rows(values, codes).map(|place| place.map(|place| values.value(place))).collect::<BooleanArray>(),
            ))
        }
        other => Err(ArrowError::NotYetImplemented(format!("coded columns of {other}"))),
    }
}

/// Where each row's value is.
fn rows<'a>(values: &'a dyn Array, codes: &'a Int32Array) -> impl Iterator<Item = Option<usize>> + 'a {
    codes.iter().map(|code| code.map(|code| code as usize).filter(|place| values.is_valid(*place)))
}

fn numbers<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, codes: &Int32Array) -> PrimitiveArray<T> {
    rows(values, codes).map(|place| place.map(|place| values.value(place))).collect()
}

fn texts(values: &StringArray, codes: &Int32Array) -> Result<StringArray, ArrowError> {
    let n_bytes = rows(values, codes).flatten().map(|place| values.value_length(place) as usize).sum();
    if i32::try_from(n_bytes).is_err() {
        return Err(ArrowError::OffsetOverflowError(n_bytes));
    }
    let mut texts = StringBuilder::with_capacity(codes.len(), n_bytes);
    for place in rows(values, codes) {
        texts.append_option(place.map(|place| values.value(place)));
    }
    Ok(texts.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelled_out_by_their_codes() {
        let codes = Int32Array::from(vec![Some(1), None, Some(0), Some(2), Some(1)]);
        let spelled = |values: ArrayRef| spelled_out(&values, &codes).expect("of a coded column's type");
        let texts = spelled(Arc::new(StringArray::from(vec![Some("a"), Some(""), None])));
        assert_eq!(texts.as_string::<i32>(), &StringArray::from(vec![Some(""), None, Some("a"), None, Some("")]));
        let ints = spelled(Arc::new(PrimitiveArray::<Int64Type>::from(vec![Some(7), Some(-1), None])));
        assert_eq!(
            ints.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
            [Some(-1), None, Some(7), None, Some(-1)]
        );
        let floats = spelled(Arc::new(PrimitiveArray::<Float64Type>::from(vec![0.5, 1.5, 2.5])));
        assert_eq!(floats.as_primitive::<Float64Type>().iter().flatten().sum::<f64>(), 6.0);
        let flags = spelled(Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])));
        assert_eq!(flags.as_boolean(), &BooleanArray::from(vec![None, None, Some(true), Some(false), None]));
    }

    #[test]
    fn a_code_of_no_value_is_an_error() {
        let values = StringArray::from(vec!["a", "b"]);
        for code in [2, -1, i32::MIN, i32::MAX] {
            let error = spelled_out(&values, &Int32Array::from(vec![0, code])).expect_err("no such value").to_string();
            assert!(error.contains(&code.to_string()), "{error}");
        }
        assert!(
            spelled_out(&Int32Array::from(vec![1]), &Int32Array::from(vec![0])).is_err(),
            "no coded column holds them"
        );
    }
}
