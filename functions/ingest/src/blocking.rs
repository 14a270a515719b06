//! Long computation, away from the threads that serve others.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// Runs work on a blocking thread.
///
/// A runtime of a single thread serves nobody else meanwhile: there it runs where it is, so that a simulation decides
/// the order of everything.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}
