//! `time_bucket(width, time[, origin])`: the start of the bucket that a time falls into, as TimescaleDB has it, in UTC.
//!
//! Widths are text (`'5 minutes'`, `'1h'`) or intervals. Buckets of days and less are counted from Monday 2000-01-03,
//! buckets of months from 2000-01-01, unless an origin is given.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::span::Span;

/// 2000-01-03T00:00:00Z, a Monday.
const ORIGIN: i64 = 946_857_600_000_000;
/// 2000-01-01T00:00:00Z.
const ORIGIN_OF_MONTHS: i64 = 946_684_800_000_000;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct TimeBucket {
    signature: Signature,
}

impl Default for TimeBucket {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let (2 | 3) = given.len() else {
            return plan_err!(
                "time_bucket takes a width, a time and optionally an origin, not {} arguments",
                given.len()
            );
        };
        let width = match &given[0] {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            DataType::Interval(_) | DataType::Duration(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            other => return plan_err!("time_bucket takes a width as text or interval, not {other}"),
        };
        let time = match &given[1] {
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            DataType::Date32
            | DataType::Date64
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            other => return plan_err!("time_bucket takes a timestamp as its second argument, not {other}"),
        };
        let mut coerced = vec![width, time.clone()];
        coerced.extend((given.len() == 3).then_some(time));
        Ok(coerced)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given[1].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ColumnarValue::Scalar(width) = &args.args[0] else {
            return exec_err!("the width of time_bucket must be one constant, like '5 minutes'");
        };
        let Some(buckets) = Buckets::of(width, args.args.get(2))? else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(args.return_field.data_type())?));
        };
        match &args.args[1] {
            ColumnarValue::Array(times) => Ok(ColumnarValue::Array(buckets.bin(times)?)),
            ColumnarValue::Scalar(time) => {
                let binned = buckets.bin(&time.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&binned, 0)?))
            }
        }
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let constant = |input: &ExprProperties| input.sort_properties == SortProperties::Singleton;
        if constant(&inputs[0]) && inputs.get(2).is_none_or(constant) {
            Ok(inputs[1].sort_properties)
        } else {
            Ok(SortProperties::Unordered)
        }
    }
}

/// Buckets of one width, counted from one origin (microseconds since 1970 UTC).
struct Buckets {
    width: Width,
    origin: i64,
}

enum Width {
    Micros(i64),
    Months(i64),
}

impl Buckets {
    /// None: the width or the origin is null.
    fn of(width: &ScalarValue, origin: Option<&ColumnarValue>) -> Result<Option<Self>> {
        let span = match width {
            ScalarValue::Utf8(Some(text)) => match Span::parse(text) {
                Some(span) => span,
                None => return exec_err!("`{text}` is no width for time_bucket; write '5 minutes', '1h' or '1 day'"),
            },
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months, days, nanoseconds })) => Span {
                months: i64::from(*months),
                micros: i64::from(*days) * model::MICROS_PER_DAY + nanoseconds / 1_000,
            },
            _ => return Ok(None),
        };
        let width = match span {
            Span { months: 0, micros } if micros > 0 => Width::Micros(micros),
            Span { months, micros: 0 } if months > 0 => Width::Months(months),
            _ => return exec_err!("the width of time_bucket must be positive, and either months or days and less"),
        };
        let origin = match origin {
            None if matches!(width, Width::Months(_)) => ORIGIN_OF_MONTHS,
            None => ORIGIN,
            Some(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(origin), _))) => *origin,
            Some(ColumnarValue::Scalar(_)) => return Ok(None),
            Some(ColumnarValue::Array(_)) => return exec_err!("the origin of time_bucket must be one constant"),
        };
        Ok(Some(Self { width, origin }))
    }

    fn bin(&self, times: &ArrayRef) -> Result<ArrayRef> {
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let binned: TimestampMicrosecondArray = match self.width {
            Width::Micros(width) => {
                let origin = self.origin.rem_euclid(width);
                // Files are sorted by time: most times lie in the bucket of the one before.
                let mut start = origin;
                let bin = |at: &i64| {
                    if at.wrapping_sub(start) as u64 >= width as u64 {
                        // Wrapping only where a time lies within one width of the ends of i64, 290,000 years away.
                        start = at.wrapping_sub(at.wrapping_sub(origin).rem_euclid(width));
                    }
                    start
                };
                let starts: Vec<i64> = times.values().iter().map(bin).collect();
                TimestampMicrosecondArray::new(starts.into(), times.nulls().cloned())
            }
            Width::Months(months) => times.unary_opt(|at| self.month_start(at, months)),
        };
        Ok(Arc::new(binned.with_data_type(times.data_type().clone())))
    }

    fn month_start(&self, at: i64, months: i64) -> Option<i64> {
        let (time, origin) = (DateTime::from_timestamp_micros(at)?, DateTime::from_timestamp_micros(self.origin)?);
        let steps = (month_number(time) - month_number(origin)).div_euclid(months);
        let start = shifted(origin, steps * months)?;
        if start > time { shifted(origin, (steps - 1) * months) } else { Some(start) }.map(|t| t.timestamp_micros())
    }
}

fn month_number(time: DateTime<Utc>) -> i64 {
    i64::from(time.year()) * 12 + i64::from(time.month0())
}

fn shifted(origin: DateTime<Utc>, months: i64) -> Option<DateTime<Utc>> {
    let number = month_number(origin) + months;
    let year = i32::try_from(number.div_euclid(12)).ok()?;
    let month = u32::try_from(number.rem_euclid(12)).ok()? + 1;
    let day = (1..=origin.day()).rev().find_map(|day| NaiveDate::from_ymd_opt(year, month, day))?;
    Some(day.and_time(origin.time()).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(width: &str, at: &str) -> String {
        let at = DateTime::parse_from_rfc3339(at).expect("a time").timestamp_micros();
        let buckets = Buckets::of(&ScalarValue::from(width), None).expect("a width").expect("not null");
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![at]));
        let binned = buckets.bin(&times).expect("binned");
        model::rfc3339(binned.as_primitive::<TimestampMicrosecondType>().value(0))
    }

    #[test]
    fn buckets_begin_where_timescale_begins_them() {
        for (width, at, start) in [
            ("5 minutes", "2026-11-20T09:17:59.999999Z", "2026-11-20T09:15:00.000000Z"),
            ("1h", "2026-11-20T09:00:00Z", "2026-11-20T09:00:00.000000Z"),
            ("6 hours", "2026-11-20T09:00:00Z", "2026-11-20T06:00:00.000000Z"),
            ("1 week", "2026-11-20T09:00:00Z", "2026-11-16T00:00:00.000000Z"),
            ("1 day", "1969-12-31T23:59:59Z", "1969-12-31T00:00:00.000000Z"),
            ("1 month", "2026-11-20T09:00:00Z", "2026-11-01T00:00:00.000000Z"),
            ("3 months", "1999-12-31T09:00:00Z", "1999-10-01T00:00:00.000000Z"),
            ("1 year", "2026-11-20T09:00:00Z", "2026-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(bin(width, at), start, "{width} {at}");
        }
    }

    #[test]
    fn widths_that_make_no_buckets_are_refused() {
        for width in ["0 s", "1 month 1 day", "soon"] {
            assert!(Buckets::of(&ScalarValue::from(width), None).is_err(), "{width}");
        }
    }
}
