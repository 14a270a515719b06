//! Percentiles in two steps: `percentile_agg(x)` makes a histogram, `approx_percentile(q, sketch)` reads it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Float64Builder};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{DataFusionError, Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use rollup::{Histogram, NotASketch};

use super::sketch::Sketch;

impl Sketch for Histogram {
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

    fn add(&mut self, column: &Float64Array, row: usize) {
        if column.is_valid(row) {
            self.add(column.value(row));
        }
    }

    fn merge(&mut self, sketch: &[u8]) -> Result<()> {
        self.merge_bytes(sketch).map_err(not_a_sketch)
    }

    fn to_bytes(&mut self) -> Option<Vec<u8>> {
        (!self.is_empty()).then(|| Histogram::to_bytes(self))
    }

    fn size(&self) -> usize {
        self.size()
    }
}

fn not_a_sketch(error: NotASketch) -> DataFusionError {
    DataFusionError::Execution(error.to_string())
}

/// `approx_percentile(q, sketch)`: the value at or below which the share `q` (0 to 1) of the values lies, within 0.4 %.
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
        let mut last: Option<(&[u8], Histogram)> = None;
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
                last = Some((bytes, Histogram::of_bytes(bytes).map_err(not_a_sketch)?));
            }
            let (_, histogram) = last.as_ref().expect("set above");
            answers.append_option(histogram.percentile(share));
        }
        Ok(ColumnarValue::Array(Arc::new(answers.finish())))
    }
}
