//! The only door to time and chance. Clippy's `disallowed-methods` bars the other ways.
//!
//! [`SystemClock`] (in Lambda [`PausedClock`]) and [`RandomIds`] in the product, [`ManualClock`] and [`CountingIds`] where a run must replay.

mod ids;
mod manual;
mod paused;
mod system;

pub use ids::{CountingIds, Ids, RandomIds};
pub use manual::ManualClock;
pub use paused::PausedClock;
pub use system::SystemClock;

use std::pin::Pin;
use std::time::Duration;

use model::Micros;

/// Ends when its time has passed.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Wall clock, microseconds since 1970 UTC.
    fn now(&self) -> Micros;

    /// Time since some fixed moment, running on while the machine is suspended; never goes back.
    fn uptime(&self) -> Duration;

    /// Ends `time` from now. The write path waits through this door alone, so that a simulation decides when time passes;
    /// by any other clock time passes as it does.
    fn sleep(&self, time: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(time))
    }
}

/// What comes of work that may take `time`; none: it took longer, and was dropped.
pub async fn within<F: Future>(clock: &dyn Clock, time: Duration, work: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = work => Some(output),
        () = clock.sleep(time) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn work_within_its_time_is_done_and_other_work_is_dropped() {
        assert_eq!(within(&SystemClock, Duration::from_secs(60), ready(7)).await, Some(7));
        assert_eq!(within(&SystemClock, Duration::from_millis(1), pending::<u8>()).await, None);
    }
}
