//! An export request of any signal in protobuf's own structs.

use model::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::{DecodeError, Message};

/// Its `Debug` tells two apart by every field, doubles to the last bit (but for the bits of a NaN).
#[derive(Debug)]
pub(super) enum Request {
    Traces(ExportTraceServiceRequest),
    Logs(ExportLogsServiceRequest),
    Metrics(ExportMetricsServiceRequest),
}

impl Request {
    pub(super) fn decode(signal: Signal, wire: &[u8]) -> Result<Self, DecodeError> {
        match signal {
            Signal::Traces => ExportTraceServiceRequest::decode(wire).map(Self::Traces),
            Signal::Logs => ExportLogsServiceRequest::decode(wire).map(Self::Logs),
            Signal::Metrics => ExportMetricsServiceRequest::decode(wire).map(Self::Metrics),
        }
    }

    pub(super) fn signal(&self) -> Signal {
        match self {
            Self::Traces(_) => Signal::Traces,
            Self::Logs(_) => Signal::Logs,
            Self::Metrics(_) => Signal::Metrics,
        }
    }

    /// Spans, log records or data points.
    pub(super) fn n_records(&self) -> usize {
        match self {
            Self::Traces(request) => {
                let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
                scopes.map(|scope| scope.spans.len()).sum()
            }
            Self::Logs(request) => {
                let scopes = request.resource_logs.iter().flat_map(|group| &group.scope_logs);
                scopes.map(|scope| scope.log_records.len()).sum()
            }
            Self::Metrics(request) => {
                let scopes = request.resource_metrics.iter().flat_map(|group| &group.scope_metrics);
                scopes.flat_map(|scope| &scope.metrics).map(n_points).sum()
            }
        }
    }
}

fn n_points(metric: &Metric) -> usize {
    match &metric.data {
        None => 0,
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
    }
}
