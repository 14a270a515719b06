//! Dead letters: a look at them, and their way back to the queue that they came from.
//!
//! SQS moves them itself (StartMessageMoveTask). Where it cannot (emulators lack the call), they are received, sent and deleted one
//! batch after the other: a crash in between sends some twice, and loses none.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, SendMessageBatchRequestEntry,
};

use crate::fault::{Fault, fault};
use crate::{Cloud, Service};

/// What SQS hands out and takes at once.
const BATCH_MAX: i32 = 10;
/// While a batch is moved by hand, nobody else sees it.
const HIDDEN: Duration = Duration::from_secs(60);

/// A dead-letter queue, and the queue that its messages belong to.
pub struct DeadLetters {
    client: Client,
    from_url: String,
    to_url: String,
}

/// One message, left where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub body: String,
    /// Milliseconds since 1970, when it was first sent.
    pub sent_at_ms: Option<i64>,
}

/// SQS's own mover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveTask {
    /// `RUNNING`, `COMPLETED`, `FAILED`, ...
    pub status: String,
    pub moved: u64,
    pub failure: Option<String>,
}

/// Who moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// SQS does, from now on: [`DeadLetters::task`] tells how far it is.
    BySqs,
    /// SQS cannot: [`DeadLetters::move_by_hand`] can.
    NotPossible,
}

impl Cloud {
    pub fn dead_letters(&self, from_url: &str, to_url: &str) -> DeadLetters {
        let client = Client::new(&self.config(Service::Sqs));
        DeadLetters { client, from_url: from_url.to_owned(), to_url: to_url.to_owned() }
    }
}

impl DeadLetters {
    /// A few of the messages. They stay where they are, but count as received once more.
    pub async fn look(&self) -> Result<Vec<DeadLetter>, Fault> {
        let messages = self.receive(Duration::ZERO).await?;
        Ok(messages
            .into_iter()
            .map(|message| DeadLetter { sent_at_ms: sent_at(&message), body: message.body.unwrap_or_default() })
            .collect())
    }

    /// Has SQS move all messages.
    pub async fn start(&self) -> Result<Moved, Fault> {
        let (from, to) = (self.arn(&self.from_url).await?, self.arn(&self.to_url).await?);
        let started = self.client.start_message_move_task().source_arn(from).destination_arn(to).send().await;
        match started.map_err(fault) {
            Ok(_) => Ok(Moved::BySqs),
            Err(fault) if is_unknown_call(&fault) => Ok(Moved::NotPossible),
            Err(fault) => Err(fault),
        }
    }

    /// The newest move; none: there was none.
    pub async fn task(&self) -> Result<Option<MoveTask>, Fault> {
        let from = self.arn(&self.from_url).await?;
        let listed =
            self.client.list_message_move_tasks().source_arn(from).max_results(1).send().await.map_err(fault)?;
        Ok(listed.results.unwrap_or_default().into_iter().next().map(|task| MoveTask {
            status: task.status.unwrap_or_default(),
            moved: u64::try_from(task.approximate_number_of_messages_moved).unwrap_or(0),
            failure: task.failure_reason,
        }))
    }

    /// Moves one batch; the number of messages moved, 0 when there are none left.
    pub async fn move_by_hand(&self) -> Result<usize, Fault> {
        let messages = self.receive(HIDDEN).await?;
        if messages.is_empty() {
            return Ok(0);
        }
        let sent = self.send(&messages).await?;
        self.delete(&messages, &sent).await?;
        Ok(sent.len())
    }

    async fn receive(&self, hidden: Duration) -> Result<Vec<Message>, Fault> {
        let asked = self.client.receive_message().queue_url(&self.from_url).max_number_of_messages(BATCH_MAX);
        let asked = asked.visibility_timeout(i32::try_from(hidden.as_secs()).unwrap_or(i32::MAX));
        let asked = asked.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        Ok(asked.send().await.map_err(fault)?.messages.unwrap_or_default())
    }

    /// The places of those that were taken.
    async fn send(&self, messages: &[Message]) -> Result<Vec<usize>, Fault> {
        let mut batch = self.client.send_message_batch().queue_url(&self.to_url);
        for (place, message) in messages.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder().id(place.to_string());
            let entry = entry.message_body(message.body.clone().unwrap_or_default()).build();
            batch = batch.entries(entry.expect("id and body are set"));
        }
        let answer = batch.send().await.map_err(fault)?;
        Ok(answer.successful.iter().filter_map(|taken| taken.id.parse().ok()).collect())
    }

    async fn delete(&self, messages: &[Message], places: &[usize]) -> Result<(), Fault> {
        if places.is_empty() {
            return Ok(());
        }
        let mut batch = self.client.delete_message_batch().queue_url(&self.from_url);
        for place in places {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
            let entry = entry.receipt_handle(messages[*place].receipt_handle.clone().unwrap_or_default()).build();
            batch = batch.entries(entry.expect("id and receipt are set"));
        }
        batch.send().await.map_err(fault)?;
        Ok(())
    }

    async fn arn(&self, url: &str) -> Result<String, Fault> {
        let name = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
        let asked = self.client.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        let attributes = asked.send().await.map_err(fault)?.attributes.unwrap_or_default();
        Ok(attributes.get(&name).cloned().unwrap_or_default())
    }
}

fn sent_at(message: &Message) -> Option<i64> {
    message.attributes.as_ref()?.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok()
}

/// As emulators and SQS-compatible services answer; SQS itself gives each of its errors a name. `UnsupportedOperation` is none of
/// these: so SQS says that a move is under way already.
fn is_unknown_call(fault: &Fault) -> bool {
    const CODES: [&str; 3] = ["InvalidAction", "NotImplemented", "UnknownOperationException"];
    match &fault.code {
        Some(code) => CODES.contains(&code.as_str()),
        None => fault.status.is_some(),
    }
}
