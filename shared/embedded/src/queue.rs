//! The queue in a SQLite file of its own.
//!
//! `synchronous=NORMAL`: after a power cut the last messages may be gone, or come once more. The queue's contract allows
//! both, and the sweeper makes up for what is lost. So sending costs no fsync.
//!
//! Layout 1: one row a message; `visible_at` in microseconds since 1970 UTC, by the clock, since it outlives the process.
//! A receipt is `<id>.<receives>`: it goes stale when the message is received again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clock::Clock;
use meta::{Message, Queue, QueueError};
use model::Micros;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::OpenError;
use crate::lock::FileLock;
use crate::sqlite::{self, Durability};

const LAYOUT: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE messages (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        body       TEXT NOT NULL,
        visible_at INTEGER NOT NULL,
        receives   INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX messages_by_body ON messages (body);
";

/// See the module. A body that still waits to be received is not put a second time.
pub struct SqliteQueue {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    connection: Arc<Mutex<Connection>>,
    _lock: FileLock,
}

impl SqliteQueue {
    /// Opens or creates the file; its folder must be there.
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let lock = FileLock::take(path)?;
        let connection = sqlite::open(path, Durability::Normal, LAYOUT, SCHEMA)?;
        Ok(Self { path: path.to_owned(), clock, connection: Arc::new(Mutex::new(connection)), _lock: lock })
    }

    /// Runs `act` in one transaction, off the async threads.
    async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Transaction<'_>, Micros) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, QueueError> {
        let (connection, now) = (Arc::clone(&self.connection), self.clock.now());
        let task = move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let answer = act(&transaction, now)?;
            transaction.commit()?;
            Ok(answer)
        };
        match tokio::task::spawn_blocking(task).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let error: rusqlite::Error = error;
                let context = sqlite::describe("use", &self.path, &error);
                Err(QueueError { context, source: Some(Box::new(error)) })
            }
            Err(error) => Err(QueueError { context: "a call was cut off".to_owned(), source: Some(Box::new(error)) }),
        }
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn send(&self, bodies: &[String]) -> Result<(), QueueError> {
        let bodies = bodies.to_vec();
        self.act(move |transaction, now| {
            // A message that somebody holds does not count: its holder may have looked before this one was sent.
            let mut put = transaction.prepare_cached(
                "INSERT INTO messages (body, visible_at, receives) SELECT ?1, ?2, 0
                 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE body = ?1 AND visible_at <= ?2)",
            )?;
            for body in &bodies {
                put.execute(params![body, now])?;
            }
            Ok(())
        })
        .await
    }

    async fn receive(&self, max: usize, visibility: Duration) -> Result<Vec<Message>, QueueError> {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.act(move |transaction, now| {
            let mut choose = transaction.prepare_cached(
                "SELECT id, body, receives + 1 FROM messages WHERE visible_at <= ?1 ORDER BY id LIMIT ?2",
            )?;
            let chosen = choose
                .query_map(params![now, max], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<Vec<(i64, String, u32)>, _>>()?;
            let mut hide =
                transaction.prepare_cached("UPDATE messages SET visible_at = ?2, receives = ?3 WHERE id = ?1")?;
            for (id, _, receives) in &chosen {
                hide.execute(params![id, after(now, visibility), receives])?;
            }
            let message = |(id, body, receives)| Message { receipt: format!("{id}.{receives}"), body, receives };
            Ok(chosen.into_iter().map(message).collect())
        })
        .await
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        let (id, receives) = parse_receipt(receipt)?;
        self.act(move |transaction, _| {
            transaction
                .prepare_cached("DELETE FROM messages WHERE id = ?1 AND receives = ?2")?
                .execute(params![id, receives])
                .map(drop)
        })
        .await
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        let (id, receives) = parse_receipt(receipt)?;
        self.act(move |transaction, now| {
            transaction
                .prepare_cached("UPDATE messages SET visible_at = ?3 WHERE id = ?1 AND receives = ?2")?
                .execute(params![id, receives, after(now, visibility)])
                .map(drop)
        })
        .await
    }
}

fn after(now: Micros, visibility: Duration) -> Micros {
    now.saturating_add(Micros::try_from(visibility.as_micros()).unwrap_or(Micros::MAX))
}

/// A receipt that this queue never gave out is a caller's mistake, unlike a stale one.
fn parse_receipt(receipt: &str) -> Result<(i64, u32), QueueError> {
    receipt
        .split_once('.')
        .and_then(|(id, receives)| Some((id.parse().ok()?, receives.parse().ok()?)))
        .ok_or_else(|| QueueError { context: format!("`{receipt}` is no receipt of this queue"), source: None })
}
