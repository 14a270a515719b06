//! DataFusion's functions whose result is as large as an argument says, refused before they take memory that no pool counts, and
//! those that panic on some numbers.
//!
//! They may run while a query is planned, when constants are folded, and on a batch of rows that share one argument.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::error::Limit;

/// Bytes of one text or list that such a function makes. A batch has thousands of rows, which may share it.
const VALUE_BYTES_MAX: usize = 64 << 10;
/// Bytes that one call makes for a batch of rows, and of one series.
const CALL_BYTES_MAX: usize = 64 << 20;

/// Bytes of a character at most, and of an item of a list at least.
const CHARACTER_BYTES: u64 = 4;
const ITEM_BYTES: u64 = 8;

const DAY_NS: i128 = 86_400_000_000_000;
/// The shortest month makes the longest series.
const MONTH_DAYS: i128 = 28;

/// What says how large a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Size {
    /// The first argument as many times as the second says.
    Times,
    /// As many characters as the second argument says.
    Characters,
    /// As many items as the second argument says.
    Items,
    /// From the first argument to the second, by the third.
    Series,
}

const CAPPED: [(&str, Size); 7] = [
    ("repeat", Size::Times),
    ("array_repeat", Size::Times),
    ("lpad", Size::Characters),
    ("rpad", Size::Characters),
    ("array_resize", Size::Items),
    ("range", Size::Series),
    ("generate_series", Size::Series),
];

/// A whole number that a function takes as an argument, and panics or fails as if by a bug of ours on others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Number {
    at: usize,
    least: i64,
    greatest: i64,
}

const NUMBERS: [(&str, Number); 3] = [
    ("array_resize", Number { at: 1, least: 0, greatest: i64::MAX }),
    ("array_position", Number { at: 2, least: 1, greatest: i64::MAX }),
    ("array_slice", Number { at: 3, least: -(i32::MAX as i64), greatest: i32::MAX as i64 }),
];

/// The function itself, or the same one with a cap.
pub(crate) fn capped(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let size = CAPPED.into_iter().find(|(name, _)| *name == function.name());
    let number = NUMBERS.into_iter().find(|(name, _)| *name == function.name());
    let Some(name) = size.map(|(name, _)| name).or(number.map(|(name, _)| name)) else { return function };
    let (size, number) = (size.map(|(_, size)| size), number.map(|(_, number)| number));
    Arc::new(ScalarUDF::from(Capped { function, name, size, number }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Capped {
    function: Arc<ScalarUDF>,
    name: &'static str,
    size: Option<Size>,
    number: Option<Number>,
}

impl ScalarUDFImpl for Capped {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.inner().return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&args)?;
        self.function.invoke_with_args(args)
    }
}

impl Capped {
    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let columns = args.args.iter().map(Column::of).collect::<Result<Vec<_>>>()?;
        let rows = if columns.iter().all(|column| column.is_constant) { 1 } else { args.number_rows };
        if let Some(number) = self.number {
            number.check(self.name, &columns, rows)?;
        }
        let Some(size) = self.size else { return Ok(()) };
        let value_bytes_max = if size == Size::Series { CALL_BYTES_MAX } else { VALUE_BYTES_MAX };
        let mut call_bytes = 0u64;
        for row in 0..rows {
            let bytes = size.bytes(&columns, row)?;
            call_bytes = call_bytes.saturating_add(bytes);
            let over = |bytes: u64, bytes_max: usize| bytes > bytes_max as u64;
            let bytes_max = match (over(bytes, value_bytes_max), over(call_bytes, CALL_BYTES_MAX)) {
                (true, _) => value_bytes_max,
                (false, true) => CALL_BYTES_MAX,
                (false, false) => continue,
            };
            return Err(DataFusionError::External(Box::new(Limit::Function { name: self.name, bytes_max })));
        }
        Ok(())
    }
}

impl Number {
    fn check(self, name: &str, columns: &[Column], rows: usize) -> Result<()> {
        let Some(column) = columns.get(self.at) else { return Ok(()) };
        let Self { at, least, greatest } = self;
        match (0..rows).filter_map(|row| column.number(row)).find(|number| !(least..=greatest).contains(number)) {
            Some(number) => {
                exec_err!("argument {} of {name} is {number}; it may be from {least} to {greatest}", at + 1)
            }
            None => Ok(()),
        }
    }
}

