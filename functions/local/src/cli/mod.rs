//! The command line. Everything but `serve`, `doctor`, `stack` and `redrive` speaks HTTP to a Plimsoll, here or deployed; so it
//! holds no logic of its own beyond asking and showing.
//!
//! Answers go to stdout; warnings, progress and statistics to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage. Of a command
//! on many tables, 1 says that one failed which the operator can do something about; the others were seen to all the same, and
//! what a project's owner has shut is told, and is no failure.

mod answer;
mod api;
mod bucket;
mod compact;
mod connection;
mod demo;
mod error;
mod export;
mod gateway;
mod hints;
mod key;
mod openapi;
mod output;
mod parameters;
mod patience;
mod project;
mod query;
mod reach;
mod repair;
mod serve;
mod sign;
mod stack;
mod status;
mod table;
mod trust;
mod units;

#[cfg(test)]
mod tests;

use std::io::{self, BufWriter};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use connection::DataArg;
pub use error::CliError;
pub(crate) use hints::Hints;
pub(crate) use output::Screen;
pub use serve::ServeArgs;
pub(crate) use stack::{SendArg, StackArg, doctor as stack_doctor};
pub(crate) use table::{Align, Table};
pub(crate) use units::bytes;

/// OpenTelemetry in, open Delta tables out, SQL over them.
#[derive(Debug, Parser)]
#[command(
    name = "plimsoll",
    version,
    arg_required_else_help = true,
    max_term_width = 120,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage. A project whose owner's bucket does not let Plimsoll in is told, and \
                  is no failure."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole Plimsoll in this process: OTLP in, compaction, SQL out
    Serve(ServeArgs),
    /// Send the telemetry of a small shop, now or for days past
    Demo(demo::DemoArgs),
    /// Ask in SQL
    Query(query::QueryArgs),
    /// Show what the tables hold and how far compaction is
    Status(status::StatusArgs),
    /// Run one pass of compaction now
    Compact(compact::CompactArgs),
    /// Bring tables into order whose metadata or files were put back in time; changes nothing on others
    Repair(repair::RepairArgs),
    /// Bring a stack that was rolled out with `sam deploy` to life
    Stack(stack::StackArgs),
    /// Send triggers that a stack has put aside back to compaction
    Redrive(stack::redrive::RedriveArgs),
    /// Create projects, list them, change their settings
    Project(project::ProjectArgs),
    /// Connect the buckets that projects' owners bring, and look into them
    Bucket(bucket::BucketArgs),
    /// Create API keys, list them, revoke them
    Key(key::KeyArgs),
    /// Check data folder, store, ledger, clock and disk; may run beside `serve`. With --stack: check a deployed stack
    Doctor(crate::doctor::DoctorArgs),
    /// Print the OpenAPI document of the management and query API
    Openapi(openapi::OpenapiArgs),
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    // Clap prints help to stdout and mistakes to stderr, and exits by itself.
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // Not locked: `serve` speaks from other threads.
    let mut out = BufWriter::new(io::stdout());
    let (width, hints) = (output::terminal_width(), Hints::of(&matches));
    ExitCode::from(execute(cli.command, &mut Screen { out: &mut out, err: &mut io::stderr(), width, hints }))
}

/// The exit code.
fn execute(command: Command, screen: &mut Screen) -> u8 {
    let done = dispatch(command, screen);
    let written = screen.out.flush().map_err(CliError::Output);
    match done.and(written) {
        Ok(()) => 0,
        // Whoever reads has seen enough, as `head` does.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            error.report().iter().for_each(|line| screen.remark(line));
            error.exit_code()
        }
    }
}

fn dispatch(command: Command, screen: &mut Screen) -> Result<(), CliError> {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(&args, screen),
        Command::Query(args) => query::run(&args, screen),
        Command::Status(args) => status::run(&args, screen),
        Command::Compact(args) => compact::run(&args, screen),
        Command::Repair(args) => repair::run(&args, screen),
        Command::Stack(args) => stack::run(&args, screen),
        Command::Redrive(args) => stack::redrive::run(&args, screen),
        Command::Project(args) => project::run(&args, screen),
        Command::Bucket(args) => bucket::run(&args, screen),
        Command::Key(args) => key::run(&args, screen),
        Command::Doctor(args) => crate::doctor::run(&args, screen),
        Command::Openapi(args) => openapi::run(&args, screen),
    }
}
