//! Compaction as a function of its own: what it is set to, how it is put together, and what it does with each event.
//!
//! An invocation that dies leaves a lease behind, which the next one takes over when it has run out, and a ledger that says
//! where to go on.

mod config;
mod event;
mod start;

pub use config::Config;
pub use event::{Compactor, Tick};
pub use start::{StartError, start};
