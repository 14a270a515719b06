//! Distinct counts in two steps: `approx_count_distinct(x)` makes a HyperLogLog, `distinct_count(sketch)` reads it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Builder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes_with_hasher};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use rollup::{NotRegisters, Registers, hash_of_text};

use super::sketch::Sketch;

/// Hashes of a column's values.
pub(super) struct Hashes {
    hashes: Vec<u64>,
    nulls: Option<NullBuffer>,
}

impl Sketch for Registers {
    type Column = Hashes;

    /// Texts are hashed as views, however they are stored, so that sketches of them merge.
    fn value_type(given: &DataType) -> Result<DataType> {
        Ok(match given {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            DataType::Dictionary(_, value) => Self::value_type(value)?,
            other => other.clone(),
        })
    }

    /// Of texts as in the rollups, of other values as DataFusion has them.
    fn column(values: &ArrayRef) -> Result<Hashes> {
        let hashes = match values.as_string_view_opt() {
            Some(texts) => texts.iter().map(|text| text.map_or(0, hash_of_text)).collect(),
            None => {
                let mut hashes = vec![0; values.len()];
                create_hashes_with_hasher([values], &HLL_RANDOM_STATE, &mut hashes)?;
                hashes
            }
        };
        Ok(Hashes { hashes, nulls: values.logical_nulls() })
    }

    fn add(&mut self, column: &Hashes, row: usize) {
        if column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            self.add(column.hashes[row]);
        }
    }

    fn merge(&mut self, sketch: &[u8]) -> Result<()> {
        self.merge_bytes(sketch).map_err(not_registers)
    }

    /// Never none: the count of nothing is zero.
    fn to_bytes(&mut self) -> Option<Vec<u8>> {
        Some(Registers::to_bytes(self))
    }

    fn size(&self) -> usize {
        self.size()
    }
}

fn not_registers(error: NotRegisters) -> DataFusionError {
    DataFusionError::Execution(error.to_string())
}

/// `distinct_count(sketch)`: how many distinct values went into the sketch.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DistinctCount {
    signature: Signature,
}

impl Default for DistinctCount {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DistinctCount {
    fn name(&self) -> &str {
        "distinct_count"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null] => {
                Ok(vec![DataType::Binary])
            }
            _ => plan_err!("distinct_count takes what approx_count_distinct returns"),
        }
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let sketches = args.args[0].to_array(args.number_rows)?;
        let mut counts = Int64Builder::with_capacity(args.number_rows);
        for sketch in sketches.as_binary::<i32>() {
            let Some(bytes) = sketch else {
                counts.append_null();
                continue;
            };
            let mut registers = Registers::default();
            registers.merge_bytes(bytes).map_err(not_registers)?;
            counts.append_value(registers.count());
        }
        Ok(ColumnarValue::Array(Arc::new(counts.finish())))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;

    use super::*;

    #[test]
    fn texts_are_hashed_in_one_form_and_nulls_are_not_counted() {
        for stored in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
            let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(stored.clone()));
            assert_eq!(Registers::value_type(&stored).expect("texts count"), DataType::Utf8View);
            assert_eq!(Registers::value_type(&coded).expect("texts count"), DataType::Utf8View);
        }
        let texts: ArrayRef =
            Arc::new(StringViewArray::from(vec![Some("a"), None, Some("longer than twelve bytes"), Some("a")]));
        let column = Registers::column(&texts).expect("hashes");
        let mut registers = Registers::default();
        (0..texts.len()).for_each(|row| Sketch::add(&mut registers, &column, row));
        assert_eq!(registers.count(), 2);
    }
}
