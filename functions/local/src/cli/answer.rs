//! An answer to SQL in one piece, as a table; and what is said of any answer beside its rows.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::parameters::as_options;
use super::table::{Align, Table};
use super::units;

/// The API's answer as JSON.
#[derive(Deserialize)]
pub(super) struct Answer {
    columns: Vec<AnswerColumn>,
    rows: Vec<Vec<Value>>,
    #[serde(default)]
    truncated: Option<Truncated>,
    #[serde(default)]
    warnings: Vec<Value>,
    #[serde(default)]
    statistics: Statistics,
}

#[derive(Deserialize)]
struct AnswerColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// What is said of an answer when all its rows are there.
#[derive(Deserialize)]
pub(super) struct End {
    #[serde(default)]
    pub(super) truncated: Option<Truncated>,
    #[serde(default)]
    warnings: Vec<Value>,
    statistics: Statistics,
}

/// There are more rows than were asked for.
#[derive(Deserialize)]
pub(super) struct Truncated {
    limit: Value,
    #[serde(default)]
    advice: Option<String>,
}

/// What the answer took.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Statistics {
    rows: u64,
    files_considered: u64,
    files_opened: u64,
    row_groups_considered: u64,
    row_groups_opened: u64,
    bytes_scanned: u64,
    live_segments_considered: u64,
    live_segments_read: u64,
    snapshot_version: BTreeMap<String, u64>,
    planning_ms: f64,
    total_ms: f64,
}

impl Answer {
    pub(super) fn into_parts(self) -> (Table, End) {
        let mut table = Table::new(self.columns.iter().map(|column| (column.name.as_str(), column.align())));
        for row in &self.rows {
            table.row(row.iter().map(cell));
        }
        let Self { truncated, warnings, statistics, .. } = self;
        (table, End { truncated, warnings, statistics })
    }
}

impl End {
    /// What must be known beside the rows.
    pub(super) fn remarks(&self) -> Vec<String> {
        let truncated = self.truncated.iter().map(|truncated| {
            let advice = truncated.advice.as_deref().map_or_else(|| "ask for less".to_owned(), as_options);
            let (rows, limit) = (self.statistics.rows, cell(&truncated.limit));
            format!("truncated: {rows} rows are shown, the limit is {limit}: {advice}")
        });
        truncated.chain(self.warnings.iter().map(|warning| format!("warning: {}", cell(warning)))).collect()
    }

    pub(super) fn statistics_line(&self) -> String {
        let s = &self.statistics;
        let rows = units::counted(s.rows, "row", "rows");
        let of = |part: u64, whole: u64| format!("{} of {}", units::count(part), units::count(whole));
        let mut line = format!(
            "{rows} in {:.1} ms (planning {:.1} ms); {} files, {} row groups, {}; {} live segments",
            s.total_ms,
            s.planning_ms,
            of(s.files_opened, s.files_considered),
            of(s.row_groups_opened, s.row_groups_considered),
            units::bytes(s.bytes_scanned),
            of(s.live_segments_read, s.live_segments_considered),
        );
        for (table, version) in &s.snapshot_version {
            line.push_str(&format!("; {table} at version {version}"));
        }
        line
    }
}

impl AnswerColumn {
    fn align(&self) -> Align {
        const NUMBERS: [&str; 10] =
            ["int", "uint", "float", "decimal", "bigint", "smallint", "tinyint", "double", "real", "numeric"];
        let kind = self.kind.to_ascii_lowercase();
        if NUMBERS.iter().any(|number| kind.starts_with(number)) && !kind.starts_with("interval") {
            Align::Right
        } else {
            Align::Left
        }
    }
}

/// As text; null is nothing.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
