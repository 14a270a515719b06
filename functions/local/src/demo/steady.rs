//! The shop as it happens: an iterator that waits for time to pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clock::Clock;
use model::{Micros, TimeRange};

use super::send::nap;
use super::{Request, Requests, Shop};

/// Requests of the present, once a second, until `stop` or the end.
pub struct Steady {
    shop: Shop,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
    /// Told up to here.
    told: Micros,
    end: Micros,
    now: Option<Requests>,
}

const TICK: Duration = Duration::from_secs(1);
/// Told this much later than it happens, so that most spans have ended when they are sent.
const LAG: Micros = 1_000_000;

impl Steady {
    /// For `length` from now, or for ever.
    pub fn new(shop: Shop, clock: Arc<dyn Clock>, length: Option<Duration>, stop: Arc<AtomicBool>) -> Self {
        let told = clock.now() - LAG;
        let length = length.and_then(|length| Micros::try_from(length.as_micros()).ok());
        let end = length.map_or(Micros::MAX, |length| told.saturating_add(length));
        Self { shop, clock, stop, told, end, now: None }
    }
}

impl Iterator for Steady {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        loop {
            if let Some(request) = self.now.as_mut().and_then(Iterator::next) {
                return Some(request);
            }
            if self.told >= self.end || self.stop.load(Ordering::Relaxed) {
                return None;
            }
            nap(TICK, || self.stop.load(Ordering::Relaxed));
            let until = (self.clock.now() - LAG).clamp(self.told, self.end);
            self.now = Some(self.shop.requests(TimeRange::new(self.told, until)));
            self.told = until;
        }
    }
}
