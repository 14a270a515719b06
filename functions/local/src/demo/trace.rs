//! One trace while it happens: time passes, spans open and close, and what they say goes to the outbox.
//!
//! A span is open for as long as the closure given to [`Trace::within`] runs; everything said in it belongs to that span. So
//! parents enclose their children, and times and ids fit by construction.

use model::Micros;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

use super::meters::Meters;
use super::outbox::Outbox;
use super::service::{Instance, Release, Service};
use super::stack::Exception;
use super::wire::{Value, Wire};

/// Nanoseconds since 1970 UTC.
pub(super) type Nanos = u64;

pub(super) struct Trace {
    pub(super) out: Outbox,
    pub(super) meters: Meters,
    /// Where spans and logs go; metrics are measured either way.
    pub(super) sending: Sending,
    rng: Xoshiro256PlusPlus,
    id: [u8; 16],
    now: Nanos,
    release: Release,
    /// Draws the pod of each service; the same all through a trace.
    pods: u64,
    /// The spans that are open, innermost last.
    open: Vec<Open>,
    /// Closed ones, kept for their buffers.
    spare: Vec<Open>,
    scratch: Wire,
}

/// Whether what is told is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// Into the outbox.
    All,
    /// The trace lies outside the range; it is told only because a metric's interval reaches back to it.
    MetricsOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Debug = 5,
    Info = 9,
    Warn = 13,
    Error = 17,
    Fatal = 21,
}

/// What points at a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
}

struct Open {
    id: [u8; 8],
    name: String,
    instance: Instance,
    kind: Kind,
    start: Nanos,
    /// Span fields, complete with their tags.
    fields: Wire,
    /// Set once the span has failed: the status message.
    failure: Option<String>,
}

