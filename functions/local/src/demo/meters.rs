//! What the shop measures of its traces, and reports at each interval as deltas: so metrics and spans agree, and exemplars
//! point at traces that were sent.

use std::collections::BTreeMap;

use model::Micros;

use super::outbox::Outbox;
use super::points::{self, DELTA};
use super::service::Instance;
use super::trace::{Context, Nanos};
use super::wire::{Value, Wire};

/// Measurements since the last report.
#[derive(Default)]
pub(super) struct Meters {
    series: BTreeMap<Series, Measured>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Instrument {
    /// Histogram, seconds.
    HttpServer,
    /// Exponential histogram, seconds.
    RpcServer,
    /// Histogram, tokens.
    ModelTokens,
    /// Counter of whole numbers.
    Orders,
    /// Counter of doubles, EUR.
    Revenue,
}

/// An attribute of a series.
pub(super) type Label = (&'static str, LabelValue);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LabelValue {
    /// The place is not used.
    None,
    Text(&'static str),
    Int(i64),
}

/// No attribute, to fill up the three.
pub(super) const NO_LABEL: Label = ("", LabelValue::None);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    instrument: Instrument,
    instance: Instance,
    labels: [Label; 3],
}

#[derive(Default)]
struct Measured {
    values: Vec<f64>,
    exemplar: Option<Exemplar>,
}

/// A measurement that stands for its interval.
#[derive(Clone, Copy)]
pub(super) struct Exemplar {
    pub(super) value: f64,
    pub(super) at: Nanos,
    pub(super) of: Context,
}

/// Bounds that the semantic conventions advise for durations in seconds.
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const TOKENS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];

impl Meters {
    pub(super) fn record(
        &mut self,
        instrument: Instrument,
        instance: Instance,
        labels: [Label; 3],
        exemplar: Exemplar,
    ) {
        let measured = self.series.entry(Series { instrument, instance, labels }).or_default();
        measured.values.push(exemplar.value);
        // The slowest says most.
        if measured.exemplar.is_none_or(|kept| exemplar.value > kept.value) {
            measured.exemplar = Some(exemplar);
        }
    }

    /// Forgets what was measured.
    pub(super) fn clear(&mut self) {
        self.series.clear();
    }

    /// Reports everything measured from `start` to `end`, and forgets it.
    pub(super) fn report(&mut self, out: &mut Outbox, start: Micros, end: Micros) {
        let mut series = std::mem::take(&mut self.series).into_iter().peekable();
        while let Some((first, measured)) = series.next() {
            let (instrument, instance) = (first.instrument, first.instance);
            let mut points = vec![instrument.point(&first.labels, &measured, start, end)];
            while let Some((next, measured)) =
                series.next_if(|(s, _)| (s.instrument, s.instance) == (instrument, instance))
            {
                points.push(instrument.point(&next.labels, &measured, start, end));
            }
            out.metric(instance, &instrument.metric(&points), points.len());
        }
    }
}

impl Instrument {
    fn metric(self, points: &[Wire]) -> Wire {
        match self {
            Self::HttpServer => points::histogram(
                "http.server.request.duration",
                "s",
                "Duration of HTTP server requests.",
                DELTA,
                points,
            ),
            Self::RpcServer => points::exponential_histogram(
                "rpc.server.call.duration",
                "s",
                "Duration of inbound remote procedure calls.",
                DELTA,
                points,
            ),
            Self::ModelTokens => points::histogram(
                "gen_ai.client.token.usage",
                "{token}",
                "Number of input and output tokens used.",
                DELTA,
                points,
            ),
            Self::Orders => points::counter("shop.orders", "{order}", "Orders placed and paid.", DELTA, points),
            Self::Revenue => points::counter("shop.revenue", "EUR", "What the orders were worth.", DELTA, points),
        }
    }

    fn point(self, labels: &[Label; 3], measured: &Measured, start: Micros, end: Micros) -> Wire {
        let attributes: Vec<(&str, Value)> = labels
            .iter()
            .filter_map(|(key, value)| match value {
                LabelValue::None => None,
                LabelValue::Text(text) => Some((*key, Value::Text(text))),
                LabelValue::Int(int) => Some((*key, Value::Int(*int))),
            })
            .collect();
        let (values, exemplar) = (&measured.values, measured.exemplar);
        match self {
            Self::HttpServer => points::histogram_point(&attributes, start, end, values, SECONDS, exemplar),
            Self::ModelTokens => points::histogram_point(&attributes, start, end, values, TOKENS, exemplar),
            Self::RpcServer => points::exponential_point(&attributes, start, end, values, exemplar),
            Self::Orders => points::int_point(&attributes, start, end, values.len() as i64),
            Self::Revenue => points::double_point(&attributes, start, end, values.iter().sum()),
        }
    }
}
