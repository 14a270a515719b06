//! `plimsoll repair`: tables whose ledger or log was put back in time go on; what was found and done, in sentences.

use std::time::Duration;

use clap::Args;
use model::TableName;
use serde::Deserialize;
use serde_json::json;

use super::connection::{Connection, For};
use super::reach::{self, OUT_OF_REACH};
use super::{CliError, Screen, patience, units};

/// Until an operator is told what may take so long.
const PATIENCE: Duration = Duration::from_secs(2);
const WAITS: &str =
    "repair is at work, or waits for a worker that holds a table; one that was killed holds it for up to a minute";

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 1 if a table is not as it should be, or was not seen to; run it again then. A project whose owner's
bucket does not let Plimsoll in is told, and is no failure: repair again when it does."
)]
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
    table_was_gone: bool,
    batches_dropped: u64,
    live_dropped: u64,
    doubles_removed: u64,
    bodies_known_again: u64,
    segments_restored: u64,
    rows_restored: u64,
    segments_released: u64,
    segments_quarantined: u64,
    live_unreadable: u64,
    unknown_segments: u64,
    unreadable_objects: u64,
    undivided_objects: u64,
    lost_objects: u64,
    error: Option<String>,
}

pub(super) fn run(args: &RepairArgs, screen: &mut Screen) -> Result<(), CliError> {
    let request = json!({ "table": args.table.map(TableName::as_str) });
    let api = args.connection.open(For::Admin)?;
    let mut answer = patience::remark_after(PATIENCE, WAITS, screen, || api.post("/api/v1/repair", &request))?;
    let shown = answer.clone();
    let tables: Vec<Repaired> = serde_json::from_value(answer["tables"].take()).map_err(std::io::Error::from)?;
    if args.json {
        screen.json(&shown)?;
    } else {
        let (beyond, within): (Vec<_>, Vec<_>) = tables.iter().partition(|table| table.outcome == OUT_OF_REACH);
        within.into_iter().try_for_each(|table| table.show(screen))?;
        reach::tell(
            beyond.into_iter().map(|table| (table.project.clone(), table.error.clone().unwrap_or_default())),
            screen,
        )?;
    }
    let all_is_well = tables.iter().all(|table| ["sound", "repaired", OUT_OF_REACH].contains(&table.outcome.as_str()));
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
        if self.table_was_gone {
            screen.line("  there was no table any more: what it held from before the last 24 hours is gone, unless there is a copy")?;
        }
        let rows = units::counted(self.rows_restored, "row", "rows");
        let (one_again, many_again) = (
            format!("segment that nothing named is live again, with {rows}"),
            format!("segments that nothing named are live again, with {rows}"),
        );
        let counted: [(u64, &str, &str); 12] = [
            (self.segments_restored, &one_again, &many_again),
            (
                self.segments_released,
                "quarantined segment can be read after all; it is live again",
                "quarantined segments can be read after all; they are live again",
            ),
            (
                self.segments_quarantined,
                "quarantined segment cannot be read: `plimsoll status` names its object and the reason; put it back from a \
                 backup, and repair again",
                "quarantined segments cannot be read: `plimsoll status` names their objects and the reasons; put them back \
                 from a backup, and repair again",
            ),
            (
                self.live_dropped,
                "segment was live and in the table; it is in the table alone now",
                "segments were live and in the table; they are in the table alone now",
            ),
            (
                self.doubles_removed,
                "segment held retries of what had been forgotten; these were taken out",
                "segments held retries of what had been forgotten; these were taken out",
            ),
            (
                self.batches_dropped,
                "batch never reached this table; its segments are live again",
                "batches never reached this table; their segments are live again",
            ),
            (
                self.bodies_known_again,
                "request is known again: a retry of it adds nothing",
                "requests are known again: a retry of them adds nothing",
            ),
            (
                self.live_unreadable,
                "live segment cannot be read: compaction puts it aside, and `plimsoll status` names its object then; put it back \
                 from a backup, and repair again",
                "live segments cannot be read: compaction puts them aside, and `plimsoll status` names their objects then; put \
                 them back from a backup, and repair again",
            ),
            (
                self.unknown_segments,
                "segment of the last 24 hours has no landing object: retries of what is in it would be stored again",
                "segments of the last 24 hours have no landing object: retries of what is in them would be stored again",
            ),
            (
                self.unreadable_objects,
                "landing object that nothing names cannot be read; the log of the server names it",
                "landing objects that nothing names cannot be read; the log of the server names them",
            ),
            (
                self.undivided_objects,
                "landing object holds known and unknown requests, and does not tell them apart; the log of the server names it",
                "landing objects hold known and unknown requests, and do not tell them apart; the log of the server names them",
            ),
            (
                self.lost_objects,
                "landing object older than 24 hours is named by nothing: its records may be lost; the log of the server \
                 names it",
                "landing objects older than 24 hours are named by nothing: their records may be lost; the log of the server \
                 names them",
            ),
        ];
        for (n, one, many) in counted.into_iter().filter(|(n, ..)| *n > 0) {
            screen.line(&format!("  {}", units::counted(n, one, many)))?;
        }
        Ok(())
    }
}
