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
/// Columns up to this width are cut only if nothing else helps: a time has 27 characters.
const WHOLE_MAX: usize = 30;
/// Longer texts give way down to this first.
const TEXT_MIN: usize = 16;
/// No column is made narrower.
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
        // Times, names and numbers stay whole as long as the long texts can give way.
        fit(&widths, room, WHOLE_MAX, TEXT_MIN).or_else(|| fit(&widths, room, WIDTH_MIN, WIDTH_MIN))
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

/// Columns wider than `whole_max` give way, all down to the same width, which is at least `narrowest`; none if that does not do.
fn fit(widths: &[usize], room: usize, whole_max: usize, narrowest: usize) -> Option<Vec<usize>> {
    let capped = |width: usize, cap: usize| if width <= whole_max { width } else { width.min(cap) };
    let needed = |cap: usize| widths.iter().map(|width| capped(*width, cap)).sum::<usize>();
    if needed(narrowest) > room {
        return None;
    }
    let (mut low, mut high) = (narrowest, widths.iter().copied().max().unwrap_or(0).max(narrowest));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if needed(middle) <= room { low = middle } else { high = middle - 1 }
    }
    let mut spare = room - needed(low);
    let give = |width: &usize| {
        let fitted = capped(*width, low);
        let one_more = usize::from(fitted < *width && spare > 0);
        spare -= one_more;
        fitted + one_more
    };
    Some(widths.iter().map(give).collect())
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
    fn a_time_stays_whole_while_a_text_can_give_way() {
        let (time, text) = ("2026-11-20T10:38:35.081000Z", "t".repeat(90));
        let columns = [("time", Align::Left), ("a", Align::Left), ("b", Align::Left)];
        let lines = shown(&columns, &[&[time, &text, &text]], Some(70));
        assert_eq!(lines[2], format!("{time}  {t}t…  {t}…", t = "t".repeat(18)));
        // Where even short texts do not leave it room, it is cut like the others.
        assert!(shown(&columns, &[&[time, &text, &text]], Some(50))[2].contains("2026-11-20T10:3…"));
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
