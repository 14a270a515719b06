//! What a query waits for at any moment, so that a time-out is told as whose it is: the query's own, or that of a store that
//! does not answer. Stores are asked again below this, in silence, so one wait may be several tries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::Clock;

/// A store that has not answered for so long does not keep up, whatever the query asks: reads are of some megabytes at most.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What errors call the store of files and segments.
pub(crate) const OBJECTS: &str = "the object store";

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// By its name in errors.
    Store(&'static str),
    /// Whoever takes the rows: nothing else goes on meanwhile.
    Reader,
}

/// The waits of one query that are under way.
pub(crate) struct Waits {
    clock: Arc<dyn Clock>,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    next: u64,
    /// In the order in which they began, by the clock's uptime.
    waits: BTreeMap<u64, (On, Duration)>,
}

/// A wait, until it is dropped.
#[must_use]
pub(crate) struct Waiting<'w> {
    waits: &'w Waits,
    number: u64,
}

/// A store that has kept a query waiting until its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was waited for {} s, until the query's time was over", waited.as_secs())]
pub(crate) struct Unanswered {
    pub(crate) what: &'static str,
    waited: Duration,
}

impl Waits {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, under_way: Mutex::default() }
    }

    pub(crate) fn begin(&self, on: On) -> Waiting<'_> {
        let now = self.clock.uptime();
        let mut under_way = self.under_way();
        let number = under_way.next;
        under_way.next += 1;
        under_way.waits.insert(number, (on, now));
        Waiting { waits: self, number }
    }

    /// The store whose fault it is that the query is not done, if it is one's.
    pub(crate) fn unanswered(&self) -> Option<Unanswered> {
        let now = self.clock.uptime();
        let under_way = self.under_way();
        if under_way.waits.values().any(|(on, _)| *on == On::Reader) {
            return None;
        }
        under_way.waits.values().find_map(|(on, since)| match on {
            On::Store(what) => {
                let waited = now.saturating_sub(*since);
                (waited >= STORE_ANSWERS_WITHIN).then_some(Unanswered { what, waited })
            }
            On::Reader => None,
        })
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waits.under_way().waits.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;

    use super::*;

    #[test]
    fn only_a_store_that_was_waited_for_long_is_at_fault() {
        let clock = Arc::new(ManualClock::new(0));
        let waits = Waits::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let pass = |s: u64| clock.advance(Duration::from_secs(s));
        assert_eq!(waits.unanswered(), None, "it computes");

        let log = waits.begin(On::Store("the log"));
        pass(4);
        assert_eq!(waits.unanswered(), None, "that is slow, but may be");
        drop(log);
        let objects = waits.begin(On::Store("the objects"));
        pass(4);
        assert_eq!(waits.unanswered(), None, "one answered, the other began anew");
        pass(1);
        let unanswered = waits.unanswered().expect("five seconds");
        assert_eq!((unanswered.what, unanswered.waited), ("the objects", Duration::from_secs(5)));

        let reader = waits.begin(On::Reader);
        assert_eq!(waits.unanswered(), None, "nobody asks the store on, since nobody takes the rows");
        drop(reader);
        assert!(waits.unanswered().is_some());
        drop(objects);
        assert_eq!(waits.unanswered(), None);
    }
}
