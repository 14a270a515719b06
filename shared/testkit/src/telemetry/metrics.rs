//! Metric points of all five types, in turn.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    exemplar, number_data_point,
};

use super::values::{attribute, every_kind, resource, scope, text};
use super::{SERVICES, Sample};

const TYPES: usize = 5;

/// A request of `sample.n` points, grouped by service and type.
pub fn metrics(sample: &Sample) -> ExportMetricsServiceRequest {
    let of_service = |service: usize| {
        let of_type = |kind: usize| {
            let points: Vec<usize> =
                sample.of_service(service).filter(|i| i / SERVICES.len() % TYPES == kind).collect();
            (!points.is_empty()).then(|| metric(sample, kind, &points))
        };
        ResourceMetrics {
            resource: resource(service),
            scope_metrics: vec![ScopeMetrics {
                scope: scope(),
                metrics: (0..TYPES).filter_map(of_type).collect(),
                ..Default::default()
            }],
            ..Default::default()
        }
    };
    let resource_metrics = (0..SERVICES.len().min(sample.n)).map(of_service).collect();
    ExportMetricsServiceRequest { resource_metrics }
}

fn metric(sample: &Sample, kind: usize, points: &[usize]) -> Metric {
    let delta = AggregationTemporality::Delta.into();
    let cumulative = AggregationTemporality::Cumulative.into();
    let (name, unit, data) = match kind {
        0 => {
            let data_points = points.iter().map(|i| number(sample, *i)).collect();
            ("process.memory.usage", "By", Data::Gauge(Gauge { data_points }))
        }
        1 => {
            let data_points = points.iter().map(|i| number(sample, *i)).collect();
            let sum = Sum { data_points, aggregation_temporality: cumulative, is_monotonic: true };
            ("http.server.requests", "{request}", Data::Sum(sum))
        }
        2 => {
            let data_points = points.iter().map(|i| histogram(sample, *i)).collect();
            let histogram = Histogram { data_points, aggregation_temporality: delta };
            ("http.server.request.duration", "s", Data::Histogram(histogram))
        }
        3 => {
            let data_points = points.iter().map(|i| exponential(sample, *i)).collect();
            let histogram = ExponentialHistogram { data_points, aggregation_temporality: delta };
            ("db.client.operation.duration", "s", Data::ExponentialHistogram(histogram))
        }
        _ => {
            let data_points = points.iter().map(|i| summary(sample, *i)).collect();
            ("rpc.server.duration", "ms", Data::Summary(Summary { data_points }))
        }
    };
    Metric {
        name: name.into(),
        description: format!("sample of {name}"),
        unit: unit.into(),
        data: Some(data),
        ..Default::default()
    }
}

fn attributes(sample: &Sample, i: usize) -> Vec<KeyValue> {
    let mut attributes = vec![attribute("http.request.method", text(["GET", "POST"][i % 2]))];
    attributes.extend(every_kind(sample, i));
    attributes
}

fn number(sample: &Sample, i: usize) -> NumberDataPoint {
    let n = sample.number(i, 30, 1_000_000);
    let whole = (i / SERVICES.len() / TYPES).is_multiple_of(2);
    NumberDataPoint {
        attributes: attributes(sample, i),
        start_time_unix_nano: sample.start_unix_nano,
        time_unix_nano: sample.time(i),
        exemplars: vec![exemplar(sample, i)],
        value: Some(if whole {
            number_data_point::Value::AsInt(n as i64)
        } else {
            number_data_point::Value::AsDouble(n as f64 + 0.5)
        }),
        flags: 0,
    }
}

fn histogram(sample: &Sample, i: usize) -> HistogramDataPoint {
    let counts: Vec<u64> = (0..4).map(|bucket| sample.number(i, 40 + bucket, 100)).collect();
    HistogramDataPoint {
        attributes: attributes(sample, i),
        start_time_unix_nano: sample.start_unix_nano,
        time_unix_nano: sample.time(i),
        count: counts.iter().sum(),
        sum: Some(counts.iter().sum::<u64>() as f64 * 0.25),
        bucket_counts: counts,
        explicit_bounds: vec![0.1, 0.5, 2.5],
        exemplars: vec![exemplar(sample, i)],
        min: Some(0.001),
        max: Some(9.5),
        ..Default::default()
    }
}

fn exponential(sample: &Sample, i: usize) -> ExponentialHistogramDataPoint {
    let buckets = |purpose: u64, offset: i32| Buckets {
        offset,
        bucket_counts: (0..5).map(|bucket| sample.number(i, purpose + bucket, 50)).collect(),
    };
    let (positive, negative) = (buckets(50, -2), buckets(60, 1));
    let zero_count = sample.number(i, 70, 10);
    ExponentialHistogramDataPoint {
        attributes: attributes(sample, i),
        start_time_unix_nano: sample.start_unix_nano,
        time_unix_nano: sample.time(i),
        count: positive.bucket_counts.iter().chain(&negative.bucket_counts).sum::<u64>() + zero_count,
        sum: Some(123.5),
        scale: 3,
        zero_count,
        positive: Some(positive),
        negative: Some(negative),
        min: Some(-4.5),
        max: Some(8.25),
        zero_threshold: 0.001,
        ..Default::default()
    }
}

fn summary(sample: &Sample, i: usize) -> SummaryDataPoint {
    let quantiles = [0.0, 0.5, 0.99, 1.0];
    SummaryDataPoint {
        attributes: attributes(sample, i),
        start_time_unix_nano: sample.start_unix_nano,
        time_unix_nano: sample.time(i),
        count: sample.number(i, 80, 1_000),
        sum: 4_321.5,
        quantile_values: quantiles.map(|quantile| ValueAtQuantile { quantile, value: quantile * 100.0 + 0.5 }).to_vec(),
        flags: 0,
    }
}

fn exemplar(sample: &Sample, i: usize) -> Exemplar {
    Exemplar {
        filtered_attributes: vec![attribute("user.id", text(format!("user-{i}")))],
        time_unix_nano: sample.time(i),
        span_id: sample.span_id(i),
        trace_id: sample.trace_id(i),
        value: Some(exemplar::Value::AsDouble(i as f64 + 0.125)),
    }
}
