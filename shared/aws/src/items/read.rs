//! Reads: one item, one page. Always strongly consistent, and never of what has expired.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use meta::check::{KEY_BYTES_MAX, check_key, check_query, unexpired};
use meta::{Item, ItemKey, Page, SortRange, StoreError};

use super::DynamoItems;
use super::action::UNEXPIRED;
use super::layout::{self, PARTITION_KEY, SORT_KEY, Stored, integer};
use super::tries::Trouble;

impl DynamoItems {
    pub(super) async fn read_item(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        check_key(key)?;
        let call = self.client.get_item().table_name(&self.table).set_key(Some(layout::key(key))).consistent_read(true);
        let mut tries = self.tries("read an item");
        let answer = loop {
            match call.clone().send().await {
                Ok(answer) => break answer,
                Err(error) => tries.again_after(Trouble::of(error)).await.map_err(of_a_read)?,
            }
        };
        let item = answer.item().map(layout::item).transpose()?;
        let now = self.clock.now();
        Ok(item.filter(|item| unexpired(item.expires_at, now)))
    }

    /// DynamoDB counts `limit` before it filters, so a page may hold fewer items, or none, and not be the last.
    pub(super) async fn read_page(
        &self,
        partition: &str,
        range: &SortRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        check_query(partition, range, limit)?;
        let call = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .filter_expression(UNEXPIRED)
            .expression_attribute_values(":now", integer(self.clock.now()))
            .expression_attribute_values(":partition", AttributeValue::S(partition.to_owned()))
            .set_exclusive_start_key(after.and_then(|after| start(partition, after)));
        let Some(call) = within(call, range) else { return Ok(Page::default()) };
        let mut tries = self.tries("read a page");
        let answer = loop {
            match call.clone().send().await {
                Ok(answer) => break answer,
                Err(error) => tries.again_after(Trouble::of(error)).await.map_err(of_a_read)?,
            }
        };
        let items = answer.items().iter().map(layout::item).collect::<Result<_, _>>()?;
        let last = answer.last_evaluated_key().and_then(|key| key.get(SORT_KEY)?.as_s().ok());
        Ok(Page { items, next: last.cloned() })
    }
}

/// A start that no key can be, since a cursor comes from outside: at the first key, or as near as keys get.
fn start(partition: &str, after: &str) -> Option<Stored> {
    let after = &after[..after.floor_char_boundary(KEY_BYTES_MAX)];
    (!after.is_empty()).then(|| layout::key(&ItemKey::new(partition, after)))
}

/// None: nothing lies in such a range, and DynamoDB would refuse it.
fn within(call: QueryFluentBuilder, range: &SortRange) -> Option<QueryFluentBuilder> {
    let text = |text: &String| AttributeValue::S(text.clone());
    let partition = format!("{PARTITION_KEY} = :partition");
    match range {
        SortRange::All => Some(call.key_condition_expression(partition)),
        SortRange::Prefix(prefix) if prefix.is_empty() => Some(call.key_condition_expression(partition)),
        SortRange::Prefix(prefix) => Some(
            call.key_condition_expression(format!("{partition} AND begins_with({SORT_KEY}, :prefix)"))
                .expression_attribute_values(":prefix", text(prefix)),
        ),
        SortRange::Between(first, last) if first > last || last.is_empty() => None,
        SortRange::Between(first, last) if first.is_empty() => Some(
            call.key_condition_expression(format!("{partition} AND {SORT_KEY} <= :last"))
                .expression_attribute_values(":last", text(last)),
        ),
        SortRange::Between(first, last) => Some(
            call.key_condition_expression(format!("{partition} AND {SORT_KEY} BETWEEN :first AND :last"))
                .expression_attribute_values(":first", text(first))
                .expression_attribute_values(":last", text(last)),
        ),
    }
}

/// A read changes nothing, heard or not.
fn of_a_read(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable { context, source, .. } => {
            StoreError::Unavailable { context, may_have_happened: false, source }
        }
        other => other,
    }
}
