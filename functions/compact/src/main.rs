//! The function `compact`: triggers, ticks and operators' requests in; see [`compact::cloud`].

use std::process::ExitCode;

use compact::cloud::{Config, start};
use lambda::Threads;

fn main() -> ExitCode {
    lambda::main("compact", Threads::PerProcessor, Config::read, start)
}
