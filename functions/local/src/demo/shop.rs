//! The shop: for any stretch of time, the requests that its services would have sent.
//!
//! The same seed, scale, deploy and range give the same bytes. What happens in a second follows from the seed and that second
//! alone, so two ranges that meet tell, together, what one range over both would have told (in other batches).

use std::collections::VecDeque;

use model::{Micros, Signal, TimeRange};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

use super::pace::Scale;
use super::processes;
use super::service::{Release, mix};
use super::trace::{Sending, Trace};
use super::trouble;
use super::visits;

/// What makes the shop's telemetry.
#[derive(Clone, Copy, Debug)]
pub struct Shop {
    seed: u64,
    scale: Scale,
    deployed_at: Option<Micros>,
    metric_interval: Micros,
}

/// One OTLP export request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub signal: Signal,
    /// An `Export*ServiceRequest`, protobuf.
    pub body: Vec<u8>,
    /// Spans, log records or data points in it.
    pub records: usize,
    /// The shop had generated everything up to here when it was handed out: for progress bars.
    pub until: Micros,
}

const SECOND: Micros = 1_000_000;
/// Metrics are reported once a minute, as SDKs do unless told otherwise.
const METRIC_INTERVAL: Micros = 60 * SECOND;
/// Visits told before it is looked whether a request is full.
const VISITS_AT_ONCE: usize = 8;
/// `recommendation` rebuilds its index this often.
const REBUILD_INTERVAL: Micros = 15 * 60 * SECOND;

impl Shop {
    pub fn new(seed: u64, scale: Scale) -> Self {
        Self { seed, scale, deployed_at: None, metric_interval: METRIC_INTERVAL }
    }

    /// New versions of `web`, `payment` and `inventory` run from `at` on; without it the old ones run all the time.
    #[must_use]
    pub fn deployed_at(mut self, at: Micros) -> Self {
        self.deployed_at = Some(at);
        self
    }

    /// Metrics are reported every `seconds`.
    #[must_use]
    pub fn metrics_every(mut self, seconds: u32) -> Self {
        self.metric_interval = Micros::from(seconds.max(1)) * SECOND;
        self
    }

    /// Everything that starts in `range`, in order of time, in batches of at most [`super::RECORDS_MAX`] records.
    pub fn requests(&self, range: TimeRange) -> Requests {
        // A report covers the interval before it, so what is reported first may have begun before the range.
        let interval = self.metric_interval;
        let first_report =
            range.start.div_euclid(interval) * interval + if range.start % interval == 0 { 0 } else { interval };
        let from = if first_report < range.end { first_report - interval } else { range.start };
        Requests {
            shop: *self,
            range,
            second: from.min(range.start).div_euclid(SECOND),
            visits: None,
            trace: Trace::new(),
            ready: VecDeque::new(),
        }
    }

    fn release(&self, at: Micros) -> Release {
        match self.deployed_at {
            Some(deployed_at) if deployed_at <= at => Release::New,
            _ => Release::Old,
        }
    }
}

/// See [`Shop::requests`].
pub struct Requests {
    shop: Shop,
    range: TimeRange,
    /// The second that comes next, since 1970.
    second: i64,
    /// Those of the second before that are not told yet.
    visits: Option<Visits>,
    trace: Trace,
    ready: VecDeque<Request>,
}

impl Iterator for Requests {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        while self.ready.is_empty() && (self.visits.is_some() || self.second * SECOND < self.range.end) {
            self.live_a_while();
            let told = self.second - i64::from(self.visits.is_some());
            let until = (told * SECOND).min(self.range.end);
            if until < self.range.end {
                self.ready.extend(self.trace.out.full(until));
            } else {
                self.ready.extend(self.trace.out.rest(until));
            }
        }
        self.ready.pop_front()
    }
}

/// Those of a second that are left.
struct Visits {
    /// When the second begins.
    at: Micros,
    rng: Xoshiro256PlusPlus,
    people: u64,
    /// None: not known yet, people come first.
    bots: Option<u64>,
}

/// What a visit is.
#[derive(Clone, Copy)]
enum Visit {
    Person,
    Bot,
    RebuildIndex,
    Killed,
}

impl Requests {
    /// A second, or if it is a busy one a part of it: what is generated is handed out before there is much of it.
    fn live_a_while(&mut self) {
        let mut visits = match self.visits.take() {
            Some(visits) => visits,
            None => self.begin_a_second(),
        };
        for _ in 0..VISITS_AT_ONCE {
            if visits.people > 0 {
                visits.people -= 1;
                self.visit(Visit::Person, visits.at, &mut visits.rng);
                continue;
            }
            let bots = visits.bots.take().unwrap_or_else(|| self.bots(visits.at, &mut visits.rng));
            if bots == 0 {
                return self.end_a_second(visits);
            }
            visits.bots = Some(bots - 1);
            self.visit(Visit::Bot, visits.at, &mut visits.rng);
        }
        self.visits = Some(visits);
    }

    fn begin_a_second(&mut self) -> Visits {
        let at = self.second * SECOND;
        if at % self.shop.metric_interval == 0 {
            self.report(at);
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(mix(self.shop.seed, at.cast_unsigned()));
        let people = whole(self.shop.scale.traces_per_second(at), &mut rng);
        self.second += 1;
        Visits { at, rng, people, bots: None }
    }

    fn bots(&self, at: Micros, rng: &mut Xoshiro256PlusPlus) -> u64 {
        if trouble::bot_is_here(at) {
            whole(self.shop.scale.traces_per_second(at) * trouble::BOT_SHARE, rng)
        } else {
            0
        }
    }

    fn end_a_second(&mut self, Visits { at, mut rng, .. }: Visits) {
        if at % REBUILD_INTERVAL == 0 {
            self.visit(Visit::RebuildIndex, at, &mut rng);
        }
        if at == trouble::last_killed(at) {
            self.visit(Visit::Killed, at, &mut rng);
        }
    }

    /// Everything measured since the report before.
    fn report(&mut self, at: Micros) {
        let Trace { out, meters, .. } = &mut self.trace;
        if self.range.contains(at) {
            meters.report(out, at - self.shop.metric_interval, at);
            processes::report(out, at, self.shop.deployed_at);
        } else {
            meters.clear();
        }
    }

    fn visit(&mut self, visit: Visit, second: Micros, rng: &mut Xoshiro256PlusPlus) {
        let at = second + rng.random_range(0..SECOND);
        let trace = &mut self.trace;
        trace.sending = if self.range.contains(at) { Sending::All } else { Sending::MetricsOnly };
        trace.begin(rng.next_u64(), at, self.shop.release(at));
        match visit {
            Visit::Person => visits::visit(trace),
            Visit::Bot => visits::bot_visit(trace),
            Visit::RebuildIndex => visits::rebuild_index(trace),
            Visit::Killed => visits::killed(trace),
        }
    }
}

/// A whole number that is `mean` on average, and never far from it.
fn whole(mean: f64, rng: &mut Xoshiro256PlusPlus) -> u64 {
    mean as u64 + u64::from(rng.random::<f64>() < mean.fract())
}
