//! The histogram behind percentiles: counts of values by their magnitude, merged without loss in any order.
//!
//! A bucket is what shares sign, exponent and the first 7 bits of the fraction of a double: 128 buckets an octave, so that a
//! bucket's middle is at most 0.4 % away from every value in it. (TimescaleDB's `percentile_agg` keeps such buckets, too.)
//!
//! As bytes: `P`, 1, then 1 if all values are whole numbers and else 0, the least and the greatest value as little-endian
//! doubles, and for each bucket that holds values, ascending, its distance to the one before (the first: to bucket 0,
//! zigzag) and its count, both as LEB128.

use crate::leb128;

/// The first byte of a sketch.
pub const SKETCH_KIND: u8 = b'P';

const LAYOUT: u8 = 1;

/// Bits of the fraction that tell buckets of an octave apart.
const FRACTION_BITS: u32 = 7;
/// Buckets of an octave.
const OCTAVE: usize = 1 << FRACTION_BITS;
/// Bits of a double below those that choose the bucket.
const REST_BITS: u32 = f64::MANTISSA_DIGITS - 1 - FRACTION_BITS;
/// Buckets are numbered from 0 up for values from zero up, and from -1 down for those below.
const BUCKET_MAX: i64 = (f64::INFINITY.to_bits() >> REST_BITS) as i64;
/// Buckets up to which they are listed one by one.
const FEW: usize = 32;

/// What is not the bytes of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASketch {
    #[error("not a sketch of percentile_agg")]
    Other,
    #[error("a sketch of percentile_agg is damaged")]
    Damaged,
}

/// How many values fell into each bucket, and between which ends they lie.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Counts,
    least: f64,
    greatest: f64,
    are_whole: bool,
}

#[derive(Clone, Debug)]
enum Counts {
    /// Bucket and count, ascending.
    Few(Vec<(i64, u64)>),
    /// All octaves from the first one that holds values to the last.
    Many { first_octave: i64, octaves: Vec<Option<Box<[u64; OCTAVE]>>> },
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Counts::Few(Vec::new()), least: f64::INFINITY, greatest: f64::NEG_INFINITY, are_whole: true }
    }
}

impl Histogram {
    /// NaN is no value to rank and is left out.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.are_whole &= value as i64 as f64 == value;
        self.counts.add(bucket_of(value), 1);
    }

    /// The value below or at which the share `share` (0 to 1) of the values lies, by nearest rank; none of none.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let mut total = 0_u64;
        self.counts.each(|_, count| total = total.saturating_add(count));
        if total == 0 {
            return None;
        }
        // What is but rounding above a whole rank is that rank.
        let rank = ((share * total as f64 * (1.0 - f64::EPSILON)).ceil() as u64).clamp(1, total);
        if rank == 1 || rank == total {
            return Some(if rank == 1 { self.least } else { self.greatest });
        }
        let (mut below, mut found) = (0_u64, None);
        self.counts.each(|bucket, count| {
            below = below.saturating_add(count);
            if found.is_none() && below >= rank {
                found = Some(bucket);
            }
        });
        let middle = middle_of(found?);
        let middle = if self.are_whole { middle.trunc() } else { middle };
        Some(middle.clamp(self.least, self.greatest))
    }

    pub fn is_empty(&self) -> bool {
        matches!(&self.counts, Counts::Few(few) if few.is_empty())
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![SKETCH_KIND, LAYOUT, u8::from(self.are_whole)];
        bytes.extend(self.least.to_le_bytes());
        bytes.extend(self.greatest.to_le_bytes());
        let mut before = None;
        self.counts.each(|bucket, count| {
            let distance = match before {
                None => (bucket << 1 ^ bucket >> 63) as u64,
                Some(before) => bucket.abs_diff(before),
            };
            leb128::write(distance, &mut bytes);
            leb128::write(count, &mut bytes);
            before = Some(bucket);
        });
        bytes
    }

    pub fn of_bytes(bytes: &[u8]) -> Result<Self, NotASketch> {
        let mut histogram = Self::default();
        histogram.merge_bytes(bytes)?;
        Ok(histogram)
    }

    /// Adds what `bytes` count. After an error it is good for nothing.
    pub fn merge_bytes(&mut self, bytes: &[u8]) -> Result<(), NotASketch> {
        let [SKETCH_KIND, LAYOUT, are_whole @ (0 | 1), rest @ ..] = bytes else {
            return Err(NotASketch::Other);
        };
        let merged = self.merge_ends(rest).and_then(|buckets| self.merge_buckets(buckets));
        merged.ok_or(NotASketch::Damaged)?;
        self.are_whole &= *are_whole == 1;
        Ok(())
    }

    /// What comes behind the ends. Of values there always are ends in order, neither of them NaN.
    fn merge_ends<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (least, rest) = bytes.split_first_chunk()?;
        let (greatest, rest) = rest.split_first_chunk()?;
        let (least, greatest) = (f64::from_le_bytes(*least), f64::from_le_bytes(*greatest));
        self.least = self.least.min(least);
        self.greatest = self.greatest.max(greatest);
        (least <= greatest).then_some(rest)
    }

    fn merge_buckets(&mut self, mut bytes: &[u8]) -> Option<()> {
        let mut before: Option<i64> = None;
        while !bytes.is_empty() {
            let (distance, count) = (leb128::read(&mut bytes)?, leb128::read(&mut bytes)?);
            let bucket = match before {
                None => (distance >> 1) as i64 ^ -((distance & 1) as i64),
                Some(before) => before.checked_add_unsigned(distance)?,
            };
            if count == 0 || before == Some(bucket) || !(-1 - BUCKET_MAX..=BUCKET_MAX).contains(&bucket) {
                return None;
            }
            self.counts.add(bucket, count);
            before = Some(bucket);
        }
        before.map(drop)
    }

    /// Bytes of memory beside the histogram itself.
    pub fn size(&self) -> usize {
        match &self.counts {
            Counts::Few(few) => few.capacity() * size_of::<(i64, u64)>(),
            Counts::Many { octaves, .. } => {
                let held = octaves.iter().flatten().count();
                octaves.capacity() * size_of::<Option<Box<[u64; OCTAVE]>>>() + held * size_of::<[u64; OCTAVE]>()
            }
        }
    }
}

