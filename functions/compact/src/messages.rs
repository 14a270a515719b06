//! The queue's messages in, what is to become of each out: the same for a worker that polls and for a function that is fed.

use meta::Trigger;

use crate::{App, Deadline, handle};

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its table was seen to, or somebody else does that, or it never was a trigger: it leaves the queue.
    Leaves,
    /// It is to come again.
    ComesAgain,
}

/// Sees to every table that the messages name, each once. One fate per body, in their order.
///
/// A body that is no trigger is logged and leaves the queue: it would be none the next time either.
pub async fn see_to(app: &App, bodies: &[&str], deadline: Deadline) -> Vec<Fate> {
    let (mut triggers, mut places) = (Vec::new(), Vec::new());
    for (place, body) in bodies.iter().enumerate() {
        match serde_json::from_str::<Trigger>(body) {
            Ok(trigger) => {
                triggers.push(trigger);
                places.push(place);
            }
            Err(error) => {
                let shown: String = body.chars().take(SHOWN_CHARS_MAX).collect();
                tracing::error!(body = shown, %error, "a message is no trigger; it is dropped");
            }
        }
    }
    let mut fates = vec![Fate::Leaves; bodies.len()];
    for (place, outcome) in places.into_iter().zip(handle(app, triggers, deadline).await) {
        if outcome.is_retry() {
            fates[place] = Fate::ComesAgain;
        }
    }
    fates
}

/// How much of a body that is no trigger is logged.
const SHOWN_CHARS_MAX: usize = 200;
