//! Numbers, times and booleans.

use std::sync::Arc;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::{DataType, TimeUnit};

use super::{Column, Nulls, ROWS_FIRST};

/// A column of `T`.
pub(crate) struct Fixed<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: Nulls,
}

impl<T: ArrowPrimitiveType> Default for Fixed<T> {
    fn default() -> Self {
        Self { values: Vec::new(), nulls: Nulls::default() }
    }
}

impl<T: ArrowPrimitiveType> Fixed<T> {
    /// True if `row` has its value already.
    #[inline]
    pub(crate) fn holds(&self, row: usize) -> bool {
        self.values.len() > row
    }

    /// Gives `row`, which has no value yet, its value.
    #[inline]
    pub(crate) fn set(&mut self, row: usize, value: T::Native) {
        if self.values.len() != row || row == 0 {
            self.pad(row);
        }
        self.values.push(value);
    }

    #[inline]
    pub(crate) fn set_some(&mut self, row: usize, value: Option<T::Native>) {
        if let Some(value) = value {
            self.set(row, value);
        }
    }

    #[cold]
    fn pad(&mut self, n_rows: usize) {
        debug_assert!(self.values.len() <= n_rows, "the row has its value already");
        if self.values.is_empty() {
            self.values.reserve(n_rows + ROWS_FIRST);
        }
        self.nulls.add(self.values.len()..n_rows);
        self.values.resize(n_rows, T::Native::default());
    }
}

impl<T: ArrowPrimitiveType> Column for Fixed<T> {
    fn data_type() -> DataType {
        match T::DATA_TYPE {
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            other => other,
        }
    }

    fn truncate(&mut self, n_rows: usize) {
        if self.values.len() > n_rows {
            self.values.truncate(n_rows);
            self.nulls.truncate(n_rows);
        }
    }

    fn finish(mut self, n_rows: usize) -> Option<ArrayRef> {
        if self.values.is_empty() {
            return None;
        }
        if self.values.len() != n_rows {
            self.pad(n_rows);
        }
        let array = PrimitiveArray::<T>::new(self.values.into(), self.nulls.buffer(n_rows));
        Some(Arc::new(array.with_data_type(Self::data_type())))
    }
}

/// A column of booleans.
pub(crate) struct Flag {
    values: BooleanBufferBuilder,
    nulls: Nulls,
}

impl Default for Flag {
    fn default() -> Self {
        Self { values: BooleanBufferBuilder::new(0), nulls: Nulls::default() }
    }
}

impl Flag {
    pub(crate) fn holds(&self, row: usize) -> bool {
        self.values.len() > row
    }

    pub(crate) fn set(&mut self, row: usize, value: bool) {
        self.pad(row);
        self.values.append(value);
    }

    fn pad(&mut self, n_rows: usize) {
        let missing = n_rows - self.values.len();
        if missing > 0 {
            self.values.append_n(missing, false);
            self.nulls.add(n_rows - missing..n_rows);
        }
    }
}

impl Column for Flag {
    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn truncate(&mut self, n_rows: usize) {
        if self.values.len() > n_rows {
            self.values.truncate(n_rows);
            self.nulls.truncate(n_rows);
        }
    }

    fn finish(mut self, n_rows: usize) -> Option<ArrayRef> {
        if self.values.is_empty() {
            return None;
        }
        self.pad(n_rows);
        Some(Arc::new(BooleanArray::new(self.values.finish(), self.nulls.buffer(n_rows))))
    }
}
