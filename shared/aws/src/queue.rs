//! The queue on SQS, standard: at least once, in no order, with a visibility time-out.
//!
//! SQS counts in whole seconds; a part of one counts as one. In the cloud an event source mapping receives and deletes;
//! only ingest sends, one call for each ten messages.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityError;
use aws_sdk_sqs::types::{MessageSystemAttributeName, SendMessageBatchRequestEntry};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use meta::{Message, Queue, QueueError};

use crate::fault::fault;
use crate::{Cloud, Service};

/// Most messages of one call, to send or to receive, as SQS limits it.
const CALL_MESSAGES_MAX: usize = 10;
/// A receive waits this long for a message: with any wait at all SQS asks all its servers, not a sample of them.
const RECEIVE_WAIT_S: i32 = 1;
/// Longest time that SQS hides a message.
const VISIBILITY_S_MAX: u64 = 12 * 3_600;

impl Cloud {
    /// The queue at a URL, as `sam deploy` names it.
    pub fn queue(&self, url: &str) -> Arc<dyn Queue> {
        Arc::new(SqsQueue { client: Client::new(&self.config(Service::Sqs)), url: url.to_owned() })
    }
}

struct SqsQueue {
    client: Client,
    url: String,
}

#[async_trait]
impl Queue for SqsQueue {
    /// Every batch is sent, also after one that failed; the error names how many messages SQS did not take.
    async fn send(&self, bodies: &[String]) -> Result<(), QueueError> {
        let mut refused = Refused::default();
        for batch in bodies.chunks(CALL_MESSAGES_MAX) {
            self.send_batch(batch, &mut refused).await;
        }
        refused.of(bodies.len())
    }

    async fn receive(&self, max: usize, visibility: Duration) -> Result<Vec<Message>, QueueError> {
        let max = max.min(CALL_MESSAGES_MAX);
        if max == 0 {
            return Ok(Vec::new());
        }
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(max as i32)
            .visibility_timeout(seconds(visibility))
            .wait_time_seconds(RECEIVE_WAIT_S)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| failed("receive", error))?;
        answer.messages.unwrap_or_default().into_iter().map(message).collect()
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        let call = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
        call.send().await.map(drop).map_err(|error| failed("delete a message", error))
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        let call = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
        match call.visibility_timeout(seconds(visibility)).send().await {
            Err(error) if error.as_service_error().is_some_and(is_stale) => Ok(()),
            other => other.map(drop).map_err(|error| failed("hide a message for longer", error)),
        }
    }
}

impl SqsQueue {
    async fn send_batch(&self, bodies: &[String], refused: &mut Refused) {
        let entry = |(place, body): (usize, &String)| {
            let entry = SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(body);
            entry.build().expect("id and body are set")
        };
        let entries = bodies.iter().enumerate().map(entry).collect();
        match self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await {
            Ok(answer) => {
                for entry in answer.failed() {
                    refused.note(1, || format!("{}: {}", entry.code(), entry.message().unwrap_or_default()));
                }
            }
            Err(error) => refused.note(bodies.len(), || fault(error).to_string()),
        }
    }
}

/// Messages that were not taken, and why the first of them was not.
#[derive(Default)]
struct Refused {
    count: usize,
    why: String,
}

impl Refused {
    fn note(&mut self, count: usize, why: impl FnOnce() -> String) {
        if self.count == 0 {
            self.why = why();
        }
        self.count += count;
    }

    fn of(self, all: usize) -> Result<(), QueueError> {
        if self.count == 0 {
            return Ok(());
        }
        let context = format!("SQS did not take {} of {all} messages: {}", self.count, self.why);
        Err(QueueError { context, source: None })
    }
}

fn message(received: aws_sdk_sqs::types::Message) -> Result<Message, QueueError> {
    let receives = received.attributes().and_then(|a| a.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    let receives = receives.and_then(|count| count.parse().ok());
    match (received.receipt_handle, received.body, receives) {
        (Some(receipt), Some(body), Some(receives)) => Ok(Message { receipt, body, receives }),
        _ => Err(QueueError { context: "SQS gave a message without receipt, body or count".to_owned(), source: None }),
    }
}

/// The message is gone, or visible again: whoever holds this receipt holds nothing. SQS has had three ways to say so.
fn is_stale(error: &ChangeMessageVisibilityError) -> bool {
    error.is_message_not_inflight()
        || error.is_receipt_handle_is_invalid()
        || error.code() == Some("InvalidParameterValue")
}

fn seconds(visibility: Duration) -> i32 {
    let whole = visibility.as_millis().div_ceil(1_000).min(u128::from(VISIBILITY_S_MAX));
    i32::try_from(whole).expect("twelve hours fit")
}

fn failed<E>(act: &str, error: SdkError<E, HttpResponse>) -> QueueError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let fault = fault(error);
    QueueError { context: format!("SQS: {act}: {fault}"), source: Some(Box::new(fault)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_counts_as_one_and_twelve_hours_are_the_most() {
        let cases = [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (43_200_000, 43_200), (90_000_000, 43_200)];
        for (millis, expected) in cases {
            assert_eq!(seconds(Duration::from_millis(millis)), expected, "{millis} ms");
        }
    }

    #[test]
    fn what_was_not_taken_is_counted_and_the_first_reason_named() {
        let mut refused = Refused::default();
        assert!(Refused::default().of(3).is_ok());
        refused.note(1, || "InternalError: x".to_owned());
        refused.note(10, || "later".to_owned());
        let error = refused.of(20).expect_err("some were not taken").to_string();
        assert!(error.contains("11 of 20 messages: InternalError: x"), "{error}");
    }
}
