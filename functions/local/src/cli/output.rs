//! Where answers go: to stdout, and what must be known beside them to stderr.

use std::io::{self, Write};

use console::Term;
use serde_json::Value;

use super::answer::cell;
use super::table::{Align, Table};
use super::{CliError, Hints};

/// What a command writes to.
pub(crate) struct Screen<'a> {
    /// The answer.
    pub(crate) out: &'a mut dyn Write,
    /// Warnings, statistics.
    pub(crate) err: &'a mut dyn Write,
    /// Columns of the terminal that `out` is; none: it is a pipe or a file.
    pub(crate) width: Option<usize>,
    /// What commands that are named in lines and remarks lack.
    pub(crate) hints: Hints,
}

/// Of a terminal that does not tell its width.
const WIDTH_UNKNOWN: usize = 80;

/// Columns of the terminal that stdout is.
pub(super) fn terminal_width() -> Option<usize> {
    let terminal = Term::stdout();
    if !terminal.is_term() {
        return None;
    }
    Some(terminal.size_checked().map_or(WIDTH_UNKNOWN, |(_, columns)| usize::from(columns)))
}

impl Screen<'_> {
    /// One sentence.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), CliError> {
        Ok(writeln!(self.out, "{}", self.hints.complete(text))?)
    }

    /// A document for other programs.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), CliError> {
        serde_json::to_writer_pretty(&mut *self.out, value).map_err(io::Error::from)?;
        Ok(writeln!(self.out)?)
    }

    pub(crate) fn table(&mut self, table: &Table) -> Result<(), CliError> {
        Ok(table.write(self.out, self.width)?)
    }

    /// As wide as it is, on every terminal: what stands in it is to be copied, or is an error that is worth its line.
    pub(crate) fn whole_table(&mut self, table: &Table) -> Result<(), CliError> {
        Ok(table.write(self.out, None)?)
    }

    /// JSON objects as a table: a column for each key, in the order in which they come.
    pub(super) fn objects(&mut self, objects: &[Value]) -> Result<(), CliError> {
        let mut keys: Vec<&str> = Vec::new();
        for key in objects.iter().filter_map(Value::as_object).flat_map(|object| object.keys()) {
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        let align = |key: &&str| {
            let is_number = |object: &Value| object[*key].is_number() || object[*key].is_null();
            let align = if objects.iter().all(is_number) { Align::Right } else { Align::Left };
            (key.replace('_', " "), align)
        };
        let mut table = Table::new(keys.iter().map(align));
        for object in objects {
            table.row(keys.iter().map(|key| joined(&object[*key])));
        }
        self.table(&table)
    }

    /// A JSON object, a field a line.
    pub(super) fn fields(&mut self, object: &Value) -> Result<(), CliError> {
        let fields = object.as_object().into_iter().flatten();
        let fields: Vec<(String, String)> = fields.map(|(key, value)| (key.replace('_', " "), joined(value))).collect();
        let width = fields.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        for (key, value) in &fields {
            writeln!(self.out, "{key:width$}  {value}")?;
        }
        Ok(())
    }

    /// What must be known beside the answer. An stderr that is gone is no reason to fail.
    pub(crate) fn remark(&mut self, text: &str) {
        let _gone = writeln!(self.err, "{}", self.hints.complete(text));
    }
}

/// A list of texts as people write it.
pub(super) fn joined(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => cell(other),
    }
}