const ERROR: u64 = 2;
/// SpanFlags: sampled; and, of a parent in another process, "has is_remote" and "is_remote"; else only "has".
const FLAGS_LOCAL: u32 = 0x101;
const FLAGS_REMOTE: u32 = 0x301;

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            out: Outbox::new(),
            meters: Meters::default(),
            sending: Sending::All,
            rng: Xoshiro256PlusPlus::seed_from_u64(0),
            id: [0; 16],
            now: 0,
            release: Release::Old,
            pods: 0,
            open: Vec::new(),
            spare: Vec::new(),
            scratch: Wire::default(),
        }
    }

    /// Forgets the trace before and starts another at `at`; the same seed tells the same.
    pub(super) fn begin(&mut self, seed: u64, at: Micros, release: Release) {
        self.rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        self.release = release;
        self.pods = self.rng.next_u64();
        // Clocks of processes do not tick in whole microseconds.
        self.now = u64::try_from(at).unwrap_or(0) * 1_000 + self.rng.random_range(0..1_000);
        self.begin_at(self.now);
    }

    /// Another trace of the same story, which begins at `now`.
    pub(super) fn begin_at(&mut self, now: Nanos) {
        debug_assert!(self.open.is_empty(), "spans are closed by the closures that opened them");
        self.now = now;
        self.id = id(&mut self.rng);
    }

    /// A span of `service` within the one that is open, for as long as `tell` runs.
    pub(super) fn within<R>(
        &mut self,
        service: Service,
        kind: Kind,
        name: &str,
        tell: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let mut span = self.spare.pop().unwrap_or_else(Open::empty);
        span.id = id(&mut self.rng);
        span.name.clear();
        span.name.push_str(name);
        span.instance = self.instance(service);
        span.kind = kind;
        span.start = self.now;
        span.fields.clear();
        span.failure = None;
        self.open.push(span);
        let told = tell(self);
        self.close();
        told
    }

    /// An attribute of the open span.
    pub(super) fn set<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) {
        self.span().fields.attribute(9, key, value.into());
    }

    /// The open span has failed; what is said first stays.
    pub(super) fn fail(&mut self, error_type: &str, message: &str) {
        if self.span().failure.is_none() {
            self.set("error.type", error_type);
            self.span().failure = Some(message.to_owned());
        }
    }

    /// An event of the open span, now.
    pub(super) fn event(&mut self, name: &str, attributes: &[(&str, Value)]) {
        let mut event = Wire::default();
        event.fixed64(1, self.now);
        event.text(2, name);
        attributes.iter().for_each(|(key, value)| event.attribute(3, key, *value));
        self.span().fields.message(11, &event);
    }

    /// The open span has failed by an exception: an event with its stack, and an ERROR log beside it.
    pub(super) fn throw(&mut self, exception: &Exception) {
        let said = [
            ("exception.type", Value::Text(exception.kind)),
            ("exception.message", Value::Text(&exception.message)),
            ("exception.stacktrace", Value::Text(&exception.stack)),
        ];
        self.event("exception", &said);
        self.log(Severity::Error, &exception.message, &said);
        self.fail(exception.kind, &exception.message);
    }

    /// The open span follows from another that is not its parent.
    pub(super) fn link(&mut self, to: Context, attributes: &[(&str, Value)]) {
        let mut link = Wire::default();
        link.bytes(1, &to.trace_id);
        link.bytes(2, &to.span_id);
        attributes.iter().for_each(|(key, value)| link.attribute(4, key, *value));
        self.span().fields.message(13, &link);
    }

    /// A log record within the open span.
    pub(super) fn log<'v>(&mut self, severity: Severity, body: impl Into<Value<'v>>, attributes: &[(&str, Value)]) {
        if self.sending == Sending::MetricsOnly {
            return;
        }
        let span = self.open.last().expect("logs are said within a span");
        let log = &mut self.scratch;
        log.clear();
        log.fixed64(1, self.now);
        log.uint(2, severity as u64);
        log.text(3, severity.text());
        log.any_value(5, body.into());
        attributes.iter().for_each(|(key, value)| log.attribute(6, key, *value));
        log.fixed32(8, 1);
        log.bytes(9, &self.id);
        log.bytes(10, &span.id);
        // The collector reads it a moment later.
        log.fixed64(11, self.now + 180_000);
        self.out.log(span.instance, &self.scratch);
    }

    /// What points at the open span.
    pub(super) fn context(&self) -> Context {
        Context { trace_id: self.id, span_id: self.open.last().expect("a span is open").id }
    }

    /// The process that the open span is of, or would be of.
    pub(super) fn instance(&self, service: Service) -> Instance {
        let pod = (self.pods >> (service as u64 * 4)) as usize % service.pods();
        Instance { service, pod, release: self.release }
    }

    pub(super) fn release(&self) -> Release {
        self.release
    }

    pub(super) fn now(&self) -> Nanos {
        self.now
    }

    pub(super) fn now_micros(&self) -> Micros {
        (self.now / 1_000).cast_signed()
    }

    /// Time passes: about `typical_ms`, now and then several times that.
    pub(super) fn spend(&mut self, typical_ms: f64) {
        let draw: f64 = self.rng.random();
        let tail = if draw > 0.97 { 150.0 * (draw - 0.97) } else { 0.0 };
        self.spend_exactly(typical_ms * (0.6 + 0.8 * draw + tail));
    }

    pub(super) fn spend_exactly(&mut self, ms: f64) {
        self.now += (ms * 1e6) as u64 + 1;
    }

    /// Does both at once: time goes on when the slower one is done.
    pub(super) fn at_once(&mut self, one: impl FnOnce(&mut Self), other: impl FnOnce(&mut Self)) {
        let start = self.now;
        one(self);
        let one_done = std::mem::replace(&mut self.now, start);
        other(self);
        self.now = self.now.max(one_done);
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.rng.random::<f64>() < share
    }

    /// A number from 0 to `below`, outside.
    pub(super) fn number(&mut self, below: u64) -> u64 {
        self.rng.random_range(0..below)
    }

    pub(super) fn pick<'l, T>(&mut self, from: &'l [T]) -> &'l T {
        &from[self.rng.random_range(0..from.len())]
    }

    fn span(&mut self) -> &mut Open {
        self.open.last_mut().expect("spans are spoken of while they are open")
    }

    fn close(&mut self) {
        let span = self.open.pop().expect("`within` has opened it");
        if self.sending == Sending::All {
            let parent = self.open.last();
            let remote = parent.is_some_and(|parent| parent.instance != span.instance);
            let wire = &mut self.scratch;
            wire.clear();
            wire.bytes(1, &self.id);
            wire.bytes(2, &span.id);
            if let Some(parent) = parent {
                wire.bytes(4, &parent.id);
            }
            wire.text(5, &span.name);
            wire.uint(6, span.kind as u64);
            wire.fixed64(7, span.start);
            wire.fixed64(8, self.now);
            wire.fields(&span.fields);
            if let Some(message) = &span.failure {
                let mut status = Wire::default();
                status.text(2, message);
                status.uint(3, ERROR);
                wire.message(15, &status);
            }
            wire.fixed32(16, if remote { FLAGS_REMOTE } else { FLAGS_LOCAL });
            self.out.span(span.instance, &self.scratch);
        }
        self.spare.push(span);
    }
}

impl Open {
    fn empty() -> Self {
        Self {
            id: [0; 8],
            name: String::new(),
            instance: Instance::at(0),
            kind: Kind::Internal,
            start: 0,
            fields: Wire::default(),
            failure: None,
        }
    }
}

impl Severity {
    fn text(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }
}

/// An id of N bytes; never all zero, which would be invalid.
fn id<const N: usize>(rng: &mut Xoshiro256PlusPlus) -> [u8; N] {
    let mut id = [0; N];
    rng.fill_bytes(&mut id);
    id[N - 1] |= 1;
    id
}
