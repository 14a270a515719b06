//! Lists of numbers and of texts.

use std::sync::Arc;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, ListArray, PrimitiveArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, FieldRef};

use super::{Column, Fixed, Nulls, Text};

/// The name of a list's items, as Delta's readers and the Parquet specification call them.
const ITEM: &str = "element";

fn item(data_type: DataType) -> FieldRef {
    Arc::new(Field::new(ITEM, data_type, true))
}

/// Where each list ends, and which lists are null.
#[derive(Default)]
struct Ends {
    offsets: Vec<i32>,
    nulls: Nulls,
}

impl Ends {
    fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    fn last(&self) -> i32 {
        self.offsets.last().copied().unwrap_or(0)
    }

    fn pad(&mut self, n_rows: usize) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.nulls.add(self.offsets.len() - 1..n_rows);
        self.offsets.resize(n_rows + 1, self.last());
    }

    fn close(&mut self, end: usize) {
        self.offsets.push(end as i32);
    }

    fn truncate(&mut self, n_rows: usize) {
        if self.offsets.len() > n_rows + 1 {
            self.offsets.truncate(n_rows + 1);
            self.nulls.truncate(n_rows);
        }
    }

    fn array(mut self, n_rows: usize, data_type: DataType, values: ArrayRef) -> ArrayRef {
        self.pad(n_rows);
        let offsets = OffsetBuffer::new(self.offsets.into());
        Arc::new(ListArray::new(item(data_type), offsets, values, self.nulls.buffer(n_rows)))
    }
}

/// A column of lists of `T`.
pub(crate) struct NumberList<T: ArrowPrimitiveType> {
    ends: Ends,
    values: Vec<T::Native>,
}

impl<T: ArrowPrimitiveType> Default for NumberList<T> {
    fn default() -> Self {
        Self { ends: Ends::default(), values: Vec::new() }
    }
}

impl<T: ArrowPrimitiveType> NumberList<T> {
    /// Gives `row`, which has none yet, its list; no items is null.
    pub(crate) fn set(&mut self, row: usize, items: impl IntoIterator<Item = T::Native>) {
        let before = self.values.len();
        self.values.extend(items);
        if self.values.len() > before {
            self.ends.pad(row);
            self.ends.close(self.values.len());
        }
    }
}

impl<T: ArrowPrimitiveType> Column for NumberList<T> {
    fn data_type() -> DataType {
        DataType::List(item(Fixed::<T>::data_type()))
    }

    fn truncate(&mut self, n_rows: usize) {
        self.ends.truncate(n_rows);
        self.values.truncate(self.ends.last() as usize);
    }

    fn finish(self, n_rows: usize) -> Option<ArrayRef> {
        if self.ends.is_empty() {
            return None;
        }
        let values = Arc::new(PrimitiveArray::<T>::new(self.values.into(), None));
        Some(self.ends.array(n_rows, Fixed::<T>::data_type(), values))
    }
}

/// A column of lists of text.
#[derive(Default)]
pub(crate) struct TextList {
    ends: Ends,
    values: Text,
}

impl TextList {
    /// Gives `row`, which has none yet, its list; no items is null.
    pub(crate) fn set(&mut self, row: usize, items: &[String]) {
        if items.is_empty() {
            return;
        }
        for item in items {
            self.values.set(self.values.len(), item);
        }
        self.ends.pad(row);
        self.ends.close(self.values.len());
    }
}

impl Column for TextList {
    fn data_type() -> DataType {
        DataType::List(item(DataType::Utf8))
    }

    fn truncate(&mut self, n_rows: usize) {
        self.ends.truncate(n_rows);
        self.values.truncate(self.ends.last() as usize);
    }

    fn finish(self, n_rows: usize) -> Option<ArrayRef> {
        if self.ends.is_empty() {
            return None;
        }
        let n_values = self.values.len();
        Some(self.ends.array(n_rows, DataType::Utf8, Arc::new(self.values.into_array(n_values))))
    }
}
