//! What can go wrong with a command, said in one or two lines.

use std::path::PathBuf;

use model::chain;
use serde::Deserialize;

use super::trust;
use crate::demo::send::SendError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line is right in form, but asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    #[error("cannot reach {url}: {cause}")]
    Unreachable { url: String, cause: String, hint: Option<String> },
    /// The API answered with an error.
    #[error("{}", detail.message)]
    Refused { status: u16, detail: Box<ErrorDetail>, sql: Option<String> },
    /// Something else than our API answered.
    #[error("{url} answered {status} with something that is not Plimsoll's API: {body}")]
    Foreign { url: String, status: u16, body: String },
    #[error("no API key")]
    NoKey { path: PathBuf, cause: String },
    /// The file of `--ca`.
    #[error("cannot take the authorities to trust from {}: {why}", path.display())]
    Authorities { path: PathBuf, why: String },
    /// AWS, or what a stack has there, is not as it must be.
    #[error("{what}")]
    Cloud { what: String, advice: String },
    /// Rows were written before that.
    #[error("the answer broke off: {why}")]
    BrokenOff { why: String },
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
    #[error("{what}: {source}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Send(#[from] SendError),
    /// What was to be said has been said; only the exit code is left.
    #[error("failed")]
    Reported,
    #[error("{}", chain(.0.as_ref()))]
    Serve(Box<dyn std::error::Error + Send + Sync>),
}

/// `{"error": ...}` as the API answers it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ErrorDetail {
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub hint: Option<String>,
    #[serde(default)]
    pub position: Option<Position>,
    #[serde(default)]
    pub request_id: Option<String>,
}

/// A place in the SQL; both count from 1.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Of an SQL line that is shown.
const LINE_CHARS_MAX: usize = 100;

impl CliError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }

    /// The lines that stderr shows.
    pub(super) fn report(&self) -> Vec<String> {
        let mut lines = match self {
            Self::Reported => return Vec::new(),
            _ => vec![format!("error: {self}")],
        };
        match self {
            Self::Unreachable { hint: Some(hint), .. } => lines.push(format!("  {hint}")),
            Self::Cloud { advice, .. } => lines.push(format!("  {advice}")),
            Self::BrokenOff { .. } => {
                lines.push("  what was written is not all of it: ask again, or for less".to_owned())
            }
            Self::NoKey { path, cause } => {
                lines.push(format!("  {}: {cause}", path.display()));
                lines.push(
                    "  set PLIMSOLL_KEY or --key; or name the data folder of `plimsoll serve` with --data".to_owned(),
                );
            }
            Self::Refused { status, detail, sql } => {
                if let (Some(position), Some(sql)) = (detail.position, sql) {
                    lines.extend(pointed_at(sql, position).into_iter().flatten());
                }
                lines.extend(detail.hint.iter().map(|hint| format!("  {hint}")));
                if *status >= 500 {
                    lines.extend(detail.request_id.iter().map(|id| format!("  request {id}")));
                }
            }
            Self::Send(SendError::Unreachable { source, .. }) => {
                lines.push(format!("  {}", trust::advice(source).unwrap_or("is `plimsoll serve` running?")));
            }
            _ => {}
        }
        lines
    }
}

/// The line of the SQL, and a caret under the column; a long line is cut around it.
fn pointed_at(sql: &str, position: Position) -> Option<[String; 2]> {
    let line: Vec<char> = sql.lines().nth(position.line.checked_sub(1)?)?.chars().collect();
    let column = position.column.checked_sub(1)?.min(line.len());
    let from = if line.len() <= LINE_CHARS_MAX { 0 } else { column.saturating_sub(LINE_CHARS_MAX / 2) };
    let to = line.len().min(from + LINE_CHARS_MAX);
    let cut = |missing: bool| if missing { "…" } else { "" };
    let (start, end) = (cut(from > 0), cut(to < line.len()));
    let text =
        |from: usize, to: usize| line[from..to].iter().map(|c| if *c == '\t' { ' ' } else { *c }).collect::<String>();
    let (shown, before) = (text(from, to), text(from, column));
    let indent = console::measure_text_width(start) + console::measure_text_width(&before);
    Some([format!("  {start}{shown}{end}"), format!("  {}^", " ".repeat(indent))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str, line: usize, column: usize) -> String {
        let detail = ErrorDetail {
            code: "unknown_column".to_owned(),
            message: "there is no column `servce`".to_owned(),
            hint: Some("did you mean `service`?".to_owned()),
            position: Some(Position { line, column }),
            request_id: Some("r1".to_owned()),
        };
        CliError::Refused { status: 400, detail: Box::new(detail), sql: Some(sql.to_owned()) }.report().join("\n")
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        assert_eq!(
            refused("SELECT 1,\n  servce FROM t", 2, 3),
            "error: there is no column `servce`\n    servce FROM t\n    ^\n  did you mean `service`?"
        );
        // A wide character takes two places, a tab is shown as one.
        assert_eq!(refused("SELECT '世',\tservce", 1, 13).lines().nth(2), Some("               ^"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place_and_a_wrong_place_shows_nothing() {
        let sql = format!("SELECT {} servce {}", "a,".repeat(100), ", b".repeat(100));
        let report = refused(&sql, 1, 209);
        let lines: Vec<&str> = report.lines().collect();
        let caret = lines[2].chars().position(|c| c == '^').expect("a caret");
        assert_eq!(lines[1].chars().skip(caret).take(6).collect::<String>(), "servce");
        assert!(lines[1].chars().count() < 110 && lines[1].starts_with("  …") && lines[1].ends_with('…'));
        assert_eq!(refused("SELECT 1", 7, 1).lines().count(), 2);
        assert_eq!(refused("SELECT 1", 0, 0).lines().count(), 2);
    }
}
