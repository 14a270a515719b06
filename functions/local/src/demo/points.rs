//! Metrics and their data points, all five types, as OTLP numbers their fields.

use model::Micros;

use super::meters::Exemplar;
use super::wire::{Value, Wire};

/// AggregationTemporality.
pub(super) const DELTA: u64 = 1;
pub(super) const CUMULATIVE: u64 = 2;

/// Buckets per power of two, as a power of two itself: 8 of them.
const EXPONENTIAL_SCALE: i32 = 3;

type Attributes<'a> = [(&'a str, Value<'a>)];

pub(super) fn gauge(name: &str, unit: &str, description: &str, points: &[Wire]) -> Wire {
    metric(name, unit, description, 5, points, |_| {})
}

/// A monotonic sum.
pub(super) fn counter(name: &str, unit: &str, description: &str, temporality: u64, points: &[Wire]) -> Wire {
    metric(name, unit, description, 7, points, |data| {
        data.uint(2, temporality);
        data.uint(3, 1);
    })
}

/// A sum that also falls; cumulative.
pub(super) fn up_down_counter(name: &str, unit: &str, description: &str, points: &[Wire]) -> Wire {
    metric(name, unit, description, 7, points, |data| data.uint(2, CUMULATIVE))
}

pub(super) fn histogram(name: &str, unit: &str, description: &str, temporality: u64, points: &[Wire]) -> Wire {
    metric(name, unit, description, 9, points, |data| data.uint(2, temporality))
}

pub(super) fn exponential_histogram(
    name: &str,
    unit: &str,
    description: &str,
    temporality: u64,
    points: &[Wire],
) -> Wire {
    metric(name, unit, description, 10, points, |data| data.uint(2, temporality))
}

pub(super) fn summary(name: &str, unit: &str, description: &str, points: &[Wire]) -> Wire {
    metric(name, unit, description, 11, points, |_| {})
}

fn metric(name: &str, unit: &str, description: &str, field: u32, points: &[Wire], rest: impl Fn(&mut Wire)) -> Wire {
    let mut data = Wire::default();
    points.iter().for_each(|point| data.message(1, point));
    rest(&mut data);
    let mut metric = Wire::default();
    metric.text(1, name);
    metric.text(2, description);
    metric.text(3, unit);
    metric.message(field, &data);
    metric
}

/// NumberDataPoint.
pub(super) fn int_point(attributes: &Attributes, start: Micros, end: Micros, value: i64) -> Wire {
    let mut point = point(7, attributes, start, end);
    point.fixed64(6, value.cast_unsigned());
    point
}

/// NumberDataPoint.
pub(super) fn double_point(attributes: &Attributes, start: Micros, end: Micros, value: f64) -> Wire {
    let mut point = point(7, attributes, start, end);
    point.double(4, value);
    point
}

/// HistogramDataPoint.
pub(super) fn histogram_point(
    attributes: &Attributes,
    start: Micros,
    end: Micros,
    values: &[f64],
    bounds: &[f64],
    exemplar: Option<Exemplar>,
) -> Wire {
    let mut counts = vec![0_u64; bounds.len() + 1];
    for value in values {
        counts[bounds.partition_point(|bound| bound < value)] += 1;
    }
    let mut point = point(9, attributes, start, end);
    point.fixed64(4, values.len() as u64);
    point.double(5, values.iter().sum());
    point.packed_fixed64(6, counts.into_iter());
    point.packed_fixed64(7, bounds.iter().map(|bound| bound.to_bits()));
    exemplar.iter().for_each(|exemplar| point.message(8, &exemplar_message(exemplar)));
    point.double(11, values.iter().copied().fold(f64::INFINITY, f64::min));
    point.double(12, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    point
}

/// ExponentialHistogramDataPoint; values above zero.
pub(super) fn exponential_point(
    attributes: &Attributes,
    start: Micros,
    end: Micros,
    values: &[f64],
    exemplar: Option<Exemplar>,
) -> Wire {
    let bucket = |value: &f64| (value.log2() * f64::from(1 << EXPONENTIAL_SCALE)).ceil() as i32 - 1;
    let first = values.iter().map(bucket).min().unwrap_or(0);
    let last = values.iter().map(bucket).max().unwrap_or(0);
    let mut counts = vec![0_u64; (last - first) as usize + 1];
    values.iter().for_each(|value| counts[(bucket(value) - first) as usize] += 1);
    let mut positive = Wire::default();
    positive.sint(1, first);
    positive.packed_uint(2, counts.iter().copied());

    let mut point = point(1, attributes, start, end);
    point.fixed64(4, values.len() as u64);
    point.double(5, values.iter().sum());
    point.sint(6, EXPONENTIAL_SCALE);
    point.message(8, &positive);
    exemplar.iter().for_each(|exemplar| point.message(11, &exemplar_message(exemplar)));
    point.double(12, values.iter().copied().fold(f64::INFINITY, f64::min));
    point.double(13, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    point
}

/// SummaryDataPoint.
pub(super) fn summary_point(
    attributes: &Attributes,
    start: Micros,
    end: Micros,
    count: u64,
    sum: f64,
    quantiles: &[(f64, f64)],
) -> Wire {
    let mut point = point(7, attributes, start, end);
    point.fixed64(4, count);
    point.double(5, sum);
    for (quantile, value) in quantiles {
        let mut at = Wire::default();
        at.double(1, *quantile);
        at.double(2, *value);
        point.message(6, &at);
    }
    point
}

/// What all points begin with; `start` 0: it has none.
fn point(attributes_field: u32, attributes: &Attributes, start: Micros, end: Micros) -> Wire {
    let mut point = Wire::default();
    if start != 0 {
        point.fixed64(2, nanos(start));
    }
    point.fixed64(3, nanos(end));
    attributes.iter().for_each(|(key, value)| point.attribute(attributes_field, key, *value));
    point
}

fn exemplar_message(exemplar: &Exemplar) -> Wire {
    let mut message = Wire::default();
    message.fixed64(2, exemplar.at);
    message.double(3, exemplar.value);
    message.bytes(4, &exemplar.of.span_id);
    message.bytes(5, &exemplar.of.trace_id);
    message
}

fn nanos(at: Micros) -> u64 {
    u64::try_from(at).unwrap_or(0) * 1_000
}
