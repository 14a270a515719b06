//! The event source mapping between a queue and a function, as Lambda's pollers do it: messages are gathered up to a batch
//! size within a window, handed over as one SQS event, and deleted unless the function says of each that it failed. Whatever
//! is not deleted comes back when its visibility runs out; the redrive to the dead-letter queue is the queue's own work.
//!
//! SQS promises neither an order nor a single delivery, and an emulator gives both: [`Trouble`] takes them away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use clock::{Clock, SystemClock};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::REGION;
use super::invocation::{Answer, InvokeError};
use super::lambda::Lambda;

/// The most that SQS gives or deletes in one call.
const SQS_BATCH_MAX: usize = 10;
/// The longest that one call waits for a message.
const WAIT_SECONDS: i32 = 1;
/// Before a queue that could not be read is read again, and before a throttled function is invoked again.
const PAUSE: Duration = Duration::from_millis(200);
/// A function that stays throttled for so long has failed.
const THROTTLED_TRIES_MAX: u32 = 100;

/// As a template has it.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub function: String,
    pub queue_url: String,
    pub queue_arn: String,
    pub batch_size: usize,
    /// From the first message of a batch.
    pub window: Duration,
    pub concurrency_max: usize,
}

/// What SQS may do and an emulator does not; the default does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    pub seed: u64,
    /// Of a hundred messages so many are delivered once more, later.
    pub duplicates_percent: u32,
    /// Of a hundred messages so many are held back for a later batch; the others are shuffled.
    pub held_back_percent: u32,
}

/// Polls until it is dropped.
pub struct Polling {
    tasks: Vec<AbortHandle>,
    mapping: Arc<Poller>,
}

struct Poller {
    mapping: Mapping,
    sqs: aws_sdk_sqs::Client,
    lambda: Arc<Lambda>,
    trouble: Mutex<Troubled>,
}

struct Troubled {
    trouble: Trouble,
    dice: StdRng,
    /// For the next batch.
    later: Vec<Message>,
}

impl Polling {
    pub fn start(mapping: Mapping, sqs: aws_sdk_sqs::Client, lambda: Arc<Lambda>) -> Self {
        let trouble = Mutex::new(Troubled::of(Trouble::default()));
        let mapping = Arc::new(Poller { mapping, sqs, lambda, trouble });
        let poller = |_| tokio::spawn(Arc::clone(&mapping).poll()).abort_handle();
        let tasks = (0..mapping.mapping.concurrency_max).map(poller).collect();
        Self { tasks, mapping }
    }

    /// From the next batch on.
    pub fn trouble(&self, trouble: Trouble) {
        let mut troubled = self.mapping.trouble.lock().expect("not poisoned");
        let later = std::mem::take(&mut troubled.later);
        *troubled = Troubled { later, ..Troubled::of(trouble) };
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Troubled {
    fn of(trouble: Trouble) -> Self {
        Self { trouble, dice: StdRng::seed_from_u64(trouble.seed), later: Vec::new() }
    }

    /// What is delivered now, of what came and of what was held back.
    fn bend(&mut self, came: Vec<Message>) -> Vec<Message> {
        let Trouble { duplicates_percent, held_back_percent, .. } = self.trouble;
        let mut now = std::mem::take(&mut self.later);
        for message in came {
            if self.dice.random_range(0..100) < duplicates_percent {
                self.later.push(message.clone());
            }
            if self.dice.random_range(0..100) < held_back_percent {
                self.later.push(message);
            } else {
                now.push(message);
            }
        }
        if held_back_percent > 0 {
            now.shuffle(&mut self.dice);
        }
        now
    }
}

impl Poller {
    async fn poll(self: Arc<Self>) {
        loop {
            let came = self.gather().await;
            let batch = self.trouble.lock().expect("not poisoned").bend(came);
            if !batch.is_empty() {
                self.deliver(&batch).await;
            }
        }
    }

    async fn gather(&self) -> Vec<Message> {
        let mut batch = Vec::new();
        let mut until = None;
        while batch.len() < self.mapping.batch_size && until.is_none_or(|until| SystemClock.uptime() < until) {
            let room = (self.mapping.batch_size - batch.len()).min(SQS_BATCH_MAX);
            match self.receive(room).await {
                Ok(came) if came.is_empty() && batch.is_empty() => break,
                Ok(came) => {
                    batch.extend(came);
                    until.get_or_insert_with(|| SystemClock.uptime() + self.mapping.window);
                }
                // The queue is away, or about to be made.
                Err(_) => {
                    SystemClock.sleep(PAUSE).await;
                    break;
                }
            }
        }
        batch
    }

    async fn receive(&self, n_max: usize) -> Result<Vec<Message>, aws_sdk_sqs::Error> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.mapping.queue_url)
            .max_number_of_messages(i32::try_from(n_max).expect("at most ten"))
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await?;
        Ok(received.messages.unwrap_or_default())
    }