impl Counts {
    fn add(&mut self, bucket: i64, count: u64) {
        match self {
            Self::Many { first_octave, octaves } => {
                let octave = bucket >> FRACTION_BITS;
                let at = usize::try_from(octave - *first_octave).ok();
                if let Some(Some(counts)) = at.and_then(|at| octaves.get_mut(at)) {
                    let stands = &mut counts[within_octave(bucket)];
                    *stands = stands.saturating_add(count);
                } else {
                    self.make_room(octave);
                    self.add(bucket, count);
                }
            }
            Self::Few(few) => match few.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                Ok(at) => few[at].1 = few[at].1.saturating_add(count),
                Err(at) => {
                    few.insert(at, (bucket, count));
                    if few.len() > FEW {
                        self.spread();
                    }
                }
            },
        }
    }

    fn spread(&mut self) {
        let mut many = Self::Many { first_octave: 0, octaves: Vec::new() };
        self.each(|bucket, count| many.add(bucket, count));
        *self = many;
    }

    fn make_room(&mut self, octave: i64) {
        let Self::Many { first_octave, octaves } = self else { return };
        if octaves.is_empty() {
            *first_octave = octave;
        }
        if octave < *first_octave {
            let more = (*first_octave - octave) as usize;
            octaves.splice(0..0, std::iter::repeat_with(|| None).take(more));
            *first_octave = octave;
        }
        let at = (octave - *first_octave) as usize;
        if at >= octaves.len() {
            octaves.resize_with(at + 1, || None);
        }
        octaves[at].get_or_insert_with(|| Box::new([0; OCTAVE]));
    }

    /// Ascending, those that hold values.
    fn each(&self, mut act: impl FnMut(i64, u64)) {
        match self {
            Self::Few(few) => few.iter().for_each(|(bucket, count)| act(*bucket, *count)),
            Self::Many { first_octave, octaves } => {
                for (octave, counts) in (*first_octave..).zip(octaves) {
                    for (at, count) in counts.iter().flat_map(|counts| counts.iter()).enumerate() {
                        if *count > 0 {
                            act((octave << FRACTION_BITS) + at as i64, *count);
                        }
                    }
                }
            }
        }
    }
}

fn within_octave(bucket: i64) -> usize {
    bucket as usize & (OCTAVE - 1)
}

