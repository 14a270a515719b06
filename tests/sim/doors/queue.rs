//! The queue as ingest sees it. Nobody receives from it: who acts on a trigger, when and how often is the director's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use meta::{Message, Queue, QueueError};

use crate::stage::{Effect, ProcessId, Stage};

pub(crate) struct StagedQueue {
    pub stage: Arc<Stage>,
    pub process: ProcessId,
}

fn lost() -> QueueError {
    QueueError { context: "simulated".into(), source: None }
}

#[async_trait]
impl Queue for StagedQueue {
    async fn send(&self, _: &[String]) -> Result<(), QueueError> {
        self.stage.call(self.process, Effect::Writes, "send a trigger".into(), async { Ok(()) }, lost).await
    }

    async fn receive(&self, _: usize, _: Duration) -> Result<Vec<Message>, QueueError> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &str) -> Result<(), QueueError> {
        Ok(())
    }

    async fn extend(&self, _: &str, _: Duration) -> Result<(), QueueError> {
        Ok(())
    }
}
