//! The table of items, and every statement on it.
//!
//! Layout 1: one row an item. `attributes` is JSON text, `expires_at` microseconds since 1970 UTC or null. Text compares
//! by its bytes, as sort keys must.

use meta::check::{check_key, decode, encode, unexpired};
use meta::{Condition, Item, ItemKey, Operation, Page, SortRange, StoreError};
use model::Micros;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) const LAYOUT: i64 = 1;

pub(super) const SCHEMA: &str = "
    CREATE TABLE items (
        partition  TEXT NOT NULL,
        sort       TEXT NOT NULL,
        version    INTEGER NOT NULL,
        expires_at INTEGER,
        attributes TEXT NOT NULL,
        PRIMARY KEY (partition, sort)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX items_by_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;
";

/// A page ends when it holds this much, as DynamoDB's do: callers must follow `next`.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// What a statement ran into: the database, or an item that does not read.
#[derive(Debug)]
pub(super) enum Trouble {
    Sqlite(rusqlite::Error),
    Item(StoreError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Item(error)
    }
}

/// An operation that was checked and made text, off the writer's thread.
pub(super) struct Write {
    key: ItemKey,
    act: Act,
    conditions: Vec<Condition>,
}

enum Act {
    Put { attributes: String, expires_at: Option<Micros> },
    Delete,
    Check,
}

impl TryFrom<Operation> for Write {
    type Error = StoreError;

    fn try_from(operation: Operation) -> Result<Self, StoreError> {
        check_key(operation.key())?;
        Ok(match operation {
            Operation::Put { key, attributes, expires_at, conditions } => {
                let attributes = encode(&key, &attributes)?;
                Self { key, act: Act::Put { attributes, expires_at }, conditions }
            }
            Operation::Delete { key, conditions } => Self { key, act: Act::Delete, conditions },
            Operation::Check { key, conditions } => Self { key, act: Act::Check, conditions },
        })
    }
}

/// All of `writes` or none, conditions included, inside a transaction that the caller commits.
///
/// Every condition is decided before the first change: the keys differ, so none can hang on another. The version that
/// the last put now has; 0 after a delete.
pub(super) fn apply(connection: &Connection, writes: &[Write], now: Micros) -> Result<u64, Trouble> {
    let mut failed = Vec::new();
    for (place, write) in writes.iter().enumerate() {
        if !write.conditions.is_empty() {
            let stood = get(connection, &write.key, now)?;
            if !write.conditions.iter().all(|condition| condition.holds(stood.as_ref())) {
                failed.push(place);
            }
        }
    }
    if !failed.is_empty() {
        return Err(StoreError::ConditionFailed { failed }.into());
    }
    let mut version = 0;
    for write in writes {
        version = match &write.act {
            Act::Put { attributes, expires_at } => put(connection, &write.key, attributes, *expires_at, now)?,
            Act::Delete => delete(connection, &write.key)?,
            Act::Check => 0,
        };
    }
    Ok(version)
}

pub(super) fn get(connection: &Connection, key: &ItemKey, now: Micros) -> Result<Option<Item>, Trouble> {
    let mut statement = connection
        .prepare_cached("SELECT sort, version, expires_at, attributes FROM items WHERE partition = ?1 AND sort = ?2")?;
    let found = statement.query_row(params![key.partition, key.sort], Found::read).optional()?;
    match found {
        Some(found) if unexpired(found.expires_at, now) => Ok(Some(found.into_item(&key.partition)?)),
        _ => Ok(None),
    }
}

/// At most `limit` items; rows are read one by one, so what is not returned costs nothing.
pub(super) fn query(
    connection: &Connection,
    partition: &str,
    range: &SortRange,
    after: Option<&str>,
    limit: usize,
    now: Micros,
) -> Result<Page, Trouble> {
    let first = match range {
        SortRange::All => "",
        SortRange::Prefix(prefix) => prefix,
        SortRange::Between(first, _) => first,
    };
    let within = |sort: &str| match range {
        SortRange::All => true,
        SortRange::Prefix(prefix) => sort.starts_with(prefix.as_str()),
        SortRange::Between(_, last) => sort <= last.as_str(),
    };
    let mut statement = connection.prepare_cached(
        "SELECT sort, version, expires_at, attributes FROM items
         WHERE partition = ?1 AND sort >= ?2 AND sort > ?3 ORDER BY sort",
    )?;
    let mut rows = statement.query(params![partition, first, after.unwrap_or_default()])?;
    let mut page = Page::default();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let found = Found::read(row)?;
        if !within(&found.sort) {
            break;
        }
        if !unexpired(found.expires_at, now) {
            continue;
        }
        if page.items.len() == limit || bytes >= PAGE_BYTES_MAX {
            page.next = page.items.last().map(|item: &Item| item.key.sort.clone());
            break;
        }
        bytes += found.sort.len() + found.attributes.len();
        page.items.push(found.into_item(partition)?);
    }
    Ok(page)
}

/// Removes at most `rows_max` items that have expired; how many it removed.
pub(super) fn sweep(connection: &Connection, now: Micros, rows_max: u32) -> Result<usize, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM items WHERE (partition, sort) IN
         (SELECT partition, sort FROM items WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?;
    statement.execute(params![now, rows_max])
}

/// A put over an expired item starts at version 1 again: nothing stood there.
fn put(
    connection: &Connection,
    key: &ItemKey,
    attributes: &str,
    expires_at: Option<Micros>,
    now: Micros,
) -> Result<u64, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO items (partition, sort, version, expires_at, attributes) VALUES (?1, ?2, 1, ?3, ?4)
         ON CONFLICT (partition, sort) DO UPDATE SET
             version = iif(expires_at <= ?5, 1, version + 1),
             expires_at = excluded.expires_at,
             attributes = excluded.attributes
         RETURNING version",
    )?;
    let values = params![key.partition, key.sort, expires_at, attributes, now];
    statement.query_row(values, |row| version_of(row.get(0)?))
}

fn delete(connection: &Connection, key: &ItemKey) -> Result<u64, rusqlite::Error> {
    let mut statement = connection.prepare_cached("DELETE FROM items WHERE partition = ?1 AND sort = ?2")?;
    statement.execute(params![key.partition, key.sort])?;
    Ok(0)
}

fn version_of(stored: i64) -> Result<u64, rusqlite::Error> {
    u64::try_from(stored).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, stored))
}

struct Found {
    sort: String,
    version: u64,
    expires_at: Option<Micros>,
    attributes: String,
}

impl Found {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            sort: row.get(0)?,
            version: version_of(row.get(1)?)?,
            expires_at: row.get(2)?,
            attributes: row.get(3)?,
        })
    }

    fn into_item(self, partition: &str) -> Result<Item, StoreError> {
        let key = ItemKey::new(partition, self.sort);
        let attributes = decode(&key, &self.attributes)?;
        Ok(Item { key, attributes, version: self.version, expires_at: self.expires_at })
    }
}
