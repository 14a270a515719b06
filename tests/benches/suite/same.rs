//! Whether two engines gave the same answer.

use serde_json::Value;

/// Numbers that should be the same may differ by so much, relatively: engines add floats in different orders.
const ROUNDING: f64 = 1e-6;

/// A value as all engines can tell it. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Number(f64),
    Text(String),
}

pub(super) type Rows = Vec<Vec<Cell>>;

/// What must be the same for two answers to be the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Same {
    /// Only these columns are compared; none: all.
    pub(super) columns: Option<&'static [&'static str]>,
    /// The column by which a list takes its first rows: of those that share its last value any may be in it.
    pub(super) first_by: Option<usize>,
    /// Columns that each engine estimates in its own way, and how far they may be apart on average, relatively.
    pub(super) about: &'static [(usize, f64)],
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Cell::Null,
            Value::String(text) => Cell::Text(text),
            other => Cell::Number(other.as_f64().expect("engines answer with numbers, text or null")),
        }
    }
}

impl Cell {
    /// Its order and its equality, without the last digits.
    fn rough(&self) -> String {
        match self {
            Cell::Null => String::new(),
            Cell::Number(number) => format!("{number:+.5e}"),
            Cell::Text(text) => format!("'{text}"),
        }
    }

    fn is_same(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Number(a), Cell::Number(b)) => (a - b).abs() <= ROUNDING * a.abs().max(b.abs()).max(1e-9),
            _ => self == other,
        }
    }

    fn relative_distance(&self, other: &Cell) -> f64 {
        match (self, other) {
            (Cell::Number(a), Cell::Number(b)) if a == b => 0.0,
            (Cell::Number(a), Cell::Number(b)) => (a - b).abs() / a.abs().max(b.abs()),
            _ if self == other => 0.0,
            _ => 1.0,
        }
    }
}

impl Same {
    /// Why they are not the same.
    pub(super) fn check(&self, ours: &Rows, theirs: &Rows) -> Result<(), String> {
        if ours.len() != theirs.len() {
            return Err(format!("{} rows, not {}", theirs.len(), ours.len()));
        }
        let (ours, theirs) = (self.comparable(ours), self.comparable(theirs));
        if ours.len() != theirs.len() {
            return Err("their last rows are others".to_owned());
        }
        let mut distances = vec![0.0; self.about.len()];
        for (our, their) in ours.iter().zip(&theirs) {
            if our.len() != their.len() {
                return Err(format!("{} columns, not {}", their.len(), our.len()));
            }
            for (at, (a, b)) in our.iter().zip(their.iter()).enumerate() {
                match self.about.iter().position(|(column, _)| *column == at) {
                    Some(estimate) => distances[estimate] += a.relative_distance(b) / ours.len() as f64,
                    None if a.is_same(b) => {}
                    None => return Err(format!("{their:?}, not {our:?}")),
                }
            }
        }
        for ((column, most), distance) in self.about.iter().zip(distances) {
            if distance > *most {
                return Err(format!("column {column} is {:.1} % off on average", distance * 100.0));
            }
        }
        Ok(())
    }

    /// The rows that must be in both, in an order of their own.
    fn comparable<'a>(&self, rows: &'a Rows) -> Vec<&'a Vec<Cell>> {
        let last = self.first_by.and_then(|column| Some(rows.last()?[column].rough()));
        let is_certain = |row: &&Vec<Cell>| match (self.first_by, &last) {
            (Some(column), Some(last)) => row[column].rough() != *last,
            _ => true,
        };
        let mut certain: Vec<&Vec<Cell>> = rows.iter().filter(is_certain).collect();
        let is_exact = |at: &usize| self.about.iter().all(|(column, _)| column != at);
        certain.sort_by_cached_key(|row| (0..row.len()).filter(is_exact).map(|at| row[at].rough()).collect::<Vec<_>>());
        certain
    }
}
