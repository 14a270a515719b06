//! One put or delete, as a call of its own.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use clock::{Ids, RandomIds};
use meta::check::{check_key, encode};
use meta::{Operation, StoreError};

use super::DynamoItems;
use super::action::{Action, Over, is_unconditional_put};
use super::layout::{self, Stored, TAG, VERSION};
use super::tries::Trouble;

/// Turns of an unconditional put between an item that stands and one that has expired.
const TURNS_MAX: u32 = 10;

/// What DynamoDB answered to one write.
enum Answer {
    /// The version that the item now has; 0 after a delete.
    Done(u64),
    /// The condition failed, of what stands there. An earlier try may have gone unheard.
    Refused { stands: Option<Stored>, unheard: bool },
}

impl DynamoItems {
    pub(super) async fn write_one(&self, operation: &Operation) -> Result<u64, StoreError> {
        match operation {
            Operation::Put { key, attributes, .. } => drop(encode(key, attributes)?),
            Operation::Delete { key, .. } => check_key(key)?,
            Operation::Check { .. } => return self.write_together(std::slice::from_ref(operation)).await.map(|()| 0),
        }
        let tag = RandomIds.fresh();
        let mut over = Over::Standing;
        for _ in 0..TURNS_MAX {
            let action = Action::of(operation, over, Some(&tag), self.clock.now());
            match self.ask(&action).await? {
                Answer::Done(version) => return Ok(version),
                Answer::Refused { stands: Some(ours), .. } if is_tagged(&ours, &tag) => {
                    return layout::item(&ours).map(|item| item.version);
                }
                // Only the wrong guess refuses it.
                Answer::Refused { .. } if is_unconditional_put(operation) => over = over.other(),
                Answer::Refused { unheard: true, .. } => return Err(unheard()),
                Answer::Refused { unheard: false, .. } => return Err(StoreError::ConditionFailed { failed: vec![0] }),
            }
        }
        Err(StoreError::Unavailable {
            context: "DynamoDB: an item expired and stood again at every try to put it".to_owned(),
            may_have_happened: true,
            source: None,
        })
    }

    async fn ask(&self, action: &Action) -> Result<Answer, StoreError> {
        let mut tries = self.tries("write an item");
        loop {
            let trouble = match self.ask_once(action).await {
                Ok(Answer::Refused { stands, .. }) => return Ok(Answer::Refused { stands, unheard: tries.unheard }),
                Ok(done) => return Ok(done),
                Err(trouble) => trouble,
            };
            tries.again_after(trouble).await?;
        }
    }

    async fn ask_once(&self, action: &Action) -> Result<Answer, Trouble> {
        let old = ReturnValuesOnConditionCheckFailure::AllOld;
        match action {
            Action::Put { item, guard } => {
                let call = self
                    .client
                    .put_item()
                    .table_name(&self.table)
                    .set_item(Some(item.clone()))
                    .set_condition_expression(guard.text())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .return_values_on_condition_check_failure(old);
                let done = call.send().await.map(|_| Answer::Done(version_in(item)));
                done.or_else(refused)
            }
            Action::Update { key, update, guard } => {
                let call = self
                    .client
                    .update_item()
                    .table_name(&self.table)
                    .set_key(Some(key.clone()))
                    .update_expression(update)
                    .set_condition_expression(guard.text())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .return_values(ReturnValue::UpdatedNew)
                    .return_values_on_condition_check_failure(old);
                let done = call.send().await.map(|done| Answer::Done(done.attributes().map_or(0, version_in)));
                done.or_else(refused)
            }
            Action::Delete { key, guard } => {
                let call = self
                    .client
                    .delete_item()
                    .table_name(&self.table)
                    .set_key(Some(key.clone()))
                    .set_condition_expression(guard.text())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .return_values_on_condition_check_failure(old);
                let done = call.send().await.map(|_| Answer::Done(0));
                done.or_else(refused)
            }
            Action::Check { .. } => unreachable!("a check goes as a transaction"),
        }
    }
}

/// The three errors that carry the same refusal.
trait Refusal {
    fn as_refusal(&self) -> Option<&ConditionalCheckFailedException>;
}

impl Refusal for PutItemError {
    fn as_refusal(&self) -> Option<&ConditionalCheckFailedException> {
        if let Self::ConditionalCheckFailedException(refusal) = self { Some(refusal) } else { None }
    }
}

impl Refusal for UpdateItemError {
    fn as_refusal(&self) -> Option<&ConditionalCheckFailedException> {
        if let Self::ConditionalCheckFailedException(refusal) = self { Some(refusal) } else { None }
    }
}

impl Refusal for DeleteItemError {
    fn as_refusal(&self) -> Option<&ConditionalCheckFailedException> {
        if let Self::ConditionalCheckFailedException(refusal) = self { Some(refusal) } else { None }
    }
}

/// A failed condition is an answer; anything else is trouble.
fn refused<E>(error: SdkError<E, HttpResponse>) -> Result<Answer, Trouble>
where
    E: Refusal + std::error::Error + ProvideErrorMetadata + 'static,
{
    match error.as_service_error().and_then(Refusal::as_refusal) {
        Some(refusal) => Ok(Answer::Refused { stands: refusal.item.clone(), unheard: false }),
        None => Err(Trouble::of(error)),
    }
}

fn is_tagged(item: &Stored, tag: &str) -> bool {
    item.get(TAG).and_then(|found| found.as_s().ok()).is_some_and(|found| found == tag)
}

/// 0: none is told.
fn version_in(item: &Stored) -> u64 {
    item.get(VERSION).and_then(|version| version.as_n().ok()?.parse().ok()).unwrap_or(0)
}

fn unheard() -> StoreError {
    StoreError::Unavailable {
        context: "DynamoDB: write an item: a try was not answered, and after it the condition failed".to_owned(),
        may_have_happened: true,
        source: None,
    }
}
