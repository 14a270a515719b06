//! Metric data points to rows.

use otlp::view::metrics::{Buckets, Exemplar, Metric, MetricType, Number, Point};
use otlp::wire::Malformed;

use super::attributes::Side;
use super::origin::Origin;
use super::outcome::Refusal;
use super::record::{RecordTime, micros};
use super::series::{Digest, series_id};
use super::{Body, Decoder, JSON_BYTES_MAX, Refused};
use crate::json::{Object, double, int, unsigned};
use crate::tables::codes;

/// `flags` of a point that has no value: the series ended there.
const NO_RECORDED_VALUE: u32 = 1;

/// What all points of a metric share.
struct Shared<'m, 'a> {
    metric: &'m Metric<'a>,
    origin_digest: &'m Digest,
    kind: MetricType,
    name: Option<i32>,
    unit: Option<i32>,
    description: Option<i32>,
    temporality: Option<i32>,
}

impl Decoder {
    pub(super) fn metric<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        origin: &Origin,
        message: &'a [u8],
    ) -> Result<(), Malformed> {
        let metric = Metric::read(message)?;
        // No data, or data of a type that is not known yet.
        let (Some(kind), Some(origin_digest)) = (metric.kind, &origin.digest) else { return Ok(()) };
        let columns = &mut self.metrics;
        let shared = Shared {
            kind,
            origin_digest,
            name: columns.metric_name.code_of_text(&body.lossy.text(metric.name)),
            unit: columns.unit.code_of_text(&body.lossy.text(metric.unit)),
            description: columns.description.code_of_text(&body.lossy.text(metric.description)),
            temporality: has_temporality(kind).then(|| codes::temporality(metric.aggregation_temporality)),
            metric: &metric,
        };
        for message in metric.points {
            let message = message?;
            let mut point = std::mem::take(&mut body.point);
            let read = self.room(body).and_then(|()| Ok(point.read(kind, message)?));
            let taken = read.and_then(|()| self.point(body, &shared, &point));
            body.point = point;
            self.count(body, origin, taken)?;
        }
        Ok(())
    }

    fn point<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        shared: &Shared<'_, 'a>,
        point: &Point<'a>,
    ) -> Result<RecordTime, Refused> {
        let time = RecordTime::new(point.time_unix_nano, &body.context)?;
        if self.attributes.json_bytes() > JSON_BYTES_MAX {
            return Err(Refusal::TooLarge.into());
        }

        let row = self.n_rows;
        let columns = &mut self.metrics;
        columns.project_id.set(row, body.project_code);
        columns.start_timestamp.set_some(row, micros(point.start_time_unix_nano));
        columns.metric_name.set_some(row, shared.name);
        columns.metric_type.set(row, codes::metric_type(shared.kind));
        columns.unit.set_some(row, shared.unit);
        columns.description.set_some(row, shared.description);
        columns.temporality.set_some(row, shared.temporality);
        columns.flags.set(row, i64::from(point.flags));
        if shared.kind == MetricType::Sum {
            columns.is_monotonic.set(row, shared.metric.is_monotonic);
        }
        series_id(
            columns.series_id.open(row),
            &mut body.canonical,
            shared.origin_digest,
            shared.metric.name,
            &point.attributes,
        )?;
        columns.series_id.close();

        self.attributes.pairs(row, &point.attributes, Side::Else, &mut body.lossy, &mut body.pending)?;
        self.attributes.own_time(row, "otel.start_time_unix_nano", point.start_time_unix_nano);
        if point.flags & NO_RECORDED_VALUE == 0 {
            self.values(row, shared.kind, point);
        } else {
            self.keep_unrecorded_value(row, shared.kind, point);
        }
        self.keep_the_rest_of_metric(body, row, shared)?;
        self.attributes.end();
        self.exemplars(body, row, &point.exemplars)?;
        Ok(time)
    }

    fn values(&mut self, row: usize, kind: MetricType, point: &Point<'_>) {
        let columns = &mut self.metrics;
        match kind {
            MetricType::Gauge | MetricType::Sum => match point.number {
                Some(Number::Double(number)) => columns.value.set(row, number),
                Some(Number::Int(number)) => {
                    columns.value.set(row, number as f64);
                    columns.value_int.set(row, number);
                }
                None => {}
            },
            MetricType::Histogram => {
                columns.bucket_counts.set(row, point.bucket_counts.iter().copied().map(clamped));
                columns.explicit_bounds.set(row, point.explicit_bounds.iter().copied());
            }
            MetricType::ExponentialHistogram => {
                columns.scale.set(row, point.scale);
                columns.zero_count.set(row, clamped(point.zero_count));
                columns.zero_threshold.set(row, point.zero_threshold);
                if let Some(positive) = &point.positive {
                    columns.positive_offset.set(row, positive.offset);
                    columns.positive_counts.set(row, positive.counts.iter().copied().map(clamped));
                }
                if let Some(negative) = &point.negative {
                    columns.negative_offset.set(row, negative.offset);
                    columns.negative_counts.set(row, negative.counts.iter().copied().map(clamped));
                }
            }
            MetricType::Summary => {
                columns.quantiles.set(row, point.quantiles.iter().map(|(quantile, _)| *quantile));
                columns.quantile_values.set(row, point.quantiles.iter().map(|(_, value)| *value));
            }
        }
        if !matches!(kind, MetricType::Gauge | MetricType::Sum) {
            columns.count.set(row, clamped(point.count));
            columns.sum.set_some(row, point.sum);
            columns.min.set_some(row, point.min);
            columns.max.set_some(row, point.max);
            self.keep_huge_counts(row, point);
        }
    }

    /// Counts that 63 bits do not hold.
    fn keep_huge_counts(&mut self, row: usize, point: &Point<'_>) {
        fn side(buckets: &Option<Buckets>) -> &[u64] {
            buckets.as_ref().map_or(&[], |buckets| &buckets.counts)
        }
        for (key, count) in [("otel.count", point.count), ("otel.zero_count", point.zero_count)] {
            if is_huge(&count) {
                unsigned(self.attributes.own_key(row, key), count);
            }
        }
        let lists = [
            ("bucket", &point.bucket_counts[..]),
            ("positive", side(&point.positive)),
            ("negative", side(&point.negative)),
        ];
        for (name, counts) in lists {
            if counts.iter().any(is_huge) {
                let out = self.attributes.own_key(row, &format!("otel.{name}_counts"));
                for (n, count) in counts.iter().enumerate() {
                    out.push(if n == 0 { b'[' } else { b',' });
                    unsigned(out, *count);
                }
                out.push(b']');
            }
        }
    }

    /// A value although the flags say that there is none: not in the columns, so that nobody takes it for one.
    fn keep_unrecorded_value(&mut self, row: usize, kind: MetricType, point: &Point<'_>) {
        const KEY: &str = "otel.value";
        if let Some(number) = point.number {
            match number {
                Number::Double(number) => double(self.attributes.own_key(row, KEY), number),
                Number::Int(number) => int(self.attributes.own_key(row, KEY), number),
            }
            return;
        }
        let mut fields = Vec::new();
        unrecorded_fields(&mut fields, kind, point);
        if fields != b"{}" {
            self.attributes.own_key(row, KEY).extend_from_slice(&fields);
        }
    }

    /// What has no column.
    fn keep_the_rest_of_metric<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        row: usize,
        shared: &Shared<'_, 'a>,
    ) -> Result<(), Refused> {
        if shared.temporality == Some(codes::TEMPORALITY_UNSPECIFIED) {
            self.attributes.own_number(row, "otel.temporality", shared.metric.aggregation_temporality.into());
        }
        if !shared.metric.metadata.is_empty() {
            body.lossy.object(self.attributes.own_key(row, "otel.metric.metadata"), &shared.metric.metadata)?;
        }
        Ok(())
    }

    fn exemplars<'a>(&mut self, body: &mut Body<'a, '_>, row: usize, exemplars: &[&'a [u8]]) -> Result<(), Refused> {
        if exemplars.is_empty() {
            return Ok(());
        }
        let out = self.metrics.exemplars.open(row);
        out.push(b'[');
        for (n, exemplar) in exemplars.iter().enumerate() {
            let exemplar = Exemplar::read(exemplar)?;
            let mut object = Object::begin(out, n);
            object.time(exemplar.time_unix_nano);
            match exemplar.number {
                Some(Number::Double(number)) => double(object.key("value"), number),
                Some(Number::Int(number)) => int(object.key("value"), number),
                None => {}
            }
            object.hex("trace_id", exemplar.trace_id);
            object.hex("span_id", exemplar.span_id);
            object.attributes(&exemplar.filtered_attributes, &mut body.lossy)?;
            object.end();
        }
        out.push(b']');
        self.metrics.exemplars.close();
        Ok(())
    }
}

