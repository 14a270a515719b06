//! `plimsoll compact`: one pass now, and what it did.

use clap::Args;
use serde_json::{Value, json};

use super::connection::{Connection, For};
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
    let answer = args.connection.open(For::Admin)?.post("/api/v1/compact", &args.request())?;
    if args.json {
        return screen.json(&answer);
    }
    match answer["tables"].as_array() {
        Some(tables) if !tables.is_empty() => screen.objects(tables)?,
        _ => screen.line("Nothing to compact.")?,
    }
    if failed(&answer) { Err(CliError::Reported) } else { Ok(()) }
}

impl CompactArgs {
    fn request(&self) -> Value {
        json!({ "drop_any_number_of_days": self.drop_any_number_of_days })
    }
}

/// True if some table reports an error.
fn failed(answer: &Value) -> bool {
    answer["tables"].as_array().is_some_and(|tables| tables.iter().any(|table| !table["error"].is_null()))
}
