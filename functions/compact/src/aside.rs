//! Heavy work away from the threads that serve others: polled on a thread of its own, stopped when nobody waits for it.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::{AbortHandle, Aborted, abortable};
use model::panic_words;
use model::safeguard::carried;
use tokio::runtime::{Handle, RuntimeFlavor};

/// The work died or was stopped.
#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    #[error("the work panicked: {0}")]
    Panicked(String),
    #[error("the work was stopped")]
    Stopped,
}

/// Runs work on a blocking thread. Dropped, it is stopped at its next await.
///
/// A runtime of a single thread serves nobody else meanwhile: there it runs where it is, so that a simulation decides
/// the order of everything.
pub(crate) async fn aside<T, F>(work: F) -> Result<T, AsideError>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let work = AssertUnwindSafe(work).catch_unwind();
    let runtime = Handle::current();
    if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return work.await.map_err(panicked);
    }
    let (work, handle) = abortable(carried(work));
    let _stop = StopOnDrop(handle);
    match tokio::task::spawn_blocking(move || runtime.block_on(work)).await {
        Ok(Ok(output)) => output.map_err(panicked),
        Ok(Err(Aborted)) => Err(AsideError::Stopped),
        Err(died) => Err(AsideError::Panicked(died.to_string())),
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> AsideError {
    AsideError::Panicked(panic_words(panic.as_ref()))
}

struct StopOnDrop(AbortHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
