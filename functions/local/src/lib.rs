//! The binary `plimsoll`: a whole Plimsoll in one process on embedded storage, and the command line to any Plimsoll.
//!
//! - [`cli`]: the commands; all but `serve` and `doctor` speak HTTP
//! - [`serve`]: ingest, compaction, query and management behind two ports, on one data folder
//! - [`demo`]: a small shop that makes realistic telemetry, for people, tests and benches
//! - `signing`: requests to function URLs that ask for SigV4
//! - `doctor`: is a data folder fit to be served from

pub mod cli;
pub mod demo;
mod doctor;
pub mod serve;
mod signing;

/// Stack of every thread that plans or compiles a query: deep SQL recurses.
pub const STACK_BYTES: usize = 8 << 20;
