//! Rows of numbers, as an aligned table on stdout and as JSON lines in a file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clock::{Clock, SystemClock};
use serde_json::{Map, Value};

/// What was measured so far; each section is written as soon as it is there.
pub(crate) struct Report {
    path: PathBuf,
    lines: File,
    since: crate::measure::Stopwatch,
}

/// One measurement: named values and how people read them.
#[derive(Default)]
pub(crate) struct Row(Vec<(&'static str, Value, String)>);

impl Row {
    pub(crate) fn text(self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.cell(name, value.clone().into(), value)
    }

    pub(crate) fn count(self, name: &'static str, value: u64) -> Self {
        self.cell(name, value.into(), grouped(value))
    }

    /// With so many decimals, in both.
    pub(crate) fn number(self, name: &'static str, value: f64, decimals: i32) -> Self {
        let scale = 10f64.powi(decimals);
        let rounded = (value * scale).round() / scale;
        self.cell(name, rounded.into(), format!("{rounded:.*}", decimals.unsigned_abs() as usize))
    }

    /// The same of what may be unknown.
    pub(crate) fn maybe(self, name: &'static str, value: Option<f64>, decimals: i32) -> Self {
        match value.filter(|value| value.is_finite()) {
            Some(value) => self.number(name, value, decimals),
            None => self.cell(name, Value::Null, "-".to_owned()),
        }
    }

    /// A rate; people see it grouped, without decimals.
    pub(crate) fn rate(self, name: &'static str, per_second: f64) -> Self {
        self.count(name, per_second.round() as u64)
    }

    pub(crate) fn mib(self, name: &'static str, bytes: u64) -> Self {
        self.number(name, bytes as f64 / f64::from(1 << 20), 1)
    }

    fn cell(mut self, name: &'static str, value: Value, shown: String) -> Self {
        self.0.push((name, value, shown));
        self
    }
}

impl Report {
    pub(crate) fn create(folder: &Path) -> Self {
        let path = folder.join(format!("results-{}.jsonl", SystemClock.now() / 1_000_000));
        let lines = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, lines, since: crate::measure::Stopwatch::start() }
    }

    /// Rows of the same columns, with what a reader must know of them.
    pub(crate) fn section(&mut self, name: &str, about: &str, rows: &[Row]) {
        self.lines(name, rows);
        Self::table(name, about, rows);
    }

    /// For programs only.
    pub(crate) fn lines(&mut self, name: &str, rows: &[Row]) {
        for row in rows {
            let mut line = Map::from_iter([("section".to_owned(), Value::from(name))]);
            line.extend(row.0.iter().map(|(name, value, _)| ((*name).to_owned(), value.clone())));
            writeln!(self.lines, "{}", Value::from(line)).expect("the results can be written");
        }
    }

    /// For people only.
    pub(crate) fn table(name: &str, about: &str, rows: &[Row]) {
        println!("\n{name}\n{}", wrapped(about));
        print(rows);
    }

    /// Names and values below each other.
    pub(crate) fn facts(&mut self, name: &str, facts: Row) {
        let width = facts.0.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        println!("{name}");
        for (name, _, shown) in &facts.0 {
            println!("  {:width$}  {shown}", name.replace('_', " "));
        }
        let mut line = Map::from_iter([("section".to_owned(), Value::from(name))]);
        line.extend(facts.0.into_iter().map(|(name, value, _)| (name.to_owned(), value)));
        writeln!(self.lines, "{}", Value::from(line)).expect("the results can be written");
    }

    pub(crate) fn finish(self) {
        println!("\nIn {:.0} s; the same as JSON lines: {}", self.since.elapsed().as_secs_f64(), self.path.display());
    }
}

/// Texts to the left, numbers to the right.
fn print(rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    let columns = 0..first.0.len();
    let header = |at: usize| first.0[at].0.replace('_', " ");
    let width = |at: usize| {
        rows.iter().map(|row| row.0[at].2.chars().count()).chain([header(at).len()]).max().unwrap_or_default()
    };
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells = columns.clone().map(|at| match first.0[at].1 {
            Value::String(_) => format!("{:<1$}", cell(at), width(at)),
            _ => format!("{:>1$}", cell(at), width(at)),
        });
        println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(&header);
    for row in rows {
        line(&|at| row.0[at].2.clone());
    }
}

/// In lines of a readable length.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 110;
    let mut out = String::from("  ");
    let mut length = 2;
    for word in text.split_whitespace() {
        if length + word.len() > WIDTH {
            out.push_str("\n  ");
            length = 2;
        }
        out.push_str(word);
        out.push(' ');
        length += word.len() + 1;
    }
    out.trim_end().to_owned()
}

/// 1,234,567
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}
