//! The metadata store in one SQLite file.
//!
//! One thread writes. It takes every write that waits, decides each one's conditions on its own, and commits them
//! together: many requests share one fsync. Nobody is answered before COMMIT has returned, so a reader sees what it was
//! told. Reads go through connections of their own, which see the last commit.

mod reader;
mod table;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use clock::Clock;
use meta::check::{check_key, check_query, check_transaction};
use meta::{Item, ItemKey, ItemStore, Operation, Page, SortRange, StoreError};

use self::reader::Readers;
use self::table::Write;
use self::writer::Writer;
use crate::OpenError;
use crate::lock::FileLock;
use crate::sqlite::{self, Durability};

/// See the module. Dropping it answers what was submitted, closes the file and gives the lock back.
pub struct SqliteItems {
    // In this order: the connections close before another process may come in.
    writer: Writer,
    readers: Readers,
    _lock: FileLock,
}

impl SqliteItems {
    /// Opens or creates the file; its folder must be there. `clock` decides what has expired.
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let lock = FileLock::take(path)?;
        let connection = sqlite::open(path, Durability::Full, table::LAYOUT, table::SCHEMA)?;
        Ok(Self {
            writer: Writer::start(connection, path, Arc::clone(&clock))?,
            readers: Readers::new(path, clock),
            _lock: lock,
        })
    }
}

#[async_trait]
impl ItemStore for SqliteItems {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        check_key(key)?;
        let key = key.clone();
        self.readers.read(move |connection, now| table::get(connection, &key, now)).await
    }

    async fn write(&self, operation: Operation) -> Result<u64, StoreError> {
        self.writer.submit(vec![Write::try_from(operation)?]).await
    }

    async fn query(
        &self,
        partition: &str,
        range: &SortRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        check_query(partition, range, limit)?;
        let (partition, range, after) = (partition.to_owned(), range.clone(), after.map(str::to_owned));
        self.readers
            .read(move |connection, now| table::query(connection, &partition, &range, after.as_deref(), limit, now))
            .await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        check_transaction(&operations)?;
        let writes = operations.into_iter().map(Write::try_from).collect::<Result<_, _>>()?;
        self.writer.submit(writes).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clock::ManualClock;
    use futures::future::join_all;
    use meta::{Attributes, Condition};
    use rusqlite::Connection;
    use serde_json::json;

    use super::*;

    fn put(partition: &str, sort: &str) -> Operation {
        Operation::put(ItemKey::new(partition, sort), Attributes::from_iter([("a".to_owned(), json!(1))]))
    }

    fn open(folder: &tempfile::TempDir, clock: &Arc<ManualClock>) -> SqliteItems {
        SqliteItems::open(folder.path().join("meta.db"), Arc::clone(clock) as Arc<dyn Clock>).expect("opened")
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_there_after_a_restart() {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), Arc::new(ManualClock::new(0)));
        let items = open(&folder, &clock);
        let writes = (0..500).map(|n| items.write(put("p", &format!("{n:03}")).when(Condition::Absent)));
        assert!(join_all(writes).await.into_iter().all(|version| matches!(version, Ok(1))));
        let second = SqliteItems::open(folder.path().join("meta.db"), clock.clone()).err().expect("in use");
        assert!(matches!(second, OpenError::InUse { pid: Some(_), .. }), "{second}");
        drop(items);
        let items = open(&folder, &clock);
        let page = items.query("p", &SortRange::All, None, 1_000).await.expect("read");
        assert_eq!(page.items.len(), 500);
    }

    #[tokio::test]
    async fn one_refusal_in_a_shared_commit_leaves_the_others_alone() {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), Arc::new(ManualClock::new(0)));
        let items = open(&folder, &clock);
        let writes = (0..100).map(|n| {
            let same = put("p", "contended").when(Condition::Absent);
            items.transact(vec![put("q", &format!("{n:03}")), same])
        });
        let answers = join_all(writes).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for refusal in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert!(matches!(refusal, StoreError::ConditionFailed { failed } if failed == &[1]), "{refusal}");
        }
        let page = items.query("q", &SortRange::All, None, 1_000).await.expect("read");
        assert_eq!(page.items.len(), 1, "a refused transaction changes nothing");
    }

    #[tokio::test]
    async fn a_full_disk_is_named_and_nothing_of_the_commit_stays() {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), Arc::new(ManualClock::new(0)));
        let path = folder.path().join("meta.db");
        let connection = sqlite::open(&path, Durability::Full, table::LAYOUT, table::SCHEMA).expect("opened");
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("asked");
        connection.pragma_update(None, "max_page_count", pages + 4).expect("set");
        let writer = Writer::start(connection, &path, clock.clone()).expect("started");
        let big = |n: usize| {
            let text = "x".repeat(9_000);
            let key = ItemKey::new("p", n.to_string());
            Operation::put(key, Attributes::from_iter([("a".to_owned(), json!(text))]))
        };
        let answers = join_all((0..4).map(|n| {
            let write = Write::try_from(big(n)).expect("fits");
            writer.submit(vec![write])
        }))
        .await;
        let errors: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert!(!errors.is_empty());
        for error in &errors {
            assert!(error.to_string().contains("disk full: cannot write"), "{error}");
        }
        let there: usize = Connection::open(&path)
            .and_then(|c| c.query_row("SELECT count(*) FROM items", [], |row| row.get::<_, i64>(0)))
            .expect("counted") as usize;
        assert_eq!(there, answers.len() - errors.len(), "what was refused is not there");
    }

    #[tokio::test]
    async fn expired_items_leave_the_file() {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), Arc::new(ManualClock::new(0)));
        let items = open(&folder, &clock);
        for n in 0..10 {
            items.write(put("p", &n.to_string()).expiring(1_000 + n)).await.expect("put");
        }
        clock.advance(Duration::from_secs(61));
        // The first write after the pause is followed by a sweep, which is over before the next write is taken.
        items.write(put("q", "a")).await.expect("put");
        items.write(put("q", "b")).await.expect("put");
        let rows: i64 = Connection::open(folder.path().join("meta.db"))
            .and_then(|c| c.query_row("SELECT count(*) FROM items", [], |row| row.get(0)))
            .expect("counted");
        assert_eq!(rows, 2);
    }
}
