//! Percentiles in two steps: `percentile_agg(x)` makes a t-digest, `approx_percentile(q, digest)` reads it.
//!
//! The digest is DataFusion's. As bytes: `T`, 1, then little-endian doubles: sum, count, max, min, and mean and weight of
//! each centroid in order of mean.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Float64Builder};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use datafusion_functions_aggregate_common::tdigest::{Centroid, TDigest};

use super::sketch::Sketch;

const KIND: u8 = b'T';
const LAYOUT: u8 = 1;
/// Centroids of a digest, at most: the error at p95 is well below one percent.
const CENTROIDS_MAX: usize = 200;
/// Values kept aside until they are merged into the digest in one go.
const PENDING_MAX: usize = 2_048;

/// A t-digest and the values that are not merged into it yet.
#[derive(Debug)]
pub(super) struct Digest {
    digest: TDigest,
    pending: Vec<f64>,
}

impl Default for Digest {
    fn default() -> Self {
        Self { digest: TDigest::new(CENTROIDS_MAX), pending: Vec::new() }
    }
}

impl Digest {
    fn settle(&mut self) {
        if !self.pending.is_empty() {
            self.digest = self.digest.merge_unsorted_f64(std::mem::take(&mut self.pending));
        }
    }
}

impl Sketch for Digest {
    type Column = Float64Array;

    fn value_type(given: &DataType) -> Result<DataType> {
        if given.is_numeric() || *given == DataType::Null {
            Ok(DataType::Float64)
        } else {
            plan_err!("percentile_agg takes numbers, not {given}")
        }
    }

    fn column(values: &ArrayRef) -> Result<Float64Array> {
        Ok(values.as_primitive::<Float64Type>().clone())
    }

    /// NaN is no value to rank and is left out, as nulls are.
    fn add(&mut self, column: &Float64Array, row: usize) {
        if column.is_null(row) || column.value(row).is_nan() {
            return;
        }
        self.pending.push(column.value(row));
        if self.pending.len() >= PENDING_MAX {
            self.settle();
        }
    }

    fn merge(&mut self, sketch: &[u8]) -> Result<()> {
        self.settle();
        self.digest = TDigest::merge_digests([&self.digest, &read(sketch)?]);
        Ok(())
    }

    fn to_bytes(&mut self) -> Option<Vec<u8>> {
        self.settle();
        let digest = &self.digest;
        if digest.centroids().is_empty() {
            return None;
        }
        let mut bytes = vec![KIND, LAYOUT];
        let facts = [digest.sum(), digest.count(), digest.max(), digest.min()];
        let centroids = digest.centroids().iter().flat_map(|c| [c.mean(), c.weight()]);
        facts.into_iter().chain(centroids).for_each(|number| bytes.extend(number.to_le_bytes()));
        Some(bytes)
    }

    fn size(&self) -> usize {
        self.pending.capacity() * size_of::<f64>() + std::mem::size_of_val(self.digest.centroids())
    }
}

fn read(sketch: &[u8]) -> Result<TDigest> {
    let [KIND, LAYOUT, numbers @ ..] = sketch else { return exec_err!("not a digest of percentile_agg") };
    let (chunks, rest) = numbers.as_chunks::<8>();
    let numbers: Vec<f64> = chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect();
    let ([sum, count, max, min, centroids @ ..], []) = (numbers.as_slice(), rest) else {
        return exec_err!("a digest of percentile_agg is cut short");
    };
    if centroids.len() % 2 != 0 {
        return exec_err!("a digest of percentile_agg is cut short");
    }
    let centroids = centroids.chunks(2).map(|pair| Centroid::new(pair[0], pair[1])).collect();
    TDigest::try_from_parts(CENTROIDS_MAX, *sum, *count, *max, *min, centroids)
}

/// `approx_percentile(q, digest)`: the value below which the share `q` (0 to 1) of the values lies.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ApproxPercentile {
    signature: Signature,
}

impl Default for ApproxPercentile {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ApproxPercentile {
    fn name(&self) -> &str {
        "approx_percentile"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [share, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null]
                if share.is_numeric() || *share == DataType::Null =>
            {
                Ok(vec![DataType::Float64, DataType::Binary])
            }
            [_, _] => plan_err!("approx_percentile takes a number from 0 to 1 and what percentile_agg returns"),
            _ => plan_err!("approx_percentile takes 2 arguments, not {}", given.len()),
        }
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let shares = args.args[0].to_array(rows)?;
        let sketches = args.args[1].to_array(rows)?;
        let (shares, sketches) = (shares.as_primitive::<Float64Type>(), sketches.as_binary::<i32>());
        let mut answers = Float64Builder::with_capacity(rows);
        let mut last: Option<(&[u8], TDigest)> = None;
        for row in 0..rows {
            if shares.is_null(row) || sketches.is_null(row) {
                answers.append_null();
                continue;
            }
            let share = shares.value(row);
            if !(0.0..=1.0).contains(&share) {
                return exec_err!("approx_percentile takes a share from 0 to 1, not {share}");
            }
            let bytes = sketches.value(row);
            if last.as_ref().is_none_or(|(read, _)| *read != bytes) {
                last = Some((bytes, read(bytes)?));
            }
            let (_, digest) = last.as_ref().expect("set above");
            answers.append_value(digest.estimate_quantile(share));
        }
        Ok(ColumnarValue::Array(Arc::new(answers.finish())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(values: impl IntoIterator<Item = f64>) -> Digest {
        let column = Float64Array::from_iter_values(values);
        let mut digest = Digest::default();
        (0..column.len()).for_each(|row| digest.add(&column, row));
        digest
    }

    #[test]
    fn merged_digests_answer_as_one_over_all_values() {
        let mut left = digest_of((0..50_000).map(f64::from));
        let mut right = digest_of((50_000..100_000).map(f64::from));
        left.merge(&right.to_bytes().expect("values")).expect("merged");
        let merged = read(&left.to_bytes().expect("values")).expect("reads back");
        assert_eq!(merged.count(), 100_000.0);
        for share in [0.01, 0.5, 0.95, 0.99] {
            let found = merged.estimate_quantile(share);
            assert!((found - share * 100_000.0).abs() < 300.0, "p{share}: {found}");
        }
        assert_eq!((merged.estimate_quantile(0.0), merged.estimate_quantile(1.0)), (0.0, 99_999.0));
    }

    #[test]
    fn nothing_added_is_null_and_damage_is_an_error() {
        assert_eq!(digest_of([f64::NAN]).to_bytes(), None);
        let whole = digest_of([1.0, 2.0]).to_bytes().expect("values");
        for cut in [0, 1, 2, 9, whole.len() - 1, whole.len() - 8] {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
    }
}
