//! Many writes and checks, all or nothing.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem, Update};
use clock::{Ids, RandomIds};
use meta::check::{check_key, check_transaction, encode};
use meta::{Operation, StoreError};

use super::DynamoItems;
use super::action::{Action, Over, is_unconditional_put};
use super::tries::{Kind, Trouble};

/// Turns of unconditional puts between items that stand and ones that have expired.
const TURNS_MAX: u32 = 10;

/// What DynamoDB answered to one transaction.
enum Answer {
    Done,
    /// The conditions failed of the operations at these places, and of no others.
    Refused(Vec<usize>),
}

/// What stopped a transaction that DynamoDB cancelled.
struct Cancelled {
    refused: Vec<usize>,
    /// Conflicts and throttling, beside which conditions may have failed that are not named.
    is_busy: bool,
    is_invalid: bool,
}

impl DynamoItems {
    pub(super) async fn write_together(&self, operations: &[Operation]) -> Result<(), StoreError> {
        check_transaction(operations)?;
        for operation in operations {
            match operation {
                Operation::Put { key, attributes, .. } => drop(encode(key, attributes)?),
                Operation::Delete { key, .. } | Operation::Check { key, .. } => check_key(key)?,
            }
        }
        let mut over = vec![Over::Standing; operations.len()];
        for _ in 0..TURNS_MAX {
            let Answer::Refused(places) = self.ask_together(operations, &over).await? else { return Ok(()) };
            // Of an unconditional put only the wrong guess was refused.
            let (guesses, failed): (Vec<_>, Vec<_>) =
                places.into_iter().partition(|place| is_unconditional_put(&operations[*place]));
            if !failed.is_empty() {
                return Err(StoreError::ConditionFailed { failed });
            }
            for place in guesses {
                over[place] = over[place].other();
            }
        }
        Err(StoreError::Unavailable {
            context: "DynamoDB: an item expired and stood again at every try of a transaction".to_owned(),
            may_have_happened: false,
            source: None,
        })
    }

    /// One client token in all tries: one that landed unheard is answered as done by the next.
    async fn ask_together(&self, operations: &[Operation], over: &[Over]) -> Result<Answer, StoreError> {
        let now = self.clock.now();
        let items = operations.iter().zip(over).map(|(operation, over)| {
            self.transact_item(Action::of(operation, *over, None, now)).expect("everything required is set")
        });
        let call = self
            .client
            .transact_write_items()
            .client_request_token(RandomIds.fresh())
            .set_transact_items(Some(items.collect()));
        let mut tries = self.tries("a transaction");
        loop {
            let Err(error) = call.clone().send().await else { return Ok(Answer::Done) };
            let Some(cancelled) = error.as_service_error().and_then(cancelled) else {
                tries.again_after(Trouble::of(error)).await?;
                continue;
            };
            let kind = match cancelled {
                Cancelled { is_invalid: true, .. } => Kind::Invalid,
                Cancelled { is_busy: true, .. } => Kind::Busy,
                Cancelled { refused, .. } => return Ok(Answer::Refused(refused)),
            };
            match tries.again_after(Trouble::of_kind(kind, error)).await {
                Ok(()) => {}
                // Not all that failed are named, but those that are did fail.
                Err(StoreError::Unavailable { .. }) if !cancelled.refused.is_empty() => {
                    return Ok(Answer::Refused(cancelled.refused));
                }
                Err(other) => return Err(other),
            }
        }
    }

    fn transact_item(&self, action: Action) -> Result<TransactWriteItem, BuildError> {
        let item = TransactWriteItem::builder();
        let item = match action {
            Action::Put { item: content, guard } => item.put(
                Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(content))
                    .set_condition_expression(guard.text())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .build()?,
            ),
            Action::Update { key, update, guard } => item.update(
                Update::builder()
                    .table_name(&self.table)
                    .set_key(Some(key))
                    .update_expression(update)
                    .set_condition_expression(guard.text())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .build()?,
            ),
            Action::Delete { key, guard } => item.delete(
                Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(key))
                    .set_condition_expression(guard.text())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .build()?,
            ),
            Action::Check { key, guard } => item.condition_check(
                ConditionCheck::builder()
                    .table_name(&self.table)
                    .set_key(Some(key))
                    .set_condition_expression(guard.text())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .build()?,
            ),
        };
        Ok(item.build())
    }
}

/// None: it was not cancelled, or DynamoDB did not say why.
fn cancelled(error: &TransactWriteItemsError) -> Option<Cancelled> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { return None };
    let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(CancellationReason::code).collect();
    let refused = (0..codes.len()).filter(|place| codes[*place] == Some("ConditionalCheckFailed")).collect();
    let is_any = |wanted: &dyn Fn(&str) -> bool| codes.iter().flatten().any(|code| wanted(code));
    let is_invalid = |code: &str| ["ValidationError", "ItemCollectionSizeLimitExceeded"].contains(&code);
    let is_busy = |code: &str| !["None", "ConditionalCheckFailed"].contains(&code) && !is_invalid(code);
    (!codes.is_empty()).then(|| Cancelled { refused, is_busy: is_any(&is_busy), is_invalid: is_any(&is_invalid) })
}
