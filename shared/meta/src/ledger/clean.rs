//! Cleaning after a commit: three separate, repeatable passes, never one transaction.
//!
//! First the mark is raised, later the `live#` items go, later the `batch#`. A reader that finds the mark above its
//! snapshot starts over, so it never misses what was cleaned between its two reads.

use model::safeguard::{Safeguard, holds};
use model::{SegmentId, TableId};
use serde_json::json;

use super::{Ledger, batch_key, live_key, named_key};
use crate::{Attributes, Condition, Operation, StoreError, TRANSACTION_ITEMS_MAX};

impl Ledger {
    /// The highest seq whose `live#` items may be gone; 0: none.
    pub async fn clean_mark(&self, table: &TableId) -> Result<u64, StoreError> {
        let Some(item) = self.store.get(&named_key(table, "mark")).await? else { return Ok(0) };
        item.attributes
            .get("clean")
            .and_then(serde_json::Value::as_u64)
            .ok_or_else(|| StoreError::Invalid(format!("the mark of {table} has no `clean`")))
    }

    /// Raises the mark to `seq`, never lowers it: on condition that it is lower. Higher already: no error.
    pub async fn raise_mark(&self, table: &TableId, seq: u64) -> Result<(), StoreError> {
        let key = named_key(table, "mark");
        let put = Operation::put(key, Attributes::from_iter([("clean".to_owned(), json!(seq))]));
        if !holds(Safeguard::MarkNeverLowered) {
            return self.store.write(put).await.map(drop);
        }
        let below = i64::try_from(seq).map_err(|_| StoreError::Invalid(format!("seq {seq}")))?;
        for condition in [Condition::Below("clean", below), Condition::Absent] {
            match self.store.write(put.clone().when(condition)).await {
                Err(error) if error.is_condition() => {}
                other => return other.map(drop),
            }
        }
        Ok(())
    }

    /// Deletes `live#` items of a committed batch whose seq the mark covers. Repeatable; any part of them may be gone.
    pub async fn delete_live(&self, table: &TableId, segments: &[SegmentId]) -> Result<(), StoreError> {
        for chunk in segments.chunks(TRANSACTION_ITEMS_MAX) {
            let deletes = chunk.iter().map(|id| Operation::delete(live_key(table, id))).collect();
            self.store.transact(deletes).await?;
        }
        Ok(())
    }

    /// Deletes the `batch#` of a committed batch, after its last `live#` item is gone. Repeatable.
    pub async fn delete_batch(&self, table: &TableId, seq: u64) -> Result<(), StoreError> {
        let delete = Operation::delete(batch_key(table, seq)).when(Condition::Equals("state", json!("committed")));
        match self.store.write(delete).await {
            Err(error) if error.is_condition() => Ok(()),
            other => other.map(drop),
        }
    }
}
