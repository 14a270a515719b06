//! Sample telemetry: the same arguments make the same requests, byte for byte.
//!
//! Each kind of attribute value, each metric type, events, links, exemplars and exceptions occur within any
//! [`VARIETY`] records. Everything lies within [`Sample::start_unix_nano`] and `n` milliseconds later.

mod logs;
mod metrics;
mod traces;
mod values;

pub use logs::logs;
pub use metrics::metrics;
pub use traces::traces;
pub use values::{attribute, text};

/// In this many records everything occurs at least once.
pub const VARIETY: usize = 20;
/// Services that the records come from, one resource each.
pub const SERVICES: [&str; 3] = ["checkout", "payment", "catalog"];

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Other seeds make other ids and values.
    pub seed: u64,
    /// Number of spans, log records or metric points.
    pub n: usize,
    /// Time of the first record, nanoseconds since 1970 UTC; the next is a millisecond later.
    pub start_unix_nano: u64,
}

impl Sample {
    const STEP_NANOS: u64 = 1_000_000;

    /// Record `i` of the sample.
    fn time(&self, i: usize) -> u64 {
        self.start_unix_nano + i as u64 * Self::STEP_NANOS
    }

    /// Ten spans make a trace.
    fn trace_id(&self, i: usize) -> Vec<u8> {
        let trace = i as u64 / 10;
        [self.draw(trace, 1), self.draw(trace, 2)].concat()
    }

    fn span_id(&self, i: usize) -> Vec<u8> {
        self.draw(i as u64, 3).to_vec()
    }

    /// The records of each service: those whose place falls to it in turn.
    fn of_service(&self, service: usize) -> impl Iterator<Item = usize> + use<> {
        (service..self.n).step_by(SERVICES.len())
    }

    /// Eight bytes that look random and are never all zero: splitmix64.
    fn draw(&self, i: u64, purpose: u64) -> [u8; 8] {
        let mut z = (self.seed ^ i.rotate_left(32) ^ purpose.rotate_left(56)).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) | 1).to_be_bytes()
    }

    /// Below `bound`.
    fn number(&self, i: usize, purpose: u64, bound: u64) -> u64 {
        u64::from_be_bytes(self.draw(i as u64, purpose)) % bound
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use opentelemetry_proto::tonic::common::v1::KeyValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use prost::Message;

    use super::*;

    const SAMPLE: Sample = Sample { seed: 1, n: VARIETY, start_unix_nano: 1_700_000_000_000_000_000 };

    fn kinds(attributes: &[KeyValue]) -> HashSet<std::mem::Discriminant<Value>> {
        let values = attributes.iter().filter_map(|a| a.value.as_ref()?.value.as_ref());
        values.map(std::mem::discriminant).collect()
    }

    #[test]
    fn the_same_sample_is_the_same_bytes_and_another_is_not() {
        let other = Sample { seed: 2, ..SAMPLE };
        assert_eq!(traces(&SAMPLE).encode_to_vec(), traces(&SAMPLE).encode_to_vec());
        assert_ne!(traces(&SAMPLE).encode_to_vec(), traces(&other).encode_to_vec());
        assert_ne!(logs(&SAMPLE).encode_to_vec(), logs(&other).encode_to_vec());
        assert_ne!(metrics(&SAMPLE).encode_to_vec(), metrics(&other).encode_to_vec());
    }

    #[test]
    fn a_sample_has_n_records_and_all_there_is() {
        let request = traces(&SAMPLE);
        let spans: Vec<_> = request.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans).collect();
        assert_eq!(spans.len(), VARIETY);
        let ids: HashSet<_> = spans.iter().map(|span| &span.span_id).collect();
        assert_eq!(ids.len(), VARIETY);
        let attributes: Vec<_> = spans.iter().flat_map(|span| span.attributes.clone()).collect();
        assert_eq!(kinds(&attributes).len(), 7, "text, bool, int, double, list, map, bytes");
        assert!(spans.iter().any(|span| !span.events.is_empty()) && spans.iter().any(|span| !span.links.is_empty()));
        assert!(spans.iter().any(|span| span.parent_span_id.is_empty()));

        let request = logs(&SAMPLE);
        let records = request.resource_logs.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records);
        assert_eq!(records.count(), VARIETY);

        for n in [0, 1, VARIETY, 100] {
            let request = metrics(&Sample { n, ..SAMPLE });
            let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
            let (mut points, mut kinds) = (0, HashSet::new());
            for metric in metrics {
                let data = metric.data.as_ref().expect("data");
                kinds.insert(std::mem::discriminant(data));
                points += match data {
                    Data::Gauge(gauge) => gauge.data_points.len(),
                    Data::Sum(sum) => sum.data_points.len(),
                    Data::Histogram(histogram) => histogram.data_points.len(),
                    Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
                    Data::Summary(summary) => summary.data_points.len(),
                };
            }
            assert_eq!(points, n);
            assert!(n < VARIETY || kinds.len() == 5);
        }
    }
}
