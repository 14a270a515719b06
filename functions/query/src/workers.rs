//! Threads of their own for queries: heavy operators must not hold up whoever else lives in the process, least of all ingest.

use std::future::Future;

use model::panic_words;
use model::safeguard::carried;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Plans nest deeply, and recursion goes with them. Memory is taken only as far as a stack was ever used.
const STACK_BYTES: usize = 64 << 20;

/// A runtime that may be dropped anywhere.
pub(crate) struct Workers {
    /// Taken when dropped only.
    runtime: Option<Runtime>,
}

/// A task that ends when nobody waits for it any more.
pub(crate) struct Working<T> {
    /// None: it was waited for, or left.
    task: Option<JoinHandle<T>>,
}

impl Workers {
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads.max(1)).thread_name("query").thread_stack_size(STACK_BYTES).enable_all();
        Ok(Self { runtime: Some(builder.build()?) })
    }

    pub(crate) fn spawn<F>(&self, work: F) -> Working<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let runtime = self.runtime.as_ref().expect("taken when dropped only");
        Working { task: Some(runtime.spawn(carried(work))) }
    }
}

impl Drop for Workers {
    /// Does not wait: a runtime that waits for its tasks must not be dropped inside another.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<T> Working<T> {
    /// The result, or the words of the panic that ended it.
    pub(crate) async fn done(&mut self) -> Result<T, String> {
        let Some(task) = &mut self.task else { return Err("its result was taken already".to_owned()) };
        let done = task.await;
        self.task = None;
        match done {
            Ok(result) => Ok(result),
            Err(error) if error.is_panic() => Err(panic_words(error.into_panic().as_ref())),
            Err(_) => Err("the query was stopped with the server".to_owned()),
        }
    }

    /// Lets it end by itself, though nobody waits for it.
    pub(crate) fn leave(&mut self) {
        self.task = None;
    }
}

impl<T> Drop for Working<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_words_and_the_threads_may_be_dropped_anywhere() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let workers = Workers::start(1).expect("threads");
            assert_eq!(workers.spawn(async { 1 + 1 }).done().await, Ok(2));
            let mut panics = workers.spawn(async { assert_eq!(1, 2, "on purpose") });
            assert!(panics.done().await.expect_err("panicked").contains("on purpose"));
            drop(workers);
        });
    }
}
