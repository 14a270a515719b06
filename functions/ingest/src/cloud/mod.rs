//! Ingest as a function in Lambda, behind an HTTP API or a function URL.
//!
//! What Lambda changes: a process takes one request at a time, so no landing waits for company; it is frozen once it has
//! answered, so nothing is left to a background; its memory is what the function was given, so limits follow from that.
//!
//! - `config`: what is read from the environment; `limits`: what fits the memory
//! - `start`: the assembly; `refusal`: what a client is told whose request did not reach its end
//! - `settle`: the project's usage, noted inside requests

mod config;
mod limits;
mod refusal;
mod settle;
mod start;

pub use config::Config;
pub use start::{StartError, function, start};
