//! `sum`, whose whole numbers and lengths of time do not wrap: DataFusion 55.2 adds them around the end of their type. All other
//! types, and `sum(DISTINCT ...)`, are left to it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray};
use arrow::datatypes::{
    ArrowNativeTypeOp, DataType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, FieldRef, Int64Type, TimeUnit, UInt64Type,
};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    inner: Arc<AggregateUDF>,
}

impl Default for Sum {
    fn default() -> Self {
        Self { inner: sum_udaf() }
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match total_of(&args) {
            Some(total) => Ok(total),
            None => self.inner.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match total_of(&args) {
            Some(total) => Ok(total),
            None => self.inner.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_field.data_type() {
            DataType::Int64 => Ok(Box::new(Totals::of::<Int64Type>(i64::overflowing_add))),
            DataType::UInt64 => Ok(Box::new(Totals::of::<UInt64Type>(u64::overflowing_add))),
            DataType::Duration(unit) => Ok(Box::new(match unit {
                TimeUnit::Second => Totals::of::<DurationSecondType>(i64::overflowing_add),
                TimeUnit::Millisecond => Totals::of::<DurationMillisecondType>(i64::overflowing_add),
                TimeUnit::Microsecond => Totals::of::<DurationMicrosecondType>(i64::overflowing_add),
                TimeUnit::Nanosecond => Totals::of::<DurationNanosecondType>(i64::overflowing_add),
            })),
            _ => self.inner.create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// None: DataFusion's own does not wrap, or is left as it is.
fn total_of(args: &AccumulatorArgs<'_>) -> Option<Box<dyn Accumulator>> {
    match (args.return_field.data_type(), args.is_distinct) {
        (DataType::Int64, false) => Some(Box::new(Total::<Int64Type>::default())),
        (DataType::UInt64, false) => Some(Box::new(Total::<UInt64Type>::default())),
        (DataType::Duration(TimeUnit::Second), false) => Some(Box::new(Total::<DurationSecondType>::default())),
        (DataType::Duration(TimeUnit::Millisecond), false) => {
            Some(Box::new(Total::<DurationMillisecondType>::default()))
        }
        (DataType::Duration(TimeUnit::Microsecond), false) => {
            Some(Box::new(Total::<DurationMicrosecondType>::default()))
        }
        (DataType::Duration(TimeUnit::Nanosecond), false) => Some(Box::new(Total::<DurationNanosecondType>::default())),
        _ => None,
    }
}

fn overflow() -> DataFusionError {
    ArrowError::ArithmeticOverflow("the sum is larger than its type".to_owned()).into()
}

/// Of whole numbers or lengths of time: exact in between, and an error only if what comes out does not fit.
struct Total<T> {
    sum: i128,
    /// Rows that are not null.
    count: usize,
    kind: PhantomData<T>,
}

impl<T> Default for Total<T> {
    fn default() -> Self {
        Self { sum: 0, count: 0, kind: PhantomData }
    }
}

impl<T> fmt::Debug for Total<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Total({})", self.sum)
    }
}

/// The sum of the values that are not null, and their number.
fn sum_of<T: ArrowPrimitiveType<Native: Into<i128>>>(values: &ArrayRef) -> (i128, usize) {
    let values = values.as_primitive::<T>();
    let sum = match values.null_count() {
        0 => values.values().iter().map(|value| (*value).into()).sum(),
        _ => values.iter().flatten().map(Into::into).sum(),
    };
    (sum, values.len() - values.null_count())
}

impl<T> Accumulator for Total<T>
where
    T: ArrowPrimitiveType<Native: Into<i128> + TryFrom<i128>> + Send + Sync,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = sum_of::<T>(&values[0]);
        (self.sum, self.count) = (self.sum + sum, self.count + count);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = sum_of::<T>(&values[0]);
        (self.sum, self.count) = (self.sum - sum, self.count - count);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = T::Native::try_from(self.sum).map_err(|_| overflow())?;
        ScalarValue::new_primitive::<T>((self.count > 0).then_some(sum), &T::DATA_TYPE)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// Of each group: DataFusion's own way of adding, and the word that a sum has left its type.
struct Totals {
    inner: Box<dyn GroupsAccumulator>,
    is_over: Arc<AtomicBool>,
}

impl Totals {
    fn of<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp> + Send>(
        add: fn(T::Native, T::Native) -> (T::Native, bool),
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let checked = move |sum: &mut T::Native, value: T::Native| {
            let (added, is_over) = add(*sum, value);
            *sum = added;
            if is_over {
                told.store(true, Ordering::Relaxed);
            }
        };
        Self { inner: Box::new(PrimitiveGroupsAccumulator::<T, _>::new(&T::DATA_TYPE, checked)), is_over }
    }

    fn check(&self) -> Result<()> {
        if self.is_over.load(Ordering::Relaxed) { Err(overflow()) } else { Ok(()) }
    }
}

impl GroupsAccumulator for Totals {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, n_groups)?;
        self.check()
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], n_groups: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, n_groups)?;
        self.check()
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.inner.evaluate(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}
