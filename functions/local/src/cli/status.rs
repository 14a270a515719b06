//! `plimsoll status`: what the tables hold, and how far compaction is.

use chrono::DateTime;
use clap::Args;
use clock::{Clock, SystemClock};
use serde::Deserialize;
use serde_json::Value;

use super::answer::cell;
use super::connection::{Connection, For};
use super::table::{Align, Table};
use super::units;
use super::{CliError, Screen, reach};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 1 if a table cannot be read, unless its owner's bucket does not let Plimsoll in, which is told."
)]
pub(super) struct StatusArgs {
    /// What the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// One table of one project, as `GET /api/v1/status` answers it. One that cannot be read has an `error`, and no numbers.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct TableStatus {
    project: String,
    table: String,
    live_segments: Option<u64>,
    live_bytes: Option<u64>,
    oldest_live_age_s: Option<f64>,
    open_batch: Value,
    files: Option<u64>,
    rows: Option<u64>,
    bytes: Option<u64>,
    version: Option<i64>,
    last_commit_at: Option<String>,
    compaction_lag_s: Option<f64>,
    quarantined: Option<u64>,
    quarantined_segments: Vec<Quarantined>,
    stop: Value,
    error: Option<String>,
    /// What the error says is for the owner of the project's bucket to mend.
    out_of_reach: bool,
    uri: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Quarantined {
    key: String,
    rows: u64,
    reason: String,
    since: String,
}

/// Quarantined segments that are shown of a table.
const QUARANTINED_SHOWN_MAX: usize = 10;

pub(super) fn run(args: &StatusArgs, screen: &mut Screen) -> Result<(), CliError> {
    let mut answer = args.connection.open(For::Admin)?.get("/api/v1/status")?;
    if args.json {
        screen.json(&answer)?;
    }
    let tables: Vec<TableStatus> = serde_json::from_value(answer["tables"].take()).map_err(std::io::Error::from)?;
    if !args.json {
        show(&tables, screen)?;
    }
    let all_are_readable = tables.iter().all(|table| table.error.is_none() || table.out_of_reach);
    if all_are_readable { Ok(()) } else { Err(CliError::Reported) }
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
        // None: its bucket is not connected, which its error says.
        if !table.uri.is_empty() {
            screen.line(&table.uri)?;
        }
    }
    reach::tell(tables.iter().filter(|table| table.out_of_reach).map(TableStatus::why), screen)?;
    tables.iter().try_for_each(|table| table.show_what_is_wrong(screen))
}

impl TableStatus {
    fn why(&self) -> (String, String) {
        (self.project.clone(), self.error.clone().unwrap_or_default())
    }

    fn show_what_is_wrong(&self, screen: &mut Screen) -> Result<(), CliError> {
        let Self { project, table, stop, error, .. } = self;
        if let Some(error) = error.as_ref().filter(|_| !self.out_of_reach) {
            screen.line(&format!("UNREADABLE {project}/{table}: {error}"))?;
        }
        if !stop.is_null() {
            screen.line(&format!("STOPPED {project}/{table}: {}", cell(stop)))?;
        }
        match self.quarantined {
            Some(n) if n > 0 => self.show_quarantined(n, screen),
            _ => Ok(()),
        }
    }

    fn show_quarantined(&self, n: u64, screen: &mut Screen) -> Result<(), CliError> {
        let Self { project, table, quarantined_segments, .. } = self;
        screen.line(&format!(
            "QUARANTINE {project}/{table}: {} could not be read; put what is missing or damaged back from a backup, and \
             `plimsoll repair` makes it live again",
            units::counted(n, "segment", "segments")
        ))?;
        let shown = &quarantined_segments[..quarantined_segments.len().min(QUARANTINED_SHOWN_MAX)];
        for Quarantined { key, rows, reason, since } in shown {
            let rows = units::counted(*rows, "row", "rows");
            screen.line(&format!("  {key} ({rows}, since {since}): {reason}"))?;
        }
        match n.saturating_sub(shown.len() as u64) {
            0 => Ok(()),
            more => screen.line(&format!("  and {} more; `plimsoll status --json` names them", units::count(more))),
        }
    }

    fn cells(&self) -> [String; 12] {
        let ago = |s: Option<f64>| s.map(units::seconds).unwrap_or_default();
        let count = |n: Option<u64>| n.map(units::count).unwrap_or_default();
        let bytes = |n: Option<u64>| n.map(units::bytes).unwrap_or_default();
        let open = if self.open_batch.is_null() { "" } else { "+" };
        [
            self.project.clone(),
            self.table.clone(),
            format!("{}{open}", count(self.live_segments)),
            bytes(self.live_bytes),
            ago(self.oldest_live_age_s),
            count(self.files),
            count(self.rows),
            bytes(self.bytes),
            self.version.map(|version| version.to_string()).unwrap_or_default(),
            self.last_commit_at.as_deref().and_then(age).map(|age| format!("{age} ago")).unwrap_or_default(),
            ago(self.compaction_lag_s),
            count(self.quarantined),
        ]
    }
}

/// Since a time in RFC 3339.
fn age(at: &str) -> Option<String> {
    let at = DateTime::parse_from_rfc3339(at).ok()?.timestamp_micros();
    Some(units::seconds((SystemClock.now() - at).max(0) as f64 / 1e6))
}
