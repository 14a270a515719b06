//! Metrics and the data points of all five types.

use crate::wire::{Fields, Malformed, Tag, bytes, fixed64, varint, zigzag};

/// The five types of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricType {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

const GAUGE: Tag = bytes(5);
const SUM: Tag = bytes(7);
const HISTOGRAM: Tag = bytes(9);
const EXPONENTIAL_HISTOGRAM: Tag = bytes(10);
const SUMMARY: Tag = bytes(11);
/// In the data of each type.
const POINTS: Tag = bytes(1);

/// A `Metric`; its data is of one type.
#[derive(Debug, Default)]
pub struct Metric<'a> {
    pub name: &'a [u8],
    pub description: &'a [u8],
    pub unit: &'a [u8],
    /// None if no data is set, or data of a type that is not known.
    pub kind: Option<MetricType>,
    /// Data point messages of that type.
    pub points: Points<'a>,
    pub aggregation_temporality: i32,
    pub is_monotonic: bool,
    /// `KeyValue` messages.
    pub metadata: Vec<&'a [u8]>,
}

impl<'a> Metric<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        const NAME: u32 = bytes(1);
        const DESCRIPTION: u32 = bytes(2);
        const UNIT: u32 = bytes(3);
        const METADATA: u32 = bytes(12);

        let mut metric = Self::default();
        let mut fields = Fields::new(message);
        loop {
            let place = fields.rest();
            let Some(tag) = fields.tag()? else { break };
            match tag {
                NAME => metric.name = fields.bytes()?,
                DESCRIPTION => metric.description = fields.bytes()?,
                UNIT => metric.unit = fields.bytes()?,
                GAUGE => metric.merge_data(MetricType::Gauge, tag, place, fields.bytes()?)?,
                SUM => metric.merge_data(MetricType::Sum, tag, place, fields.bytes()?)?,
                HISTOGRAM => metric.merge_data(MetricType::Histogram, tag, place, fields.bytes()?)?,
                EXPONENTIAL_HISTOGRAM => {
                    metric.merge_data(MetricType::ExponentialHistogram, tag, place, fields.bytes()?)?
                }
                SUMMARY => metric.merge_data(MetricType::Summary, tag, place, fields.bytes()?)?,
                METADATA => metric.metadata.push(fields.bytes()?),
                _ => fields.skip(tag)?,
            }
        }
        Ok(metric)
    }

    /// The `oneof`: data of the same type is merged, data of another type replaces what was there.
    ///
    /// `rest` is what begins with this data.
    fn merge_data(&mut self, kind: MetricType, tag: Tag, rest: &'a [u8], message: &'a [u8]) -> Result<(), Malformed> {
        const TEMPORALITY: u32 = varint(2);
        const MONOTONIC: u32 = varint(3);

        if self.kind != Some(kind) {
            self.points = Points { rest, tag, count: 0 };
            (self.kind, self.aggregation_temporality, self.is_monotonic) = (Some(kind), 0, false);
        }
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                POINTS => {
                    fields.bytes()?;
                    self.points.count += 1;
                }
                TEMPORALITY => self.aggregation_temporality = fields.varint()? as i32,
                MONOTONIC => self.is_monotonic = fields.varint()? != 0,
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }
}

/// The data points of a metric, walked when iterated; takes no memory however many there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Points<'a> {
    /// Of the metric, from the data that counts on: of one type, `tag`, which may come in several messages.
    rest: &'a [u8],
    tag: Tag,
    count: usize,
}

impl Points<'_> {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> IntoIterator for Points<'a> {
    type Item = Result<&'a [u8], Malformed>;
    type IntoIter = PointsIter<'a>;

    fn into_iter(self) -> PointsIter<'a> {
        PointsIter { data: Fields::new(self.rest), tag: self.tag, points: Fields::new(&[]) }
    }
}

/// Iterates over [`Points`]; nothing comes after an error.
#[derive(Debug)]
pub struct PointsIter<'a> {
    data: Fields<'a>,
    tag: Tag,
    points: Fields<'a>,
}

impl<'a> PointsIter<'a> {
    fn step(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        loop {
            if let Some(point) = self.points.next_bytes(POINTS)? {
                return Ok(Some(point));
            }
            match self.data.next_bytes(self.tag)? {
                Some(data) => self.points = Fields::new(data),
                None => return Ok(None),
            }
        }
    }
}

