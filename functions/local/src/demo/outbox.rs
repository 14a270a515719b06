//! What the shop has generated and not yet handed out: per process, spans, log records and metrics, on the wire already.
//!
//! Takes them as a collector's batch processor would: many resources in one request, at most [`RECORDS_MAX`] records.

use model::{Micros, Signal};

use super::Request;
use super::service::{INSTANCES, Instance};
use super::wire::Wire;

/// Records a request holds at most.
pub const RECORDS_MAX: usize = 2_000;
/// Room for what the few visits between two checks add.
const HEADROOM: usize = 400;
/// ScopeSpans.spans, ScopeLogs.log_records, ScopeMetrics.metrics.
const RECORDS_FIELD: u32 = 2;

pub(super) struct Outbox {
    /// Resource, InstrumentationScope and schema URL of each process.
    senders: Vec<(Wire, Wire, &'static str)>,
    traces: Pile,
    logs: Pile,
    metrics: Pile,
}

/// The records of one signal.
struct Pile {
    signal: Signal,
    /// Of each process: fields [`RECORDS_FIELD`], one a record.
    records: Vec<Wire>,
    n_records: usize,
}

impl Outbox {
    pub(super) fn new() -> Self {
        let sender = |index| {
            let instance = Instance::at(index);
            (instance.resource(), instance.scope(), instance.schema_url())
        };
        let pile = |signal| Pile { signal, records: vec![Wire::default(); INSTANCES], n_records: 0 };
        Self {
            senders: (0..INSTANCES).map(sender).collect(),
            traces: pile(Signal::Traces),
            logs: pile(Signal::Logs),
            metrics: pile(Signal::Metrics),
        }
    }

    pub(super) fn span(&mut self, instance: Instance, span: &Wire) {
        self.traces.add(instance, span, 1);
    }

    pub(super) fn log(&mut self, instance: Instance, log: &Wire) {
        self.logs.add(instance, log, 1);
    }

    /// A Metric with `n_points` data points.
    pub(super) fn metric(&mut self, instance: Instance, metric: &Wire, n_points: usize) {
        self.metrics.add(instance, metric, n_points);
    }

    /// The piles that are about full, as requests; everything was generated up to `until`.
    pub(super) fn full(&mut self, until: Micros) -> impl Iterator<Item = Request> {
        self.take(until, RECORDS_MAX - HEADROOM)
    }

    /// Everything.
    pub(super) fn rest(&mut self, until: Micros) -> impl Iterator<Item = Request> {
        self.take(until, 1)
    }

    fn take(&mut self, until: Micros, records_min: usize) -> impl Iterator<Item = Request> {
        let Self { senders, traces, logs, metrics } = self;
        [traces, logs, metrics]
            .into_iter()
            .filter(move |pile| pile.n_records >= records_min)
            .map(move |pile| pile.empty(senders, until))
    }
}

impl Pile {
    fn add(&mut self, instance: Instance, record: &Wire, n_records: usize) {
        self.records[instance.index()].message(RECORDS_FIELD, record);
        self.n_records += n_records;
    }

    fn empty(&mut self, senders: &[(Wire, Wire, &'static str)], until: Micros) -> Request {
        // ResourceSpans, ResourceLogs and ResourceMetrics, and what is in them, number their fields alike.
        let mut body = Wire::default();
        for (records, (resource, scope, schema_url)) in self.records.iter_mut().zip(senders) {
            if records.is_empty() {
                continue;
            }
            let mut of_scope = Wire::default();
            of_scope.message(1, scope);
            of_scope.fields(records);
            let mut of_resource = Wire::default();
            of_resource.message(1, resource);
            of_resource.message(2, &of_scope);
            of_resource.text(3, schema_url);
            body.message(1, &of_resource);
            records.clear();
        }
        let records = std::mem::take(&mut self.n_records);
        Request { signal: self.signal, body: body.into_bytes(), records, until }
    }
}
