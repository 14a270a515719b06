//! `avg`, whose lengths of time do not wrap: DataFusion 55.2 adds them around the end of 64 bits, or panics. All other types are
//! left to it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, TimeUnit, UInt64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF, Signature,
};

/// Wide enough for 2^63 values of 64 bits.
const SUM: DataType = DataType::Decimal128(38, 0);

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Mean {
    inner: Arc<AggregateUDF>,
}

impl Default for Mean {
    fn default() -> Self {
        Self { inner: avg_udaf() }
    }
}

/// The unit, if the result is a length of time.
fn unit_of(result: &FieldRef) -> Option<TimeUnit> {
    match result.data_type() {
        DataType::Duration(unit) => Some(*unit),
        _ => None,
    }
}

impl AggregateUDFImpl for Mean {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if args.is_distinct || unit_of(&args.return_field).is_none() {
            return self.inner.state_fields(args);
        }
        let field = |what: &str, kind: DataType| Arc::new(Field::new(format!("{}[{what}]", args.name), kind, true));
        Ok(vec![field("count", DataType::UInt64), field("sum", SUM)])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match unit_of(&args.return_field) {
            Some(unit) if !args.is_distinct => Ok(Box::new(MeanLength { unit, sum: 0, count: 0 })),
            _ => self.inner.accumulator(args),
        }
    }

    /// Lengths of time go one group at a time: slower, and rarely asked for.
    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        unit_of(&args.return_field).is_none() && self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// Of lengths of time in one unit.
#[derive(Debug)]
struct MeanLength {
    unit: TimeUnit,
    sum: i128,
    count: u64,
}

/// The sum of the values that are not null, and their number.
fn sum_of(lengths: &ArrayRef) -> Result<(i128, u64)> {
    let lengths = cast(lengths, &DataType::Int64)?;
    let lengths = lengths.as_primitive::<Int64Type>();
    Ok((lengths.iter().flatten().map(i128::from).sum(), (lengths.len() - lengths.null_count()) as u64))
}

impl Accumulator for MeanLength {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = sum_of(&values[0])?;
        (self.sum, self.count) = (self.sum + sum, self.count + count);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = sum_of(&values[0])?;
        (self.sum, self.count) = (self.sum - sum, self.count - count);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.count += states[0].as_primitive::<UInt64Type>().iter().flatten().sum::<u64>();
        let sums: &Decimal128Array = states[1].as_primitive::<Decimal128Type>();
        self.sum += sums.iter().flatten().sum::<i128>();
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::UInt64(Some(self.count)), ScalarValue::Decimal128(Some(self.sum), 38, 0)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        // Between the least and the greatest of them, so it fits as they do.
        let mean = (self.count > 0).then(|| (self.sum / i128::from(self.count)) as i64);
        Ok(match self.unit {
            TimeUnit::Second => ScalarValue::DurationSecond(mean),
            TimeUnit::Millisecond => ScalarValue::DurationMillisecond(mean),
            TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(mean),
            TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(mean),
        })
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
