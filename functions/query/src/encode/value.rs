//! One value of a column, written as JSON or as plain text.

use std::fmt::Write as _;

use arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait};
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

/// Integers up to here are exact in every JSON reader.
const SAFE_INTEGER_MAX: u64 = 1 << 53;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    Json,
    /// Text is bare; null is nothing; numbers are never quoted.
    Plain,
}

/// Appends the value of `array` at `row`.
pub(super) fn write_value(array: &dyn Array, row: usize, how: As, out: &mut String) {
    if array.is_null(row) {
        if how == As::Json {
            out.push_str("null");
        }
        return;
    }
    match array.data_type() {
        DataType::Null => out.push_str(if how == As::Json { "null" } else { "" }),
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Int8 => int::<Int8Type>(array, row, how, out),
        DataType::Int16 => int::<Int16Type>(array, row, how, out),
        DataType::Int32 => int::<Int32Type>(array, row, how, out),
        DataType::Int64 => int::<Int64Type>(array, row, how, out),
        DataType::UInt8 => int::<UInt8Type>(array, row, how, out),
        DataType::UInt16 => int::<UInt16Type>(array, row, how, out),
        DataType::UInt32 => int::<UInt32Type>(array, row, how, out),
        DataType::UInt64 => int::<UInt64Type>(array, row, how, out),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            if value.is_finite() { push(out, format_args!("{value}")) } else { float(f64::from(value), how, out) }
        }
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row), how, out),
        DataType::Utf8View => text(array.as_string_view().value(row), how, out),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), how, out),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), how, out),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), how, out),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row), how, out),
        DataType::BinaryView => bytes(array.as_binary_view().value(row), how, out),
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().value(row), how, out),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            let day = NaiveDate::from_epoch_days(days).map_or_else(|| days.to_string(), |day| day.to_string());
            text(&day, how, out);
        }
        DataType::Timestamp(unit, _) => text(&time(array, row, *unit), how, out),
        DataType::List(_) => list::<i32>(array.as_list(), row, out),
        DataType::LargeList(_) => list::<i64>(array.as_list(), row, out),
        DataType::FixedSizeList(_, _) => items(&array.as_fixed_size_list().value(row), out),
        DataType::Struct(fields) => {
            let values = array.as_struct();
            out.push('{');
            for (at, (field, column)) in fields.iter().zip(values.columns()).enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                text(field.name(), As::Json, out);
                out.push(':');
                write_value(column.as_ref(), row, As::Json, out);
            }
            out.push('}');
        }
        DataType::Dictionary(key, _) => match key.as_ref() {
            DataType::Int8 => coded::<Int8Type>(array, row, how, out),
            DataType::Int16 => coded::<Int16Type>(array, row, how, out),
            DataType::Int32 => coded::<Int32Type>(array, row, how, out),
            DataType::Int64 => coded::<Int64Type>(array, row, how, out),
            DataType::UInt8 => coded::<UInt8Type>(array, row, how, out),
            DataType::UInt16 => coded::<UInt16Type>(array, row, how, out),
            DataType::UInt32 => coded::<UInt32Type>(array, row, how, out),
            _ => coded::<UInt64Type>(array, row, how, out),
        },
        // Decimals, intervals, durations, times of day, maps, unions: as Arrow says them.
        _ => {
            let options = FormatOptions::default();
            let said = ArrayFormatter::try_new(array, &options).map(|formatter| formatter.value(row).to_string());
            text(&said.unwrap_or_default(), how, out);
        }
    }
}

fn push(out: &mut String, said: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(said);
}

fn int<T>(array: &dyn Array, row: usize, how: As, out: &mut String)
where
    T: ArrowPrimitiveType,
    T::Native: std::fmt::Display + TryInto<i64> + TryInto<u64>,
{
    let value = array.as_primitive::<T>().value(row);
    let signed: Result<i64, _> = value.try_into();
    let magnitude = match signed {
        Ok(signed) => signed.unsigned_abs(),
        Err(_) => u64::MAX,
    };
    if how == As::Json && magnitude > SAFE_INTEGER_MAX {
        push(out, format_args!("\"{value}\""));
    } else {
        push(out, format_args!("{value}"));
    }
}

fn float(value: f64, how: As, out: &mut String) {
    let said = match value {
        value if value.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        // The shortest text that reads back as the same number.
        value => return push(out, format_args!("{}", serde_json::Value::from(value))),
    };
    text(said, how, out);
}

