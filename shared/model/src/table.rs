//! Which tables a project has.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ProjectId;

/// A table's name, as users write it in SQL and as its folder is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TableName {
    #[serde(rename = "otel_logs_and_spans")]
    LogsAndSpans,
    #[serde(rename = "otel_metrics")]
    Metrics,
}

/// A text names no table of ours.
#[derive(Debug, thiserror::Error)]
#[error("no table is called `{0}`; there are otel_logs_and_spans and otel_metrics")]
pub struct UnknownTable(String);

impl TableName {
    pub const ALL: [TableName; 2] = [TableName::LogsAndSpans, TableName::Metrics];

    pub fn as_str(self) -> &'static str {
        match self {
            TableName::LogsAndSpans => "otel_logs_and_spans",
            TableName::Metrics => "otel_metrics",
        }
    }

    /// The columns whose values name the folder of a data file, outermost first.
    pub fn partition_columns(self) -> &'static [&'static str] {
        match self {
            TableName::LogsAndSpans => &["date", "signal"],
            TableName::Metrics => &["date"],
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TableName {
    type Err = UnknownTable;
    fn from_str(text: &str) -> Result<Self, UnknownTable> {
        Self::ALL.into_iter().find(|t| t.as_str() == text).ok_or_else(|| UnknownTable(text.to_owned()))
    }
}

/// One table of one project: the unit of ledger, lease and commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableId {
    pub project: ProjectId,
    pub table: TableName,
}

impl TableId {
    pub fn new(project: ProjectId, table: TableName) -> Self {
        Self { project, table }
    }

    /// Every table of these projects, project by project.
    pub fn all_of(projects: impl IntoIterator<Item = ProjectId>) -> impl Iterator<Item = TableId> {
        projects.into_iter().flat_map(|project| TableName::ALL.map(|table| TableId::new(project.clone(), table)))
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.table)
    }
}
