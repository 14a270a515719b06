//! Rows as text: an aligned table that fits its width, or one block a row where columns are too many for that.

use std::io::{self, Write};

use console::{measure_text_width, truncate_str};

/// Cells as text; what is shown of them depends on the width.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

struct Column {
    name: String,
    align: Align,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Stands where something was cut off.
const CUT: &str = "…";
const GAP: &str = "  ";
/// No column is made narrower, unless all of it is.
const WIDTH_MIN: usize = 8;

impl Table {
    pub(crate) fn new<N: Into<String>>(columns: impl IntoIterator<Item = (N, Align)>) -> Self {
        let columns = columns.into_iter().map(|(name, align)| Column { name: one_line(&name.into()), align }).collect();
        Self { columns, rows: Vec::new() }
    }

    /// As many cells as there are columns.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let row: Vec<String> = cells.into_iter().map(|cell| one_line(&cell)).collect();
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Within `width` columns of the terminal; none: as wide as it is.
    pub(crate) fn write(&self, out: &mut dyn Write, width: Option<usize>) -> io::Result<()> {
        match self.widths(width.unwrap_or(usize::MAX)) {
            Some(widths) => self.write_lines(out, &widths),
            None => self.write_blocks(out, width.unwrap_or(usize::MAX)),
        }
    }

    /// Of each column: its widest cell, or less so that all fit; none if they do not fit at all.
    fn widths(&self, width: usize) -> Option<Vec<usize>> {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| measure_text_width(&column.name)).collect();
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(measure_text_width(cell));
            }
        }
        let room = width.saturating_sub(GAP.len() * widths.len().saturating_sub(1));
        if widths.iter().map(|w| (*w).min(WIDTH_MIN)).sum::<usize>() > room {
            return None;
        }
        // The widest ones give way, all down to the same width.
        let needed = |cap: usize| widths.iter().map(|w| (*w).min(cap)).sum::<usize>();
        let (mut low, mut high) = (WIDTH_MIN, widths.iter().copied().max().unwrap_or(0).max(WIDTH_MIN));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if needed(middle) <= room { low = middle } else { high = middle - 1 }
        }
        let cap = low;
        let mut spare = room.saturating_sub(needed(cap));
        for w in &mut widths {
            if *w > cap {
                let one_more = usize::from(spare > 0);
                spare -= one_more;
                *w = cap + one_more;
            }
        }
        Some(widths)
    }

    fn write_lines(&self, out: &mut dyn Write, widths: &[usize]) -> io::Result<()> {
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        self.write_line(out, &names, widths)?;
        let rules: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
        writeln!(out, "{}", rules.join(GAP))?;
        self.rows.iter().try_for_each(|row| self.write_line(out, row, widths))
    }

    fn write_line(&self, out: &mut dyn Write, cells: &[String], widths: &[usize]) -> io::Result<()> {
        let mut line = String::new();
        for ((cell, width), column) in cells.iter().zip(widths).zip(&self.columns) {
            let shown = truncate_str(cell, *width, CUT);
            let padding = " ".repeat(width - measure_text_width(&shown));
            match column.align {
                Align::Left => line.extend([&*shown, &padding]),
                Align::Right => line.extend([&padding, &*shown]),
            }
            line.push_str(GAP);
        }
        writeln!(out, "{}", line.trim_end())
    }

    fn write_blocks(&self, out: &mut dyn Write, width: usize) -> io::Result<()> {
        let names = self.columns.iter().map(|column| measure_text_width(&column.name)).max().unwrap_or(0);
        let room = width.saturating_sub(names + GAP.len()).max(WIDTH_MIN);
        for (n, row) in self.rows.iter().enumerate() {
            writeln!(out, "─ row {} {}", n + 1, "─".repeat(20))?;
            for (column, cell) in self.columns.iter().zip(row) {
                let padding = " ".repeat(names - measure_text_width(&column.name));
                let shown = truncate_str(cell, room, CUT);
                writeln!(out, "{}", format!("{}{padding}{GAP}{shown}", column.name).trim_end())?;
            }
        }
        Ok(())
    }
}

/// Line ends and tabs as people write them; other control characters, which could command a terminal, as a sign.
fn one_line(text: &str) -> String {
    if !text.contains(|c: char| c.is_control()) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            '\r' => line.push_str("\\r"),
            c if c.is_control() => line.push('\u{fffd}'),
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(columns: &[(&str, Align)], rows: &[&[&str]], width: Option<usize>) -> Vec<String> {
        let mut table = Table::new(columns.iter().copied());
        rows.iter().for_each(|row| table.row(row.iter().map(|cell| (*cell).to_owned())));
        let mut out = Vec::new();
        table.write(&mut out, width).expect("memory takes it");
        String::from_utf8(out).expect("utf-8").lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        assert_eq!(
            shown(&[("service", Align::Left), ("n", Align::Right)], &[&["web", "1234"], &["grüße 世界", "5"]], None),
            ["service        n", "──────────  ────", "web         1234", "grüße 世界     5"]
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_and_marked_and_the_widest_gives_way() {
        let lines = shown(
            &[("id", Align::Right), ("body", Align::Left), ("name", Align::Left)],
            &[&["12345678", &"b".repeat(100), "n23456789012"]],
            Some(40),
        );
        assert_eq!(lines[2], format!("12345678  {}…  n23456789012", "b".repeat(15)));
        assert!(lines.iter().all(|line| measure_text_width(line) <= 40));
    }

    #[test]
    fn too_many_columns_become_a_block_a_row() {
        let columns: Vec<(&str, Align)> = ["a", "bb", "ccc"].into_iter().map(|name| (name, Align::Left)).collect();
        let lines = shown(&columns, &[&["1234567890", "1234567890", "1234567890"], &["x", "y", "z"]], Some(20));
        assert_eq!(lines[1..4], ["a    1234567890", "bb   1234567890", "ccc  1234567890"]);
        assert!(lines[0].starts_with("─ row 1") && lines[4].starts_with("─ row 2"), "{lines:?}");
    }

    #[test]
    fn a_cell_cannot_break_the_table_or_command_the_terminal() {
        let lines = shown(&[("c", Align::Left)], &[&["a\nb\tc\r\u{1b}[2J"]], None);
        assert_eq!(lines[2], "a\\nb\\tc\\r\u{fffd}[2J");
    }

    #[test]
    fn no_rows_are_a_head_alone() {
        assert_eq!(shown(&[("a", Align::Left)], &[], Some(10)), ["a", "─"]);
    }
}
