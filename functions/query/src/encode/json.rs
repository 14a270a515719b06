//! Rows as JSON lists, and as NDJSON objects.

use std::collections::HashSet;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, SchemaRef};
use serde_json::Value;

use super::value::{As, quote, write_value};

/// Appends the rows as JSON lists, joined by commas; `first` says that none was written before.
pub(crate) fn write_json_rows(batch: &RecordBatch, first: &mut bool, out: &mut String) {
    for row in 0..batch.num_rows() {
        if !std::mem::take(first) {
            out.push_str(",\n");
        }
        write_row(batch, row, out);
    }
}

/// The rows as values: what [`write_json_rows`] writes, with every bit of its numbers.
pub(crate) fn json_rows(batch: &RecordBatch) -> Vec<Vec<Value>> {
    let row = |row| batch.columns().iter().map(|column| json_value(column.as_ref(), row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

/// Reading a number back from text is not exact in serde_json.
fn json_value(column: &dyn Array, row: usize) -> Value {
    if let Some(doubles) = column.as_primitive_opt::<Float64Type>()
        && doubles.is_valid(row)
        && doubles.value(row).is_finite()
    {
        return doubles.value(row).into();
    }
    let mut text = String::new();
    write_value(column, row, As::Json, &mut text);
    serde_json::from_str(&text).expect("written just above")
}

fn write_row(batch: &RecordBatch, row: usize, out: &mut String) {
    out.push('[');
    for (at, column) in batch.columns().iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        write_value(column.as_ref(), row, As::Json, out);
    }
    out.push(']');
}

/// The keys of NDJSON objects, quoted, each once: a second `count` becomes `count_2`.
pub(crate) struct NdjsonNames(Vec<String>);

impl NdjsonNames {
    pub(crate) fn of(schema: &SchemaRef) -> Self {
        let mut taken: HashSet<String> = HashSet::new();
        let names = schema.fields().iter().map(|field| {
            let numbered = std::iter::once(field.name().clone()).chain((2..).map(|n| format!("{}_{n}", field.name())));
            let name = numbered.into_iter().find(|name| taken.insert(name.clone())).expect("the numbers never end");
            let mut quoted = String::new();
            quote(&name, &mut quoted);
            quoted
        });
        Self(names.collect())
    }
}

/// Appends the rows as one JSON object a line.
pub(crate) fn write_ndjson(batch: &RecordBatch, names: &NdjsonNames, out: &mut String) {
    for row in 0..batch.num_rows() {
        out.push('{');
        for (at, (column, name)) in batch.columns().iter().zip(&names.0).enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            out.push_str(name);
            out.push(':');
            write_value(column.as_ref(), row, As::Json, out);
        }
        out.push_str("}\n");
    }
}
