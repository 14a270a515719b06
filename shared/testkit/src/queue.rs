//! The queue in memory: passes the contract suite, forgets everything on drop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clock::Clock;
use meta::{Message, Queue, QueueError};

/// See the module. As in `embedded`, a body that still waits to be received is not put a second time.
pub struct MemoryQueue {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    /// Oldest first.
    messages: Vec<Waiting>,
}

struct Waiting {
    id: u64,
    body: String,
    receives: u32,
    /// By the clock's uptime.
    visible_at: Duration,
}

impl Waiting {
    fn receipt(&self) -> String {
        format!("{}.{}", self.id, self.receives)
    }
}

impl MemoryQueue {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Messages that were not deleted, hidden ones too.
    pub fn depth(&self) -> usize {
        self.state().messages.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, bodies: &[String]) -> Result<(), QueueError> {
        let now = self.clock.uptime();
        let mut state = self.state();
        for body in bodies {
            if !state.messages.iter().any(|message| message.body == *body && message.visible_at <= now) {
                let id = state.next_id;
                state.next_id += 1;
                state.messages.push(Waiting { id, body: body.clone(), receives: 0, visible_at: now });
            }
        }
        Ok(())
    }

    async fn receive(&self, max: usize, visibility: Duration) -> Result<Vec<Message>, QueueError> {
        let now = self.clock.uptime();
        let mut state = self.state();
        let visible = state.messages.iter_mut().filter(|message| message.visible_at <= now).take(max);
        let received = visible.map(|message| {
            message.receives += 1;
            message.visible_at = now + visibility;
            Message { receipt: message.receipt(), body: message.body.clone(), receives: message.receives }
        });
        Ok(received.collect())
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.state().messages.retain(|message| message.receipt() != receipt);
        Ok(())
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        let now = self.clock.uptime();
        let mut state = self.state();
        if let Some(message) = state.messages.iter_mut().find(|message| message.receipt() == receipt) {
            message.visible_at = now + visibility;
        }
        Ok(())
    }
}
