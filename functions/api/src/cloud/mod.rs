//! The management API as a function in Lambda, behind an HTTP API or a function URL.

mod config;
mod start;

pub use config::Config;
pub use start::{StartError, function, start};
