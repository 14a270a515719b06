//! `plimsoll status`: what the tables hold, and how far compaction is.

use chrono::DateTime;
use clap::Args;
use clock::{Clock, SystemClock};
use serde::Deserialize;
use serde_json::Value;

use super::connection::{Connection, For};
use super::query::cell;
use super::table::{Align, Table};
use super::units;
use super::{CliError, Screen};

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// What the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// One table of one project, as `GET /api/v1/status` answers it.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct TableStatus {
    project: String,
    table: String,
    live_segments: u64,
    live_bytes: u64,
    oldest_live_age_s: Option<f64>,
    open_batch: Value,
    files: u64,
    rows: u64,
    bytes: u64,
    version: Option<i64>,
    last_commit_at: Option<String>,
    compaction_lag_s: Option<f64>,
    quarantined: u64,
    stop: Value,
    uri: String,
}

pub(super) fn run(args: &StatusArgs, screen: &mut Screen) -> Result<(), CliError> {
    let mut answer = args.connection.open(For::Admin)?.get("/api/v1/status")?;
    if args.json {
        return screen.json(&answer);
    }
    let tables: Vec<TableStatus> = serde_json::from_value(answer["tables"].take()).map_err(std::io::Error::from)?;
    show(&tables, screen)
}

fn show(tables: &[TableStatus], screen: &mut Screen) -> Result<(), CliError> {
    if tables.is_empty() {
        return screen.line("There are no tables yet: they are made when the first telemetry arrives.");
    }
    let right =
        ["live", "live size", "oldest", "files", "rows", "size", "version", "last commit", "lag", "quarantined"];
    let columns = [("project", Align::Left), ("table", Align::Left)];
    let mut shown = Table::new(columns.into_iter().chain(right.map(|name| (name, Align::Right))));
    for table in tables {
        shown.row(table.cells());
    }
    screen.table(&shown)?;
    screen.line("")?;
    for table in tables {
        screen.line(&table.uri)?;
    }
    for TableStatus { project, table, stop, quarantined, .. } in tables {
        if !stop.is_null() {
            screen.line(&format!("STOPPED {project}/{table}: {}", cell(stop)))?;
        }
        if *quarantined > 0 {
            screen.line(&format!(
                "QUARANTINE {project}/{table}: {quarantined} segments could not be read; they stay under landing/; `plimsoll repair` tries them again"
            ))?;
        }
    }
    Ok(())
}

impl TableStatus {
    fn cells(&self) -> [String; 12] {
        let ago = |s: Option<f64>| s.map(units::seconds).unwrap_or_default();
        let open = if self.open_batch.is_null() { "" } else { "+" };
        [
            self.project.clone(),
            self.table.clone(),
            format!("{}{open}", units::count(self.live_segments)),
            units::bytes(self.live_bytes),
            ago(self.oldest_live_age_s),
            units::count(self.files),
            units::count(self.rows),
            units::bytes(self.bytes),
            self.version.map(|version| version.to_string()).unwrap_or_default(),
            self.last_commit_at.as_deref().and_then(age).map(|age| format!("{age} ago")).unwrap_or_default(),
            ago(self.compaction_lag_s),
            units::count(self.quarantined),
        ]
    }
}

/// Since a time in RFC 3339.
fn age(at: &str) -> Option<String> {
    let at = DateTime::parse_from_rfc3339(at).ok()?.timestamp_micros();
    Some(units::seconds((SystemClock.now() - at).max(0) as f64 / 1e6))
}
