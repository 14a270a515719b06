//! `plimsoll compact`: one pass now, and what it did.

use clap::Args;
use serde_json::{Value, json};

use super::connection::{Connection, For};
use super::query::cell;
use super::{CliError, Screen};

#[derive(Debug, Args)]
pub(super) struct CompactArgs {
    /// Let retention drop more than a few days at once, this once
    #[arg(long)]
    drop_any_number_of_days: bool,
    /// What the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: &CompactArgs, screen: &mut Screen) -> Result<(), CliError> {
    let mut answer = args.connection.open(For::Admin)?.post("/api/v1/compact", &args.request())?;
    if args.json {
        return screen.json(&answer);
    }
    match answer["tables"].as_array_mut() {
        Some(tables) if !tables.is_empty() => show(tables, screen),
        _ => screen.line("Nothing to compact."),
    }
}

/// Errors have lines of their own: a cell would be cut where they say what to do.
fn show(tables: &mut [Value], screen: &mut Screen) -> Result<(), CliError> {
    let errors: Vec<Option<Value>> =
        tables.iter_mut().map(|table| table.as_object_mut()?.shift_remove("error")).collect();
    screen.objects(tables)?;
    let failed = tables.iter().zip(errors.into_iter().map(Option::unwrap_or_default));
    let failed: Vec<_> = failed.filter(|(_, error)| !error.is_null()).collect();
    for (table, error) in &failed {
        screen.line(&format!("FAILED {}/{}: {}", cell(&table["project"]), cell(&table["table"]), cell(error)))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(CliError::Reported) }
}

impl CompactArgs {
    fn request(&self) -> Value {
        json!({ "drop_any_number_of_days": self.drop_any_number_of_days })
    }
}
