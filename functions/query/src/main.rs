//! The function `query`: HTTP requests, and questions of other functions; see [`query::cloud`].

use std::process::ExitCode;

use lambda::Threads;
use query::cloud::{Config, start};

fn main() -> ExitCode {
    lambda::main("query", Threads::PerProcessor, Config::read, start)
}