fn text(value: &str, how: As, out: &mut String) {
    match how {
        As::Plain => out.push_str(value),
        As::Json => quote(value, out),
    }
}

/// A JSON string. Runs of characters that need no escape are copied whole.
pub(super) fn quote(value: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in value.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&value[from..at]);
        if escape.is_empty() {
            push(out, format_args!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&value[from..]);
    out.push('"');
}

fn bytes(value: &[u8], how: As, out: &mut String) {
    text(&STANDARD.encode(value), how, out);
}

fn time(array: &dyn Array, row: usize, unit: TimeUnit) -> String {
    let at: Option<DateTime<Utc>> = match unit {
        TimeUnit::Second => DateTime::from_timestamp(array.as_primitive::<TimestampSecondType>().value(row), 0),
        TimeUnit::Millisecond => {
            DateTime::from_timestamp_millis(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        TimeUnit::Microsecond => {
            DateTime::from_timestamp_micros(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        TimeUnit::Nanosecond => {
            Some(DateTime::from_timestamp_nanos(array.as_primitive::<TimestampNanosecondType>().value(row)))
        }
    };
    at.map_or_else(|| "out of range".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

fn list<O: OffsetSizeTrait>(lists: &GenericListArray<O>, row: usize, out: &mut String) {
    items(&lists.value(row), out);
}

fn items(items: &ArrayRef, out: &mut String) {
    out.push('[');
    for at in 0..items.len() {
        out.push_str(if at > 0 { "," } else { "" });
        write_value(items.as_ref(), at, As::Json, out);
    }
    out.push(']');
}

fn coded<K: ArrowDictionaryKeyType>(array: &dyn Array, row: usize, how: As, out: &mut String) {
    let coded = array.as_dictionary::<K>();
    if let Some(at) = coded.key(row) {
        write_value(coded.values().as_ref(), at, how, out);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, StringViewArray,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    };

    use super::*;

    #[test]
    fn values_survive_readers_that_know_only_doubles() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None, Some(1 << 60)])]);
        let cases: Vec<(ArrayRef, &str, &str)> = vec![
            (Arc::new(Int64Array::from(vec![1 << 53])), "9007199254740992", "9007199254740992"),
            (Arc::new(Int64Array::from(vec![(1 << 53) + 1])), "\"9007199254740993\"", "9007199254740993"),
            (Arc::new(Int64Array::from(vec![i64::MIN])), "\"-9223372036854775808\"", "-9223372036854775808"),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), "\"18446744073709551615\"", "18446744073709551615"),
            (Arc::new(Float64Array::from(vec![f64::NAN])), "\"NaN\"", "NaN"),
            (Arc::new(Float64Array::from(vec![f64::NEG_INFINITY])), "\"-Infinity\"", "-Infinity"),
            (Arc::new(Float64Array::from(vec![0.1])), "0.1", "0.1"),
            (Arc::new(Float64Array::from(vec![1e300])), "1e+300", "1e+300"),
            (Arc::new(BooleanArray::from(vec![true])), "true", "true"),
            (Arc::new(StringViewArray::from(vec!["a \"b\"\n\u{1}ü"])), "\"a \\\"b\\\"\\n\\u0001ü\"", "a \"b\"\n\u{1}ü"),
            (Arc::new(StringViewArray::from(vec![None::<&str>])), "null", ""),
            (Arc::new(BinaryArray::from(vec![b"\0\xff".as_slice()])), "\"AP8=\"", "AP8="),
            (Arc::new(Date32Array::from(vec![20_777])), "\"2026-11-20\"", "2026-11-20"),
            (
                Arc::new(TimestampMicrosecondArray::from(vec![1])),
                "\"1970-01-01T00:00:00.000001Z\"",
                "1970-01-01T00:00:00.000001Z",
            ),
            (
                Arc::new(TimestampNanosecondArray::from(vec![1_999])),
                "\"1970-01-01T00:00:00.000001Z\"",
                "1970-01-01T00:00:00.000001Z",
            ),
            (Arc::new(list), "[1,null,\"1152921504606846976\"]", "[1,null,\"1152921504606846976\"]"),
        ];
        for (array, json, plain) in cases {
            let (mut as_json, mut as_plain) = (String::new(), String::new());
            write_value(array.as_ref(), 0, As::Json, &mut as_json);
            write_value(array.as_ref(), 0, As::Plain, &mut as_plain);
            assert_eq!((as_json.as_str(), as_plain.as_str()), (json, plain));
            serde_json::from_str::<serde_json::Value>(&as_json).expect("valid JSON");
        }
    }
}
