//! The log of a process, on stderr: text for people, JSON for machines.
//!
//! `PLIMSOLL_LOG` filters (`info`, `debug`, `info,meta=debug`, ...; default `info`, less of
//! the Delta kernel); `PLIMSOLL_LOG_FORMAT` is `text` (in
//! colour on a terminal) or `json`.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::{Env, EnvError};

/// The kernel below delta-rs tells each snapshot several times, some with the whole schema.
const FILTER_DEFAULT: &str = "info,buoyant_kernel=warn,buoyant_kernel_engine=warn";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("there are text and json".to_owned()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Env(#[from] EnvError),
    #[error("PLIMSOLL_LOG is no filter")]
    Filter(#[from] ParseError),
    #[error("this process has a log already")]
    Started(#[from] TryInitError),
}

/// Starts the log of this process, once; in `format` unless the environment says otherwise.
pub fn start_log(mut env: Env, format: LogFormat) -> Result<(), LogError> {
    let filter = env.optional("PLIMSOLL_LOG", FILTER_DEFAULT.to_owned());
    let format = env.optional("PLIMSOLL_LOG_FORMAT", format);
    let (filter, format) = env.finish(|| Some((filter?, format?)))?;
    // By level and target alone: filters by what spans hold would bring a regex engine into every function.
    let log = tracing_subscriber::registry().with(filter.parse::<Targets>()?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init()?,
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(filter: &'static str, format: &'static str) -> Env {
        Env::with(move |name| Ok(if name == "PLIMSOLL_LOG" { filter } else { format }.to_owned()))
    }

    #[test]
    fn a_log_starts_once_and_says_what_it_cannot_read() {
        assert!(matches!(start_log(env("info,meta=debug=x", "json"), LogFormat::Text), Err(LogError::Filter(_))));
        let error = start_log(env("info", "xml"), LogFormat::Text).expect_err("no format").to_string();
        assert!(error.contains("PLIMSOLL_LOG_FORMAT does not read: there are text and json"), "{error}");
        start_log(env("off", ""), LogFormat::Json).expect("started");
        assert!(matches!(start_log(env("", ""), LogFormat::Text), Err(LogError::Started(_))));
    }
}
