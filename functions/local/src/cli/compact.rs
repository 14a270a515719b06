//! `plimsoll compact`: one pass now, and what it did.

use clap::Args;
use serde_json::{Value, json};

use super::answer::cell;
use super::connection::{Connection, For};
use super::parameters::as_options;
use super::reach::{self, OUT_OF_REACH};
use super::{CliError, Screen};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 1 if an act failed on a table, unless its owner's bucket does not let Plimsoll in, which is told."
)]
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
    let tables = answer["tables"].as_array().map_or(&[][..], Vec::as_slice);
    match tables {
        _ if args.json => screen.json(&answer)?,
        [] => screen.line("Nothing to compact.")?,
        tables => show(tables, screen)?,
    }
    if tables.iter().any(has_failed) { Err(CliError::Reported) } else { Ok(()) }
}

/// Errors have lines of their own: a cell would be cut where they say what to do.
fn show(tables: &[Value], screen: &mut Screen) -> Result<(), CliError> {
    let mut without_errors = tables.to_vec();
    for fields in without_errors.iter_mut().filter_map(Value::as_object_mut) {
        fields.shift_remove("error");
    }
    screen.objects(&without_errors)?;
    let text = |table: &'_ Value, field: &str| cell(&table[field]);
    let beyond = tables.iter().filter(|table| table["outcome"] == OUT_OF_REACH);
    reach::tell(beyond.map(|table| (text(table, "project"), text(table, "error"))), screen)?;
    tables.iter().filter(|table| has_failed(table)).try_for_each(|table| {
        let error = as_options(&text(table, "error"));
        screen.line(&format!("FAILED {}/{}: {error}", text(table, "project"), text(table, "table")))
    })
}

fn has_failed(table: &Value) -> bool {
    !table["error"].is_null() && table["outcome"] != OUT_OF_REACH
}

impl CompactArgs {
    fn request(&self) -> Value {
        json!({ "drop_any_number_of_days": self.drop_any_number_of_days })
    }
}