impl<'a> Iterator for PointsIter<'a> {
    type Item = Result<&'a [u8], Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.step().transpose();
        if matches!(next, Some(Err(_))) {
            (self.data, self.points) = (Fields::new(&[]), Fields::new(&[]));
        }
        next
    }
}

/// The number of a point or of an exemplar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Double(f64),
    Int(i64),
}

/// A data point of any type; fields that its type lacks stay empty.
#[derive(Debug, Default)]
pub struct Point<'a> {
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    pub start_time_unix_nano: u64,
    pub time_unix_nano: u64,
    pub flags: u32,
    /// `Exemplar` messages.
    pub exemplars: Vec<&'a [u8]>,
    /// Gauge and sum.
    pub number: Option<Number>,
    /// Histograms and summary.
    pub count: u64,
    /// Optional in histograms; a summary always has it.
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// Histogram.
    pub bucket_counts: Vec<u64>,
    pub explicit_bounds: Vec<f64>,
    /// Exponential histogram.
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Option<Buckets>,
    pub negative: Option<Buckets>,
    /// Summary: quantile and value.
    pub quantiles: Vec<(f64, f64)>,
}

/// The buckets of one side of an exponential histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    pub offset: i32,
    pub counts: Vec<u64>,
}

const START: u32 = fixed64(2);
const TIME: u32 = fixed64(3);

impl<'a> Point<'a> {
    /// Reads a data point of `kind`, in place of what was read before.
    pub fn read(&mut self, kind: MetricType, message: &'a [u8]) -> Result<(), Malformed> {
        self.clear();
        match kind {
            MetricType::Gauge | MetricType::Sum => self.read_number(message),
            MetricType::Histogram => self.read_histogram(message),
            MetricType::ExponentialHistogram => self.read_exponential(message),
            MetricType::Summary => self.read_summary(message),
        }
    }

    /// Empty, with the lists' memory kept.
    fn clear(&mut self) {
        let mut kept = std::mem::take(self);
        kept.attributes.clear();
        kept.exemplars.clear();
        kept.bucket_counts.clear();
        kept.explicit_bounds.clear();
        kept.quantiles.clear();
        self.attributes = kept.attributes;
        self.exemplars = kept.exemplars;
        self.bucket_counts = kept.bucket_counts;
        self.explicit_bounds = kept.explicit_bounds;
        self.quantiles = kept.quantiles;
    }

    fn read_number(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        const AS_DOUBLE: u32 = fixed64(4);
        const EXEMPLARS: u32 = bytes(5);
        const AS_INT: u32 = fixed64(6);
        const ATTRIBUTES: u32 = bytes(7);
        const FLAGS: u32 = varint(8);

        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                START => self.start_time_unix_nano = fields.fixed64()?,
                TIME => self.time_unix_nano = fields.fixed64()?,
                AS_DOUBLE => self.number = Some(Number::Double(fields.double()?)),
                AS_INT => self.number = Some(Number::Int(fields.fixed64()? as i64)),
                EXEMPLARS => self.exemplars.push(fields.bytes()?),
                ATTRIBUTES => self.attributes.push(fields.bytes()?),
                FLAGS => self.flags = fields.varint()? as u32,
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }

    fn read_histogram(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        const COUNT: u32 = fixed64(4);
        const SUM: u32 = fixed64(5);
        const BUCKET: u32 = fixed64(6);
        const BUCKETS: u32 = bytes(6);
        const BOUND: u32 = fixed64(7);
        const BOUNDS: u32 = bytes(7);
        const EXEMPLARS: u32 = bytes(8);
        const ATTRIBUTES: u32 = bytes(9);
        const FLAGS: u32 = varint(10);
        const MIN: u32 = fixed64(11);
        const MAX: u32 = fixed64(12);

        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                START => self.start_time_unix_nano = fields.fixed64()?,
                TIME => self.time_unix_nano = fields.fixed64()?,
                COUNT => self.count = fields.fixed64()?,
                SUM => self.sum = Some(fields.double()?),
                BUCKET => self.bucket_counts.push(fields.fixed64()?),
                BUCKETS => unpack_fixed64(fields.bytes()?, |count| self.bucket_counts.push(count))?,
                BOUND => self.explicit_bounds.push(fields.double()?),
                BOUNDS => unpack_fixed64(fields.bytes()?, |bits| self.explicit_bounds.push(f64::from_bits(bits)))?,
                EXEMPLARS => self.exemplars.push(fields.bytes()?),
                ATTRIBUTES => self.attributes.push(fields.bytes()?),
                FLAGS => self.flags = fields.varint()? as u32,
                MIN => self.min = Some(fields.double()?),
                MAX => self.max = Some(fields.double()?),
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }

    fn read_exponential(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        const ATTRIBUTES: u32 = bytes(1);
        const COUNT: u32 = fixed64(4);
        const SUM: u32 = fixed64(5);
        const SCALE: u32 = varint(6);
        const ZERO_COUNT: u32 = fixed64(7);
        const POSITIVE: u32 = bytes(8);
        const NEGATIVE: u32 = bytes(9);
        const FLAGS: u32 = varint(10);
        const EXEMPLARS: u32 = bytes(11);
        const MIN: u32 = fixed64(12);
        const MAX: u32 = fixed64(13);
        const ZERO_THRESHOLD: u32 = fixed64(14);

        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                ATTRIBUTES => self.attributes.push(fields.bytes()?),
                START => self.start_time_unix_nano = fields.fixed64()?,
                TIME => self.time_unix_nano = fields.fixed64()?,
                COUNT => self.count = fields.fixed64()?,
                SUM => self.sum = Some(fields.double()?),
                SCALE => self.scale = sint32(fields.varint()?),
                ZERO_COUNT => self.zero_count = fields.fixed64()?,
                POSITIVE => self.positive.get_or_insert_default().merge(fields.bytes()?)?,
                NEGATIVE => self.negative.get_or_insert_default().merge(fields.bytes()?)?,
                FLAGS => self.flags = fields.varint()? as u32,
                EXEMPLARS => self.exemplars.push(fields.bytes()?),
                MIN => self.min = Some(fields.double()?),
                MAX => self.max = Some(fields.double()?),
                ZERO_THRESHOLD => self.zero_threshold = fields.double()?,
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }

    fn read_summary(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        const COUNT: u32 = fixed64(4);
        const SUM: u32 = fixed64(5);
        const QUANTILES: u32 = bytes(6);
        const ATTRIBUTES: u32 = bytes(7);
        const FLAGS: u32 = varint(8);

        self.sum = Some(0.0);
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                START => self.start_time_unix_nano = fields.fixed64()?,
                TIME => self.time_unix_nano = fields.fixed64()?,
                COUNT => self.count = fields.fixed64()?,
                SUM => self.sum = Some(fields.double()?),
                QUANTILES => self.quantiles.push(value_at_quantile(fields.bytes()?)?),
                ATTRIBUTES => self.attributes.push(fields.bytes()?),
                FLAGS => self.flags = fields.varint()? as u32,
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }
}

impl Buckets {
    fn merge(&mut self, message: &[u8]) -> Result<(), Malformed> {
        const OFFSET: u32 = varint(1);
        const COUNT: u32 = varint(2);
        const COUNTS: u32 = bytes(2);

        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                OFFSET => self.offset = sint32(fields.varint()?),
                COUNT => self.counts.push(fields.varint()?),
                COUNTS => {
                    let packed = fields.bytes()?;
                    let mut numbers = Fields::new(packed);
                    while !numbers.is_at_end() {
                        self.counts.push(numbers.varint()?);
                    }
                }
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }
}

fn value_at_quantile(message: &[u8]) -> Result<(f64, f64), Malformed> {
    const QUANTILE: u32 = fixed64(1);
    const VALUE: u32 = fixed64(2);

    let (mut quantile, mut value) = (0.0, 0.0);
    let mut fields = Fields::new(message);
    while let Some(tag) = fields.tag()? {
        match tag {
            QUANTILE => quantile = fields.double()?,
            VALUE => value = fields.double()?,
            _ => fields.skip(tag)?,
        }
    }
    Ok((quantile, value))
}

