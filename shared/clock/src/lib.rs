//! The only door to time and chance. Clippy's `disallowed-methods` bars the other ways.
//!
//! [`SystemClock`] and [`RandomIds`] in the product, [`ManualClock`] and [`CountingIds`] where a run must replay.

mod ids;
mod manual;
mod system;

pub use ids::{CountingIds, Ids, RandomIds};
pub use manual::ManualClock;
pub use system::SystemClock;

use std::time::Duration;

use model::Micros;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Wall clock, microseconds since 1970 UTC.
    fn now(&self) -> Micros;

    /// Time since some fixed moment, running on while the machine is suspended; never goes back.
    fn uptime(&self) -> Duration;
}
