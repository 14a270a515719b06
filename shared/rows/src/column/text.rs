//! Text.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::DataType;

use super::{Column, Nulls, ROWS_FIRST};

/// Room for the text of the first rows.
const BYTES_FIRST: usize = 1_024;

/// A column of text.
///
/// Callers append valid UTF-8 only. Offsets are 32-bit: [`crate::decoder`] bounds what one decoder takes, so that no column
/// comes near 2 GiB.
#[derive(Default)]
pub(crate) struct Text {
    /// Where each row ends; a leading 0 once anything is held.
    offsets: Vec<i32>,
    data: Vec<u8>,
    nulls: Nulls,
}

impl Text {
    /// Rows with a value, and the nulls before them.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// True if `row` has its value already.
    #[inline]
    pub(crate) fn holds(&self, row: usize) -> bool {
        self.offsets.len() > row + 1
    }

    /// Gives `row`, which has no value yet, its value.
    #[inline]
    pub(crate) fn set(&mut self, row: usize, value: &str) {
        self.open(row).extend_from_slice(value.as_bytes());
        self.close();
    }

    /// Starts the value of `row`: append to the buffer, then [`Text::close`].
    #[inline]
    pub(crate) fn open(&mut self, row: usize) -> &mut Vec<u8> {
        if self.offsets.len() != row + 1 {
            self.pad(row);
        }
        &mut self.data
    }

    /// The buffer of the value that was opened.
    #[inline]
    pub(crate) fn opened(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    #[inline]
    pub(crate) fn close(&mut self) {
        self.offsets.push(self.data.len() as i32);
    }

    /// Bytes held.
    pub(crate) fn n_bytes(&self) -> usize {
        self.data.len()
    }

    /// The value of `row`, if it has one.
    pub(crate) fn bytes(&self, row: usize) -> Option<&[u8]> {
        let (start, end) = (*self.offsets.get(row)?, *self.offsets.get(row + 1)?);
        (!self.nulls.contains(row)).then(|| &self.data[start as usize..end as usize])
    }

    /// Null up to, and without, `n_rows`.
    #[cold]
    fn pad(&mut self, n_rows: usize) {
        if self.offsets.is_empty() {
            self.offsets.reserve(n_rows + 1 + ROWS_FIRST);
            self.data.reserve(BYTES_FIRST);
            self.offsets.push(0);
        }
        debug_assert!(self.len() <= n_rows, "the row has its value already");
        self.nulls.add(self.len()..n_rows);
        self.offsets.resize(n_rows + 1, self.data.len() as i32);
    }

    /// The array, all null if nothing is held.
    pub(crate) fn into_array(mut self, n_rows: usize) -> StringArray {
        if self.offsets.len() != n_rows + 1 {
            self.pad(n_rows);
        }
        let offsets = OffsetBuffer::new(self.offsets.into());
        StringArray::new(offsets, Buffer::from_vec(self.data), self.nulls.buffer(n_rows))
    }
}

impl Column for Text {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn truncate(&mut self, n_rows: usize) {
        if self.len() > n_rows {
            self.offsets.truncate(n_rows + 1);
            self.nulls.truncate(n_rows);
        }
        // Also what was appended to a value that was never closed.
        self.data.truncate(self.offsets.last().map_or(0, |end| *end as usize));
    }

    fn finish(self, n_rows: usize) -> Option<ArrayRef> {
        if self.offsets.is_empty() {
            return None;
        }
        Some(Arc::new(self.into_array(n_rows)))
    }
}
