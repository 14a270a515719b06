//! A Plimsoll that was rolled out with `sam deploy`: found by the name of its stack, with the operator's AWS credentials.
//!
//! - `deployed`: its outputs, and the keys in its secret: what lets every other command speak to it.
//! - `init`: the first run. `doctor`: is it fit. `redrive`: triggers that were put aside.

mod check;
mod deployed;
mod doctor;
mod end_to_end;
mod init;
mod keys;
mod paste;
pub(super) mod redrive;
mod resources;

use std::future::Future;

use clap::{Args, Subcommand};

use super::{CliError, Screen};

pub(super) use deployed::Deployed;
pub(crate) use doctor::{SendArg, doctor};
pub(super) use keys::StackKeys;

#[derive(Debug, Args)]
pub(super) struct StackArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Create the first project and its keys in a stack that was just deployed; changes nothing in one that has them
    Init(init::InitArgs),
}

/// Which stack.
#[derive(Clone, Debug, Args)]
pub(crate) struct StackArg {
    /// A stack that was rolled out with `sam deploy`: its addresses and keys are read with your AWS credentials
    #[arg(long, env = "PLIMSOLL_STACK", value_name = "NAME", value_parser = name)]
    pub(crate) stack: Option<String>,
}

/// The same, where there is no other choice.
#[derive(Clone, Debug, Args)]
pub(crate) struct ThisStackArg {
    /// The stack, as `sam deploy` named it
    #[arg(long, env = "PLIMSOLL_STACK", value_name = "NAME", value_parser = name)]
    pub(crate) stack: String,
}

pub(super) fn run(args: &StackArgs, screen: &mut Screen) -> Result<(), CliError> {
    match &args.act {
        Act::Init(args) => init::run(args, screen),
    }
}

/// CloudFormation takes an empty name for a wish to see all stacks.
fn name(text: &str) -> Result<String, String> {
    let is_empty = text.trim().is_empty();
    if is_empty {
        Err("the name is empty; it is the one that `sam deploy` gave the stack".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Commands are synchronous; AWS is not.
fn block_on<F: Future>(work: F) -> Result<F::Output, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Io { what: "cannot start the runtime".to_owned(), source })?;
    Ok(runtime.block_on(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_a_name() {
        assert_eq!(name("plimsoll"), Ok("plimsoll".to_owned()));
        for empty in ["", " "] {
            assert!(name(empty).is_err_and(|said| said.contains("the name is empty")));
        }
    }
}
