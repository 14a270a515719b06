//! `plimsoll repair`: tables whose ledger or log was put back in time go on; what was found and done, in sentences.

use clap::Args;
use model::TableName;
use serde::Deserialize;
use serde_json::json;

use super::connection::{Connection, For};
use super::{CliError, Screen, units};

#[derive(Debug, Args)]
pub(super) struct RepairArgs {
    /// Only this table, such as otel_metrics [default: all]
    table: Option<TableName>,
    /// What the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// One table of one project, as `POST /api/v1/repair` answers it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Repaired {
    project: String,
    table: String,
    outcome: String,
    was_stopped: Option<String>,
    found: Option<String>,
    batches_dropped: u64,
    live_dropped: u64,
    doubles_removed: u64,
    bodies_known_again: u64,
    segments_restored: u64,
    rows_restored: u64,
    segments_released: u64,
    segments_quarantined: u64,
    unknown_segments: u64,
    unreadable_objects: u64,
    undivided_objects: u64,
    lost_objects: u64,
    error: Option<String>,
}

pub(super) fn run(args: &RepairArgs, screen: &mut Screen) -> Result<(), CliError> {
    let request = json!({ "table": args.table.map(TableName::as_str) });
    let mut answer = args.connection.open(For::Admin)?.post("/api/v1/repair", &request)?;
    let shown = answer.clone();
    let tables: Vec<Repaired> = serde_json::from_value(answer["tables"].take()).map_err(std::io::Error::from)?;
    if args.json {
        screen.json(&shown)?;
    } else {
        tables.iter().try_for_each(|table| table.show(screen))?;
    }
    let all_is_well = tables.iter().all(|table| ["sound", "repaired"].contains(&table.outcome.as_str()));
    if all_is_well { Ok(()) } else { Err(CliError::Reported) }
}

impl Repaired {
    fn show(&self, screen: &mut Screen) -> Result<(), CliError> {
        let Self { project, table, outcome, .. } = self;
        let verdict = match (outcome.as_str(), &self.error) {
            ("sound", _) => "nothing was wrong",
            ("repaired", _) => "repaired",
            ("partial", _) => "repaired, but something may be missing",
            ("busy", _) => "somebody else is at work on it; run `plimsoll repair` again in a minute",
            (_, Some(error)) => error,
            (other, None) => other,
        };
        screen.line(&format!("{project}/{table}: {verdict}"))?;
        for text in [("it was stopped", &self.was_stopped), ("found", &self.found)] {
            if let (what, Some(said)) = text {
                screen.line(&format!("  {what}: {said}"))?;
            }
        }
        let rows =
            format!("segments that nothing named are live again, with {} rows", units::count(self.rows_restored));
        let counted: [(u64, &str); 11] = [
            (self.segments_restored, &rows),
            (self.segments_released, "quarantined segments can be read after all; they are live again"),
            (
                self.segments_quarantined,
                "quarantined segments cannot be read; put their objects under landing/ back from a backup, and repair again",
            ),
            (self.live_dropped, "segments were live and in the table; they are in the table alone now"),
            (self.doubles_removed, "segments held retries of what had been forgotten; these were taken out"),
            (self.batches_dropped, "batches never reached this table; their segments are live again"),
            (self.bodies_known_again, "requests are known again: a retry of them adds nothing"),
            (
                self.unknown_segments,
                "segments of the last 24 hours have no landing object: retries of what is in them would be stored again",
            ),
            (
                self.unreadable_objects,
                "landing objects that nothing names cannot be read; the log of the server names them",
            ),
            (
                self.undivided_objects,
                "landing objects hold known and unknown requests, and do not tell them apart; the log of the server names them",
            ),
            (
                self.lost_objects,
                "landing objects older than 24 hours are named by nothing: their records may be lost; the log of the server names them",
            ),
        ];
        for (n, what) in counted.into_iter().filter(|(n, _)| *n > 0) {
            screen.line(&format!("  {} {what}", units::count(n)))?;
        }
        Ok(())
    }
}
