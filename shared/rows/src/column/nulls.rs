//! Which rows of a column are null, kept as ranges: a row with a value costs nothing.

use std::ops::Range;

use arrow_buffer::{BooleanBufferBuilder, NullBuffer};

/// The null rows of a column, in ascending order; no two ranges touch.
#[derive(Debug, Default)]
pub(crate) struct Nulls(Vec<Range<usize>>);

impl Nulls {
    /// The rows are null; they come after all that were said before.
    pub(crate) fn add(&mut self, rows: Range<usize>) {
        match self.0.last_mut() {
            _ if rows.is_empty() => {}
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => self.0.push(rows),
        }
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        match self.0.last() {
            // The usual question is about the last row.
            Some(last) if last.start <= row => row < last.end,
            Some(_) => {
                let after = self.0.partition_point(|range| range.start <= row);
                after > 0 && row < self.0[after - 1].end
            }
            None => false,
        }
    }

    /// Forgets the rows from `n_rows` on.
    pub(crate) fn truncate(&mut self, n_rows: usize) {
        while let Some(last) = self.0.last_mut() {
            if last.start < n_rows {
                last.end = last.end.min(n_rows);
                return;
            }
            self.0.pop();
        }
    }

    /// Of `n_rows` rows; None if none is null.
    pub(crate) fn buffer(&self, n_rows: usize) -> Option<NullBuffer> {
        if self.0.is_empty() {
            return None;
        }
        let mut valid = BooleanBufferBuilder::new(n_rows);
        for range in &self.0 {
            valid.append_n(range.start - valid.len(), true);
            valid.append_n(range.len(), false);
        }
        valid.append_n(n_rows - valid.len(), true);
        Some(NullBuffer::new(valid.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(nulls: &Nulls, n_rows: usize) -> String {
        let buffer = nulls.buffer(n_rows);
        let shown = |row| if nulls.contains(row) { '0' } else { '1' };
        let asked: String = (0..n_rows).map(shown).collect();
        let built = buffer.map(|buffer| buffer.iter().map(|valid| if valid { '1' } else { '0' }).collect());
        assert_eq!(built.unwrap_or_else(|| "1".repeat(n_rows)), asked);
        asked
    }

    #[test]
    fn rows_are_null_as_said_and_forgotten_from_the_end() {
        let mut nulls = Nulls::default();
        assert_eq!(rows(&nulls, 3), "111");
        for range in [0..2, 2..3, 5..5, 6..8] {
            nulls.add(range);
        }
        assert_eq!(rows(&nulls, 10), "0001110011");
        nulls.truncate(7);
        assert_eq!(rows(&nulls, 7), "0001110");
        nulls.truncate(6);
        nulls.truncate(4);
        assert_eq!(rows(&nulls, 4), "0001");
        nulls.add(4..70);
        assert_eq!(rows(&nulls, 71), format!("0001{}1", "0".repeat(66)));
        nulls.truncate(0);
        assert_eq!(rows(&nulls, 2), "11");
    }
}
