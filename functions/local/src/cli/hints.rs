//! Commands that are named in what is said, as they must be pasted: whoever asked a stack by its name is told commands that
//! ask the same one. That holds for the words of the API, too, which does not know how it was found.

use std::borrow::Cow;

use clap::{ArgMatches, Command, CommandFactory};

use super::Cli;

/// What is missing in a command as others write it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    stack: Option<String>,
}

const PROGRAM: &str = "plimsoll ";
/// Name and spelling of the argument.
const STACK: &str = "stack";
const OPTION: &str = "--stack";

impl Hints {
    /// Of the command line that was given.
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let mut command = matches;
        while let Some((_, below)) = command.subcommand() {
            command = below;
        }
        // Not every command has the argument.
        Self { stack: command.try_get_one::<String>(STACK).ok().flatten().cloned() }
    }

    pub(super) fn for_stack(name: &str) -> Self {
        Self { stack: Some(name.to_owned()) }
    }

    /// The text, with the name of the stack in each command that takes one and has none.
    pub(super) fn complete<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(stack) = self.stack.as_deref().filter(|_| text.contains(PROGRAM)) else { return text.into() };
        let program = Cli::command();
        let (mut done, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(PROGRAM) {
            let (said, command) = rest.split_at(at + PROGRAM.len());
            let (words, arguments) = command.split_at(length(&program, command));
            done.extend([said, words]);
            if !words.is_empty() && !names_a_stack(arguments) {
                done.extend([" ", OPTION, " ", stack]);
            }
            rest = arguments;
        }
        done.push_str(rest);
        done.into()
    }
}

/// Bytes of the words that name a command which takes a stack; 0: none does.
fn length(program: &Command, text: &str) -> usize {
    let (mut command, mut end) = (program, 0);
    loop {
        let from = if end == 0 { Some(text) } else { text[end..].strip_prefix(' ') };
        let Some(from) = from else { break };
        let word = from.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
        let Some(below) = command.find_subcommand(word) else { break };
        end = text.len() - from.len() + word.len();
        command = below;
    }
    if command.get_arguments().any(|argument| argument.get_id() == STACK) { end } else { 0 }
}

fn names_a_stack(arguments: &str) -> bool {
    arguments.split(['`', '\n']).next().unwrap_or_default().contains(OPTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_named_asks_the_stack_that_was_asked() {
        let hints = Hints::for_stack("prod");
        for (said, pasted) in [
            ("run `plimsoll repair`, then", "run `plimsoll repair --stack prod`, then"),
            (
                "  plimsoll key create --project a --scope ingest",
                "  plimsoll key create --stack prod --project a --scope ingest",
            ),
            ("/opt/plimsoll query \"SELECT 1\"", "/opt/plimsoll query --stack prod \"SELECT 1\""),
            (
                "`plimsoll status` or `plimsoll repair otel_metrics`\nplimsoll redrive",
                "`plimsoll status --stack prod` or `plimsoll repair --stack prod otel_metrics`\nplimsoll redrive --stack prod",
            ),
            ("plimsoll stack init", "plimsoll stack init --stack prod"),
        ] {
            assert_eq!(hints.complete(said), pasted);
            assert_eq!(hints.complete(pasted), pasted, "no second time");
            assert_eq!(Hints::default().complete(said), said);
        }
        for other in
            ["`plimsoll serve` writes it", "plimsoll key", "what plimsoll does", "plimsoll ", "s3://plimsoll/a"]
        {
            assert_eq!(hints.complete(other), other);
        }
    }
}
