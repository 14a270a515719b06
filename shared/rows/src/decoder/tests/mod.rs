//! The decoder against protobuf's own structs, against broken bytes, and rule by rule.

mod differential;
mod examples;
mod generate;
mod hostile;
mod oracle;
mod rewire;
mod rules;
mod shape;

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::*;
use crate::conform;

/// 2026-11-20, about.
pub(super) const NOW: Micros = 1_795_166_400_000_000;
pub(super) const DAY: Micros = 86_400_000_000;

impl Decoder {
    fn n_origins(&self) -> usize {
        self.origins.n_origins()
    }
}

/// A value of a table, comparable: doubles by their bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    Int(i64),
    Double(u64),
    Flag(bool),
    Texts(Vec<String>),
    Ints(Vec<i64>),
    Doubles(Vec<u64>),
}

/// A row without its nulls.
pub(super) type Row = BTreeMap<String, Cell>;

pub(super) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

pub(super) fn double(number: f64) -> Cell {
    Cell::Double(number.to_bits())
}

pub(super) fn project() -> ProjectId {
    ProjectId::parse("shop").expect("a valid id")
}

pub(super) fn context(signal: Signal, project: &ProjectId) -> BodyContext<'_> {
    BodyContext {
        signal,
        project,
        hash: BodyHash::from_bytes([0xab; 16]),
        arrived_at: NOW,
        accepted: TimeRange::new(NOW - 30 * DAY, NOW + DAY),
        records_max: 1_000_000,
    }
}

/// Decodes one body.
pub(super) fn decode(signal: Signal, wire: &[u8]) -> Result<(Vec<Row>, BodyOutcome), DecodeError> {
    let project = project();
    let mut decoder = Decoder::new(signal.table());
    let outcome = decoder.push(&context(signal, &project), wire)?;
    Ok((rows_of(&decoder.finish(), signal.table()), outcome))
}

/// The rows of a batch, by way of `conform`.
pub(super) fn rows_of(batch: &RecordBatch, table: TableName) -> Vec<Row> {
    let batch = conform(batch, table).expect("the table's columns");
    let mut rows = vec![Row::new(); batch.num_rows()];
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        for (row, cells) in rows.iter_mut().enumerate() {
            if column.is_valid(row) {
                cells.insert(field.name().clone(), cell(column.as_ref(), row));
            }
        }
    }
    rows
}

fn cell(column: &dyn Array, row: usize) -> Cell {
    match column.data_type() {
        DataType::Utf8 => text(column.as_string::<i32>().value(row)),
        DataType::Int64 => Cell::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Int32 => Cell::Int(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Date32 => Cell::Int(column.as_primitive::<Date32Type>().value(row).into()),
        DataType::Timestamp(..) => Cell::Int(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Float64 => double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Cell::Flag(column.as_boolean().value(row)),
        DataType::List(item) => {
            let items = column.as_list::<i32>().value(row);
            match item.data_type() {
                DataType::Utf8 => Cell::Texts(items.as_string::<i32>().iter().flatten().map(str::to_owned).collect()),
                DataType::Int64 => Cell::Ints(items.as_primitive::<Int64Type>().values().to_vec()),
                DataType::Float64 => {
                    Cell::Doubles(items.as_primitive::<Float64Type>().values().iter().map(|n| n.to_bits()).collect())
                }
                other => panic!("no table has lists of {other}"),
            }
        }
        other => panic!("no table has {other}"),
    }
}
