//! Queries as a function of their own: what it is set to, how it is put together, and what it does with each event.

mod config;
mod event;
mod start;

pub use config::Config;
pub use event::{Edge, Queries};
pub use start::{StartError, start};
