//! Usage is settled inside requests: between them the process is frozen, and may never wake again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use clock::{Clock, within};
use meta::quota::{Quota, SETTLE_EVERY};

/// A settling takes a read and a write; more than this no answer waits for it.
const SETTLE_WITHIN: Duration = Duration::from_millis(500);

pub(super) struct Settling {
    quota: Arc<Quota>,
    clock: Arc<dyn Clock>,
    /// [`Clock::uptime`].
    last: Mutex<Option<Duration>>,
}

impl Settling {
    pub(super) fn new(quota: Arc<Quota>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { quota, clock, last: Mutex::default() })
    }

    fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        due_now(&mut last, self.clock.uptime())
    }
}

/// The first request settles too: a fresh process knows nothing of what the project sent today.
fn due_now(last: &mut Option<Duration>, now: Duration) -> bool {
    let is_due = last.is_none_or(|last| now.saturating_sub(last) >= SETTLE_EVERY);
    if is_due {
        *last = Some(now);
    }
    is_due
}

pub(super) async fn settle_after(State(settling): State<Arc<Settling>>, request: Request, next: Next) -> Response {
    let is_counted = request.method() == http::Method::POST;
    let response = next.run(request).await;
    if is_counted
        && settling.is_due()
        && within(settling.clock.as_ref(), SETTLE_WITHIN, settling.quota.settle()).await.is_none()
    {
        tracing::warn!("usage was not settled in time; the next request tries again");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_settles_and_then_one_every_ten_seconds() {
        let (start, almost) = (Duration::from_secs(1000), SETTLE_EVERY - Duration::from_millis(1));
        let mut last = None;
        for (now, expected) in [(start, true), (start + almost, false), (start + SETTLE_EVERY, true)] {
            assert_eq!(due_now(&mut last, now), expected, "{now:?}");
        }
    }
}
