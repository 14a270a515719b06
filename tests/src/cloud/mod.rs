//! The dev cloud: AWS on one machine, and what is checked about how Plimsoll uses it.

pub mod cost;
pub mod emulators;
pub mod isolation;
pub mod policy;
pub mod proxy;
mod server;

pub use emulators::Emulators;
