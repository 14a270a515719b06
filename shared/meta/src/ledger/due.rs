//! Which tables have anything left to do: all that the sweeper reads.
//!
//! Partition `due`, sort key `<project>/<table>`. Every put draws a fresh token, by which a pass knows that nothing was
//! put since it looked.

use std::time::Duration;

use model::safeguard::{Safeguard, holds};
use model::{Micros, ProjectId, TableId, TableName};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Ledger, attributes, parse};
use crate::{Condition, Item, ItemKey, Operation, SortRange, StoreError, query_all};

/// A `due` item younger than this is left alone: a producer may be between its segment and its `live#`.
const SETTLE_AGE: Duration = Duration::from_secs(5 * 60);
const PARTITION: &str = "due";

/// A table with anything left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub table: TableId,
    pub since: Micros,
    token: String,
}

/// Stored as `{"since": micros, "token": "..."}`.
#[derive(Serialize, Deserialize)]
struct Stored {
    since: Micros,
    token: String,
}

impl Ledger {
    /// Says that a table has something to do. After `live#` was put and before the 200.
    pub async fn put_due(&self, table: &TableId) -> Result<(), StoreError> {
        let stored = Stored { since: self.clock.now(), token: self.ids.fresh() };
        self.store.write(Operation::put(due_key(table), attributes(&stored))).await.map(drop)
    }

    /// Every table with anything left to do. An item that does not read, such as one of a table that only a newer version
    /// knows, is left alone and said; it does not keep the others from being swept.
    pub async fn due_tables(&self) -> Result<Vec<Due>, StoreError> {
        let items = query_all(self.store.as_ref(), PARTITION, &SortRange::All).await?;
        let read = items.iter().filter_map(|item| match due_of_item(item) {
            Ok(due) => Some(due),
            Err(error) => {
                tracing::warn!(%error, "a due item is skipped");
                None
            }
        });
        Ok(read.collect())
    }

    /// The `due` item of one table.
    pub async fn due_of(&self, table: &TableId) -> Result<Option<Due>, StoreError> {
        self.store.get(&due_key(table)).await?.as_ref().map(due_of_item).transpose()
    }

    /// Removes a `due` item that was read *before* a ledger read which found nothing left.
    ///
    /// Only if it was then older than five minutes, and on condition that it is still the very same. Otherwise it stays,
    /// for a later pass. True if it is gone.
    pub async fn settle_due(&self, due: &Due, read_at: Micros) -> Result<bool, StoreError> {
        let age = Micros::try_from(SETTLE_AGE.as_micros()).unwrap_or(Micros::MAX);
        if read_at - due.since < age && holds(Safeguard::DueSettledOldOnly) {
            return Ok(false);
        }
        let unchanged = Condition::Equals("token", json!(due.token));
        let delete = Operation::delete(due_key(&due.table)).when_safe(Safeguard::DueSettledUnchanged, unchanged);
        match self.store.write(delete).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_condition() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn due_of_item(item: &Item) -> Result<Due, StoreError> {
    let Stored { since, token } = parse(item)?;
    Ok(Due { table: table_of(&item.key.sort)?, since, token })
}

fn due_key(table: &TableId) -> ItemKey {
    ItemKey::new(PARTITION, table.to_string())
}

fn table_of(sort: &str) -> Result<TableId, StoreError> {
    let invalid = || StoreError::Invalid(format!("due item `{sort}` names no table"));
    let (project, table) = sort.split_once('/').ok_or_else(invalid)?;
    let project = ProjectId::parse(project).map_err(|_| invalid())?;
    let table: TableName = table.parse().map_err(|_| invalid())?;
    Ok(TableId::new(project, table))
}