fn bucket_of(value: f64) -> i64 {
    // Zero is one value, whatever its sign.
    let bits = (value + 0.0).to_bits();
    let magnitude = ((bits & !(1 << 63)) >> REST_BITS) as i64;
    if bits >> 63 == 0 { magnitude } else { -1 - magnitude }
}

/// The middle of a bucket; infinity of the outermost ones.
fn middle_of(bucket: i64) -> f64 {
    let magnitude = if bucket < 0 { -1 - bucket } else { bucket };
    let half = if magnitude == BUCKET_MAX || magnitude == 0 { 0 } else { 1_u64 << (REST_BITS - 1) };
    let middle = f64::from_bits(((magnitude as u64) << REST_BITS) + half);
    if bucket < 0 { -middle } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.add(*value));
        histogram
    }

    /// Spread over magnitudes, by a small generator that is always the same.
    fn values(n: usize) -> Vec<f64> {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..n).map(|_| (next() * 40.0 - 20.0).exp() * if next() < 0.3 { -1.0 } else { 1.0 }).collect()
    }

    #[test]
    fn every_percentile_is_within_0_4_percent_of_the_value_at_its_rank() {
        for n in [1, 2, 3, 10, 33, 1_000, 50_000] {
            let values = values(n);
            let histogram = of(&values);
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            for share in [0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
                let exact = sorted[((share * n as f64).ceil() as usize).clamp(1, n) - 1];
                let found = histogram.percentile(share).expect("values");
                assert!((found - exact).abs() <= exact.abs() * 0.004, "{n} p{share}: {found}, not {exact}");
            }
        }
    }

    #[test]
    fn whole_numbers_stay_whole_and_small_ones_exact() {
        let codes: Vec<f64> = (0..1_000).map(|n| f64::from(n % 250)).collect();
        for (share, exact) in [(0.0, 0.0), (0.25, 62.0), (0.5, 124.0), (0.9, 224.0), (1.0, 249.0)] {
            assert_eq!(of(&codes).percentile(share), Some(exact), "p{share}");
        }
        assert_eq!(of(&[-3.0, -2.0, -2.0, 5.0]).percentile(0.5), Some(-2.0));
        assert_eq!(of(&[1e9, 1_234_567.0, 1.0]).percentile(0.6).map(f64::fract), Some(0.0));
    }

    #[test]
    fn merging_in_any_order_is_adding_all() {
        let values = values(5_000);
        let whole = of(&values).to_bytes();
        for pieces in [1, 2, 7, 500] {
            let mut parts: Vec<Histogram> = values.chunks(values.len().div_ceil(pieces)).map(of).collect();
            for _ in 0..2 {
                let mut merged = Histogram::default();
                for part in &parts {
                    merged.merge_bytes(&part.to_bytes()).expect("reads back");
                }
                assert_eq!(merged.to_bytes(), whole, "{pieces}");
                parts.reverse();
            }
        }
    }

    #[test]
    fn ends_of_the_numbers_are_values_as_others() {
        let all = [f64::NEG_INFINITY, f64::MIN, -1.0, -0.0, 0.0, f64::MIN_POSITIVE / 4.0, 1.0, f64::MAX, f64::INFINITY];
        let histogram = Histogram::of_bytes(&of(&all).to_bytes()).expect("reads back");
        let found: Vec<f64> =
            (1..=all.len()).map(|rank| histogram.percentile(rank as f64 / all.len() as f64).expect("values")).collect();
        for (found, exact) in found.iter().zip(all) {
            let near = found == &exact || (found - exact).abs() <= exact.abs() * 0.004;
            assert!(near || exact.is_subnormal(), "{found}, not {exact}");
        }
        assert_eq!(of(&[f64::NAN]).percentile(0.5), None);
    }

    #[test]
    fn damage_is_an_error() {
        let whole = of(&values(3)).to_bytes();
        for cut in (0..19).chain([whole.len() - 1]) {
            assert!(Histogram::of_bytes(&whole[..cut]).is_err(), "{cut}");
        }
        let head = &whole[..19];
        for (rest, why) in [
            (vec![], "no bucket"),
            (vec![2, 0], "a count of nothing"),
            (vec![2, 1, 0, 1], "a bucket twice"),
            (vec![0xff; 10], "more than 64 bits"),
            ([0xff; 9].into_iter().chain([1, 1]).collect(), "a bucket beyond all numbers"),
        ] {
            assert!(Histogram::of_bytes(&[head, &rest].concat()).is_err(), "{why}");
        }
    }
}