fn unpack_fixed64(packed: &[u8], mut each: impl FnMut(u64)) -> Result<(), Malformed> {
    let mut numbers = Fields::new(packed);
    while !numbers.is_at_end() {
        each(numbers.fixed64()?);
    }
    Ok(())
}

fn sint32(value: u64) -> i32 {
    zigzag(u64::from(value as u32)) as i32
}

/// An `Exemplar`.
#[derive(Debug, Default)]
pub struct Exemplar<'a> {
    /// `KeyValue` messages.
    pub filtered_attributes: Vec<&'a [u8]>,
    pub time_unix_nano: u64,
    pub number: Option<Number>,
    pub span_id: &'a [u8],
    pub trace_id: &'a [u8],
}

impl<'a> Exemplar<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        const TIME: u32 = fixed64(2);
        const AS_DOUBLE: u32 = fixed64(3);
        const SPAN_ID: u32 = bytes(4);
        const TRACE_ID: u32 = bytes(5);
        const AS_INT: u32 = fixed64(6);
        const FILTERED_ATTRIBUTES: u32 = bytes(7);

        let mut exemplar = Self::default();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                TIME => exemplar.time_unix_nano = fields.fixed64()?,
                AS_DOUBLE => exemplar.number = Some(Number::Double(fields.double()?)),
                AS_INT => exemplar.number = Some(Number::Int(fields.fixed64()? as i64)),
                SPAN_ID => exemplar.span_id = fields.bytes()?,
                TRACE_ID => exemplar.trace_id = fields.bytes()?,
                FILTERED_ATTRIBUTES => exemplar.filtered_attributes.push(fields.bytes()?),
                _ => fields.skip(tag)?,
            }
        }
        Ok(exemplar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8][..], content].concat()
    }

    fn eight(number: u8, value: u64) -> Vec<u8> {
        [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
    }

    #[test]
    fn repeated_numbers_are_read_packed_and_one_by_one() {
        let bits = 1.5f64.to_bits();
        let packed = [message(6, &[1u64.to_le_bytes(), 2u64.to_le_bytes()].concat()), message(7, &bits.to_le_bytes())];
        let single = [eight(6, 1), eight(7, bits), eight(6, 2)];
        for wire in [packed.concat(), single.concat(), [&single[0][..], &packed[1], &single[2]].concat()] {
            let mut point = Point::default();
            point.read(MetricType::Histogram, &wire).expect("valid");
            assert_eq!((&point.bucket_counts[..], &point.explicit_bounds[..]), (&[1, 2][..], &[1.5][..]));
        }
        // Offset -1, counts 300 and 1, the second one merged in from another message.
        let wire = [message(8, &[0x08, 0x01, 0x12, 0x02, 0xac, 0x02]), message(8, &[0x10, 0x01])].concat();
        let mut point = Point::default();
        point.read(MetricType::ExponentialHistogram, &wire).expect("valid");
        assert_eq!(point.positive, Some(Buckets { offset: -1, counts: vec![300, 1] }));
        let refused = |kind, wire: &[u8]| Point::default().read(kind, wire).is_err();
        assert!(refused(MetricType::Histogram, &message(6, &[0; 7])), "no whole numbers");
        assert!(refused(MetricType::ExponentialHistogram, &message(8, &message(2, &[0x80]))), "no whole number");
    }

    #[test]
    fn of_several_kinds_of_data_the_last_counts_and_the_same_kind_is_merged() {
        let point = || message(1, &[]);
        let wire =
            [message(5, &point()), message(7, &[point(), vec![0x10, 2, 0x18, 1]].concat()), message(7, &point())];
        let wire_of_all = wire.concat();
        let metric = Metric::read(&wire_of_all).expect("valid");
        assert_eq!((metric.kind, metric.points.len(), metric.is_monotonic), (Some(MetricType::Sum), 2, true));
        assert_eq!(
            metric.points.into_iter().filter(Result::is_ok).count(),
            2,
            "over both messages, none of the gauge's"
        );
        let back = [&wire[1][..], &wire[0]].concat();
        let metric = Metric::read(&back).expect("valid");
        assert_eq!((metric.kind, metric.points.len(), metric.aggregation_temporality), (Some(MetricType::Gauge), 1, 0));
        assert_eq!(metric.points.into_iter().count(), 1);
    }
}
