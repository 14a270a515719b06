//! How many of a cell's durations lie in a range of slots (see `rollup::steps`), as a scalar function over cells.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use rollup::cells;
use rollup::steps::count_within;

use super::over_cells::cell;

/// Of a cell without durations it is 0.
pub(super) fn durations_within(slots: Range<u16>) -> Expr {
    let function =
        DurationsWithin { slots, signature: Signature::exact(vec![DataType::Binary], Volatility::Immutable) };
    let func = Arc::new(ScalarUDF::from(function));
    Expr::ScalarFunction(ScalarFunction { func, args: vec![cell(cells::DURATION_STEPS)] })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DurationsWithin {
    slots: Range<u16>,
    signature: Signature,
}

impl ScalarUDFImpl for DurationsWithin {
    fn name(&self) -> &str {
        "durations_within"
    }

    /// Calls of other slots are other columns.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(format!("durations_within({}..{}, {})", self.slots.start, self.slots.end, args[0].schema_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let steps = args.args[0].to_array(args.number_rows)?;
        let count = |steps: Option<&[u8]>| match steps {
            Some(steps) => {
                count_within(steps, self.slots.clone()).map(|count| i64::try_from(count).unwrap_or(i64::MAX))
            }
            None => Ok(0),
        };
        let counts: Result<Int64Array, _> =
            steps.as_binary::<i32>().iter().map(|steps| count(steps).map(Some)).collect();
        let counts = counts.map_err(|error| DataFusionError::Execution(error.to_string()))?;
        Ok(ColumnarValue::Array(Arc::new(counts)))
    }
}