fn has_temporality(kind: MetricType) -> bool {
    matches!(kind, MetricType::Sum | MetricType::Histogram | MetricType::ExponentialHistogram)
}

/// The object of what a histogram or a summary says, under the names of the columns; what is empty or 0 is left out.
fn unrecorded_fields(out: &mut Vec<u8>, kind: MetricType, point: &Point<'_>) {
    // A summary cannot say that it has no sum.
    let sum = point.sum.filter(|sum| kind != MetricType::Summary || sum.to_bits() != 0);
    let mut object = Object::begin(out, 0);
    object.unsigned("count", point.count);
    for (key, number) in [("sum", sum), ("min", point.min), ("max", point.max)] {
        if let Some(number) = number {
            double(object.key(key), number);
        }
    }
    object.list("bucket_counts", point.bucket_counts.iter().copied(), unsigned);
    object.list("explicit_bounds", point.explicit_bounds.iter().copied(), double);
    if point.scale != 0 {
        int(object.key("scale"), point.scale.into());
    }
    object.unsigned("zero_count", point.zero_count);
    if point.zero_threshold.to_bits() != 0 {
        double(object.key("zero_threshold"), point.zero_threshold);
    }
    let sides = [
        ("positive_offset", "positive_counts", &point.positive),
        ("negative_offset", "negative_counts", &point.negative),
    ];
    for (offset, counts, buckets) in sides {
        let Some(buckets) = buckets else { continue };
        if buckets.offset != 0 {
            int(object.key(offset), buckets.offset.into());
        }
        object.list(counts, buckets.counts.iter().copied(), unsigned);
    }
    object.list("quantiles", point.quantiles.iter().map(|(quantile, _)| *quantile), double);
    object.list("quantile_values", point.quantiles.iter().map(|(_, value)| *value), double);
    object.end();
}

/// Delta has no unsigned numbers.
fn clamped(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn is_huge(count: &u64) -> bool {
    i64::try_from(*count).is_err()
}
