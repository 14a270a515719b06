//! `plimsoll openapi`: the document that the API describes itself with.

use clap::Args;

use super::connection::Connection;
use super::{CliError, Screen};

#[derive(Debug, Args)]
pub(super) struct OpenapiArgs {
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: &OpenapiArgs, screen: &mut Screen) -> Result<(), CliError> {
    screen.json(&args.connection.open_without_key()?.get("/api/v1/openapi.json")?)
}
