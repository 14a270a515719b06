//! Heavy work away from the threads that serve others: polled on a thread of its own, stopped when nobody waits for it.

use futures::future::{AbortHandle, Aborted, abortable};
use tokio::runtime::Handle;

/// The work died or was stopped.
#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    #[error("the work panicked: {0}")]
    Panicked(String),
    #[error("the work was stopped")]
    Stopped,
}

/// Runs work on a blocking thread. Dropped, it is stopped at its next await.
pub(crate) async fn aside<T, F>(work: F) -> Result<T, AsideError>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (work, handle) = abortable(work);
    let _stop = StopOnDrop(handle);
    let runtime = Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(work)).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(Aborted)) => Err(AsideError::Stopped),
        Err(died) => Err(AsideError::Panicked(died.to_string())),
    }
}

struct StopOnDrop(AbortHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
