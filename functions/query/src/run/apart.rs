//! Planning, on threads of its own. It does not pause, so that nothing else could stop it waiting or run beside it.

use std::future::Future;
use std::sync::Arc;

use model::safeguard::carried;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::panicked;
use super::running::Running;
use crate::error::QueryError;

/// Does the work on a thread of its own, which keeps the query's place until it ends. If nobody waits any more, that is at the
/// next pause of the work.
pub(super) async fn apart<T: Send + 'static>(
    running: &Arc<Running>,
    work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
) -> Result<T, QueryError> {
    let (_waiting, abandoned) = oneshot::channel::<()>();
    let work = carried(work);
    let (runtime, running) = (Handle::current(), Arc::clone(running));
    let thread = tokio::task::spawn_blocking(move || {
        let _running = running;
        runtime.block_on(async {
            tokio::select! {
                biased;
                done = work => done,
                _ = abandoned => Err(QueryError::internal("nobody waits for the plan any more")),
            }
        })
    });
    thread.await.map_err(|error| panicked(error.to_string()))?
}
