//! Reads, each on a connection of its own and off the async threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clock::Clock;
use meta::StoreError;
use model::Micros;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::table::Trouble;
use crate::sqlite;

/// Most reads at a time; further ones wait.
const READERS_MAX: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path, clock: Arc<dyn Clock>) -> Self {
        let permits = Arc::new(Semaphore::new(READERS_MAX));
        Self { path: path.to_owned(), clock, idle: Arc::default(), permits }
    }

    /// Runs `read` on the last committed state. It is given the time by which things have expired.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, Micros) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed while we hold it");
        let (path, idle, now) = (self.path.clone(), Arc::clone(&self.idle), self.clock.now());
        let task = move || {
            // Held until the connection is back, so that there are never more connections than permits.
            let _permit = permit;
            let take = || idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let unread = |error: &rusqlite::Error| sqlite::describe("read", &path, error);
            let connection = match take() {
                Some(connection) => connection,
                None => sqlite::open_reader(&path).map_err(|error| unavailable(unread(&error), error))?,
            };
            let answer = read(&connection, now).map_err(|trouble| match trouble {
                Trouble::Sqlite(error) => unavailable(unread(&error), error),
                Trouble::Item(error) => error,
            });
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            answer
        };
        match tokio::task::spawn_blocking(task).await {
            Ok(answer) => answer,
            Err(error) => Err(unavailable("a read was cut off".to_owned(), error)),
        }
    }
}

fn unavailable(context: String, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable { context, may_have_happened: false, source: Some(source.into()) }
}
