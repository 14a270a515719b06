//! The queue between ingest and compaction. Messages are only triggers: they may be lost, repeated and reordered.

use std::time::Duration;

use async_trait::async_trait;
use model::TableId;
use serde::{Deserialize, Serialize};

/// "Look at this table." Stored as JSON: `{"v":1,"project":"...","table":"..."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    pub v: u32,
    #[serde(flatten)]
    pub table: TableId,
}

impl Trigger {
    pub const VERSION: u32 = 1;

    pub fn new(table: TableId) -> Self {
        Self { v: Self::VERSION, table }
    }
}

/// A message as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Names this reception, for `delete` and `extend`.
    pub receipt: String,
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
}

/// The queue did not answer; the call may have taken effect.
#[derive(Debug, thiserror::Error)]
#[error("queue did not answer ({context})")]
pub struct QueueError {
    pub context: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// At least once, in no order, with a visibility time-out: what SQS standard gives.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    async fn send(&self, bodies: &[String]) -> Result<(), QueueError>;

    /// At most `max` visible messages, hidden from others for `visibility`. Empty within a second or two if there are none.
    async fn receive(&self, max: usize, visibility: Duration) -> Result<Vec<Message>, QueueError>;

    /// Removes a message for good; a stale receipt is no error.
    async fn delete(&self, receipt: &str) -> Result<(), QueueError>;

    /// Hides a received message for `visibility` from now on; a stale receipt is no error.
    async fn extend(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError>;
}
