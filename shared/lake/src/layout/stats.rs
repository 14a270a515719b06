//! Delta statistics of a data file, from what its Parquet footer says.
//!
//! `{"numRecords":n,"minValues":{},"maxValues":{},"nullCount":{}}`. Bounds may be wider than the values, never narrower:
//! times are given in milliseconds, texts with 32 characters. A column without a bound in some row group has none here.

use std::collections::BTreeMap;

use model::TableName;
use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

use super::{bounds, stats_columns};

/// A bound as the footer holds it.
#[derive(Clone, Debug, PartialEq)]
enum Bound {
    Integer(i64),
    Micros(i64),
    Text(String),
}

/// What is known of a column over all row groups so far.
struct Column {
    /// None: unknown in some row group.
    nulls: Option<u64>,
    /// None: no value yet. Some(None): unknown in some row group.
    range: Option<Option<(Bound, Bound)>>,
}

/// The statistics as they go into the log.
pub fn delta_stats(metadata: &ParquetMetaData, table: TableName) -> String {
    let mut columns: BTreeMap<&str, Column> = BTreeMap::new();
    for row_group in metadata.row_groups() {
        for chunk in row_group.columns() {
            let path = chunk.column_path().parts();
            let [name] = path else { continue };
            if let Some(name) = stats_columns(table).iter().find(|column| *column == name) {
                columns.entry(name).or_insert(Column { nulls: Some(0), range: None }).add(chunk);
            }
        }
    }
    let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
    for (name, column) in columns {
        if let Some(count) = column.nulls {
            nulls.insert(name.to_owned(), json!(count));
        }
        if let Some(Some((min, max))) = column.range {
            least.insert(name.to_owned(), min.below());
            if let Some(max) = max.above() {
                greatest.insert(name.to_owned(), max);
            }
        }
    }
    let rows = metadata.file_metadata().num_rows();
    json!({ "numRecords": rows, "minValues": least, "maxValues": greatest, "nullCount": nulls }).to_string()
}

impl Column {
    fn add(&mut self, chunk: &ColumnChunkMetaData) {
        let Some(statistics) = chunk.statistics() else {
            *self = Column { nulls: None, range: Some(None) };
            return;
        };
        let nulls = statistics.null_count_opt();
        self.nulls = self.nulls.zip(nulls).map(|(a, b)| a + b);
        if nulls.is_some_and(|nulls| i64::try_from(nulls).is_ok_and(|nulls| nulls == chunk.num_values())) {
            return;
        }
        self.range = Some(match (self.range.take(), range(statistics, chunk)) {
            (None, new) => new,
            (Some(Some((min, max))), Some((new_min, new_max))) => Some((lesser(min, new_min), greater(max, new_max))),
            (Some(_), _) => None,
        });
    }
}

fn range(statistics: &Statistics, chunk: &ColumnChunkMetaData) -> Option<(Bound, Bound)> {
    let logical = chunk.column_descr().logical_type_ref();
    let micros = matches!(logical, Some(LogicalType::Timestamp(of)) if of.unit == TimeUnit::MICROS);
    let integer = |value: i64| if micros { Bound::Micros(value) } else { Bound::Integer(value) };
    match statistics {
        Statistics::Int32(s) => Some((integer((*s.min_opt()?).into()), integer((*s.max_opt()?).into()))),
        Statistics::Int64(s) => Some((integer(*s.min_opt()?), integer(*s.max_opt()?))),
        Statistics::ByteArray(s) => {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|text| Bound::Text(text.to_owned()));
            Some((text(s.min_opt()?.data())?, text(s.max_opt()?.data())?))
        }
        _ => None,
    }
}

fn lesser(a: Bound, b: Bound) -> Bound {
    if b.is_below(&a) { b } else { a }
}

fn greater(a: Bound, b: Bound) -> Bound {
    if a.is_below(&b) { b } else { a }
}

impl Bound {
    fn is_below(&self, other: &Bound) -> bool {
        match (self, other) {
            (Bound::Integer(a), Bound::Integer(b)) | (Bound::Micros(a), Bound::Micros(b)) => a < b,
            (Bound::Text(a), Bound::Text(b)) => a < b,
            _ => unreachable!("a column has one type in all row groups of a file"),
        }
    }

    fn below(&self) -> Value {
        match self {
            Bound::Integer(value) => json!(value),
            Bound::Micros(at) => json!(bounds::time_below(*at)),
            Bound::Text(text) => json!(bounds::text_below(text)),
        }
    }

    fn above(&self) -> Option<Value> {
        match self {
            Bound::Integer(value) => Some(json!(value)),
            Bound::Micros(at) => Some(json!(bounds::time_above(*at))),
            Bound::Text(text) => bounds::text_above(text).map(|text| json!(text)),
        }
    }
}
