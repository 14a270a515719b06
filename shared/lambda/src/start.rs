//! The first moments of a function: its log, its settings, itself; then the loop. What is wrong is said on stderr and to
//! Lambda, everything that is missing at once, and the process ends.

use std::error::Error;
use std::process::ExitCode;

use boot::{Env, LogFormat};
use model::chain;
use tokio::runtime::{Builder, Runtime};

use crate::function::{Function, poll};
use crate::init_error;

/// Where Lambda is asked for events: host and port.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// Set by Lambda; the library that asks for events ends with a panic if one is missing.
const ALWAYS_SET: [&str; 2] = ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"];
const MEMORY_MB: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// Query plans nest deeply.
const STACK_BYTES: usize = 8 << 20;

/// How many threads work on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The one that is there anyway: the fastest for a call that mostly waits for a store.
    One,
    /// One for each processor, with room for deep recursion: for DataFusion and deltalake.
    PerProcessor,
}

/// The whole life of a function's process. `read` takes its settings from the environment, `start` builds it.
pub fn main<C, F, E>(
    name: &'static str,
    threads: Threads,
    read: impl FnOnce(&mut Env) -> Option<C>,
    start: impl FnOnce(C) -> Result<F, E>,
) -> ExitCode
where
    F: Function,
    E: Error + 'static,
{
    let ended = run(name, threads, read, start);
    // Whatever ends a function is an error: Lambda stops its processes without a word.
    if let Err(error) = ended {
        let message = format!("{name} cannot run: {}", chain(error.as_ref()));
        eprintln!("{message}");
        if let Ok(endpoint) = std::env::var(RUNTIME_API)
            && let Err(error) = init_error::report(&endpoint, &message)
        {
            eprintln!("Lambda could not be told: {error}");
        }
    }
    ExitCode::FAILURE
}

fn run<C, F, E>(
    name: &str,
    threads: Threads,
    read: impl FnOnce(&mut Env) -> Option<C>,
    start: impl FnOnce(C) -> Result<F, E>,
) -> Result<(), Box<dyn Error>>
where
    F: Function,
    E: Error + 'static,
{
    boot::start_log(Env::of_process(), LogFormat::Json)?;
    let config = settings(Env::of_process(), read)?;
    runtime(threads)?.block_on(async {
        let function = start(config)?;
        tracing::debug!(function = name, "started");
        poll(function).await.map_err(|error| -> Box<dyn Error> { error })
    })
}

/// The function's own settings, and what Lambda sets, read together.
fn settings<C>(mut env: Env, read: impl FnOnce(&mut Env) -> Option<C>) -> Result<C, boot::EnvError> {
    let config = read(&mut env);
    let _ = env.required::<String>(RUNTIME_API);
    let _ = env.required::<u32>(MEMORY_MB);
    for name in ALWAYS_SET {
        let _ = env.required::<String>(name);
    }
    env.finish(|| config)
}

fn runtime(threads: Threads) -> std::io::Result<Runtime> {
    match threads {
        Threads::One => Builder::new_current_thread().enable_all().build(),
        Threads::PerProcessor => Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build(),
    }
}

#[cfg(test)]
mod tests {
    use std::env::VarError;

    use super::*;

    #[test]
    fn what_the_function_and_lambda_need_is_missed_together() {
        let env = Env::with(|name| match name {
            MEMORY_MB => Ok("512".to_owned()),
            "PLIMSOLL_TABLE" => Ok("t".to_owned()),
            _ => Err(VarError::NotPresent),
        });
        let read = |env: &mut Env| Some((env.required::<String>("PLIMSOLL_TABLE")?, env.required::<String>("X")?));
        let error = settings(env, read).expect_err("four are missing");
        let missing = ["X", RUNTIME_API, ALWAYS_SET[0], ALWAYS_SET[1]].map(|name| format!("{name} is missing"));
        assert_eq!(error.problems, missing);
    }
}