    async fn deliver(&self, batch: &[Message]) {
        let event = json!({ "Records": batch.iter().map(|message| self.record(message)).collect::<Vec<_>>() });
        let event = bytes::Bytes::from(event.to_string());
        let what = format!("sqs {}", batch.len());
        for _ in 0..THROTTLED_TRIES_MAX {
            let answer = match self.lambda.invoke(&self.mapping.function, &what, event.clone()).await {
                Err(InvokeError::Throttled) => {
                    SystemClock.sleep(PAUSE).await;
                    continue;
                }
                Ok(Answer::Whole(answer)) => answer,
                // None of them is deleted.
                Ok(Answer::Streamed(_)) | Err(_) => return,
            };
            self.delete(&done(&answer, batch)).await;
            return;
        }
    }

    fn record(&self, message: &Message) -> Value {
        let system = message.attributes().into_iter().flatten();
        let attributes: serde_json::Map<_, _> =
            system.map(|(name, value)| (name.as_str().to_owned(), value.clone().into())).collect();
        let own = message.message_attributes().into_iter().flatten().map(|(name, value)| {
            let value = json!({ "stringValue": value.string_value(), "dataType": value.data_type() });
            (name.clone(), value)
        });
        json!({
            "messageId": message.message_id(),
            "receiptHandle": message.receipt_handle(),
            "body": message.body(),
            "attributes": attributes,
            "messageAttributes": own.collect::<serde_json::Map<_, _>>(),
            "md5OfBody": message.md5_of_body(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.mapping.queue_arn,
            "awsRegion": REGION,
        })
    }

    async fn delete(&self, messages: &[&Message]) {
        for some in messages.chunks(SQS_BATCH_MAX) {
            let entries = some.iter().enumerate().map(|(n, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
                let entry = entry.set_receipt_handle(message.receipt_handle.clone());
                entry.build().expect("id and handle are set")
            });
            let delete = self.sqs.delete_message_batch().queue_url(&self.mapping.queue_url);
            // What stays comes again; functions are made for that.
            let _ = delete.set_entries(Some(entries.collect())).send().await;
        }
    }
}

/// Those that a function has dealt with: all but its `batchItemFailures`; none if it names one that was not there.
fn done<'m>(answer: &[u8], batch: &'m [Message]) -> Vec<&'m Message> {
    let all = || batch.iter().collect::<Vec<_>>();
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return Vec::new() };
    let failures = &answer["batchItemFailures"];
    if failures.is_null() {
        return all();
    }
    let Some(failures) = failures.as_array() else { return Vec::new() };
    let failed: Vec<Option<&str>> = failures.iter().map(|failure| failure["itemIdentifier"].as_str()).collect();
    let is_known = |id: &Option<&str>| id.is_some() && batch.iter().any(|message| message.message_id() == *id);
    if !failed.iter().all(is_known) {
        return Vec::new();
    }
    all().into_iter().filter(|message| !failed.contains(&message.message_id())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(n: usize) -> Vec<Message> {
        (0..n).map(|n| Message::builder().message_id(format!("m{n}")).build()).collect()
    }

    #[test]
    fn only_what_a_function_names_as_failed_stays() {
        let batch = messages(3);
        let cases: [(&str, &[&str]); 7] = [
            ("null", &["m0", "m1", "m2"]),
            ("{}", &["m0", "m1", "m2"]),
            (r#"{"batchItemFailures":[]}"#, &["m0", "m1", "m2"]),
            (r#"{"batchItemFailures":[{"itemIdentifier":"m1"}]}"#, &["m0", "m2"]),
            (r#"{"batchItemFailures":[{"itemIdentifier":"other"}]}"#, &[]),
            (r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, &[]),
            ("no JSON", &[]),
        ];
        for (answer, expected) in cases {
            let ids: Vec<_> = done(answer.as_bytes(), &batch).iter().filter_map(|m| m.message_id()).collect();
            assert_eq!(ids, expected, "{answer}");
        }
    }

    #[test]
    fn trouble_repeats_and_reorders_but_loses_nothing() {
        let mut troubled = Troubled::of(Trouble { seed: 7, duplicates_percent: 30, held_back_percent: 30 });
        let mut seen = Vec::new();
        let mut batches = messages(100).chunks(10).map(<[Message]>::to_vec).collect::<Vec<_>>();
        batches.extend([Vec::new(), Vec::new()]);
        for batch in batches {
            seen.extend(troubled.bend(batch).into_iter().filter_map(|message| message.message_id));
        }
        let in_order = seen.is_sorted_by_key(|id| id[1..].parse::<u32>().expect("a number"));
        let n_seen = seen.len();
        seen.sort();
        seen.dedup();
        assert!(n_seen > 100 && !in_order, "{n_seen}");
        assert_eq!(seen.len(), 100);
    }
}