impl Size {
    /// The bytes of the result in one row, at most.
    fn bytes(self, columns: &[Column], row: usize) -> Result<u64> {
        let times = |at: usize| {
            columns.get(at).and_then(|column| column.number(row)).map_or(0, |n| u64::try_from(n).unwrap_or(0))
        };
        Ok(match self {
            Size::Times => columns[0].bytes(row)?.saturating_mul(times(1)),
            Size::Characters => times(1).saturating_mul(CHARACTER_BYTES),
            Size::Items => {
                let item = columns.get(2).map_or(Ok(ITEM_BYTES), |value| value.bytes(row))?;
                times(1).saturating_mul(item.max(ITEM_BYTES))
            }
            Size::Series => series_items(columns, row).saturating_mul(ITEM_BYTES),
        })
    }
}

/// Items from a start to an end; without end if the step is none or goes both ways. None of nothing.
fn series_items(columns: &[Column], row: usize) -> u64 {
    let whole = |at: usize| columns.get(at).map(|column| column.number(row));
    let (start, stop) = match columns.len() {
        1 => (Some(Some(0)), whole(0)),
        _ => (whole(0), whole(1)),
    };
    let (Some(Some(start)), Some(Some(stop))) = (start, stop) else { return 0 };
    let step = match columns.get(2) {
        None => 1,
        Some(step) => match step.step(row) {
            Some(step) => step,
            None => return 0,
        },
    };
    let apart = (i128::from(stop) - i128::from(start)).unsigned_abs();
    match (apart, step.unsigned_abs()) {
        (0, _) => 1,
        (_, 0) => u64::MAX,
        (apart, step) => u64::try_from(apart / step).unwrap_or(u64::MAX).saturating_add(1),
    }
}

/// An argument: a row for each, or one row for all.
struct Column {
    array: ArrayRef,
    is_constant: bool,
}

impl Column {
    /// Whole numbers as such, times in nanoseconds, the rest as it is.
    fn of(value: &ColumnarValue) -> Result<Self> {
        let (array, is_constant) = match value {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let array = match array.data_type() {
            DataType::Timestamp(_, zone) => {
                let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, zone.clone());
                cast(&cast(&array, &nanoseconds)?, &DataType::Int64)?
            }
            DataType::Date32 | DataType::Date64 => {
                let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
                cast(&cast(&array, &nanoseconds)?, &DataType::Int64)?
            }
            integer if integer.is_integer() => cast(&array, &DataType::Int64)?,
            _ => array,
        };
        Ok(Self { array, is_constant })
    }

    fn at(&self, row: usize) -> Option<usize> {
        let row = if self.is_constant { 0 } else { row };
        self.array.is_valid(row).then_some(row)
    }

    fn number(&self, row: usize) -> Option<i64> {
        let row = self.at(row)?;
        self.array.as_primitive_opt::<Int64Type>().map(|numbers| numbers.value(row))
    }

    /// A step of a series, in the unit of its start; none if it is null.
    fn step(&self, row: usize) -> Option<i128> {
        if *self.array.data_type() != DataType::Interval(IntervalUnit::MonthDayNano) {
            return self.number(row).map(i128::from);
        }
        let steps = self.array.as_primitive_opt::<IntervalMonthDayNanoType>()?;
        let (months, days, ns) = IntervalMonthDayNanoType::to_parts(steps.value(self.at(row)?));
        let parts = [i128::from(months) * MONTH_DAYS * DAY_NS, i128::from(days) * DAY_NS, i128::from(ns)];
        let goes_both_ways = parts.iter().any(|part| *part < 0) && parts.iter().any(|part| *part > 0);
        Some(if goes_both_ways { 0 } else { parts.iter().sum() })
    }

    fn bytes(&self, row: usize) -> Result<u64> {
        let Some(row) = self.at(row) else { return Ok(ITEM_BYTES) };
        Ok(match self.array.data_type() {
            DataType::Utf8 => self.array.as_string::<i32>().value(row).len() as u64,
            DataType::LargeUtf8 => self.array.as_string::<i64>().value(row).len() as u64,
            DataType::Utf8View => self.array.as_string_view().value(row).len() as u64,
            _ => (self.array.slice(row, 1).to_data().get_slice_memory_size()? as u64).max(ITEM_BYTES),
        })
    }
}
