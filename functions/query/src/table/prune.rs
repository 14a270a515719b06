//! The files and live segments that may hold a row that a predicate asks for, by what the log and the ledger say of them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, StringArray, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use chrono::{DateTime, NaiveDate};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, conjunction, split_conjunction};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use model::{Micros, Segment};
use serde_json::Value;

use super::index::{Bound, Index};
use super::view::TableView;

/// The columns that every file and every segment is known by without reading its statistics.
const TIME: &str = "timestamp";
const DATE: &str = "date";
const SIGNAL: &str = "signal";
const PROJECT: &str = "project_id";
const CHEAP: [&str; 4] = [TIME, DATE, SIGNAL, PROJECT];

/// `IN` lists up to this length prune.
pub(super) const IN_LIST_MAX: usize = 500;

/// The places of the files that may hold a row, in the snapshot's order.
pub(super) fn files(
    view: &TableView,
    index: &Index,
    predicate: Option<&Arc<dyn PhysicalExpr>>,
    schema: &SchemaRef,
) -> Vec<usize> {
    let all: Vec<usize> = (0..index.files().len()).collect();
    let Some(predicate) = predicate else { return all };
    // First by time and partition, which costs nothing; the statistics of the rest are parsed only then.
    let kept = match cheap_part(predicate) {
        Some(cheap) => FileBounds { view, index, files: all, schema }.kept_by(cheap),
        None => all,
    };
    FileBounds { view, index, files: kept, schema }.kept_by(Arc::clone(predicate))
}

/// The segments that may hold a row, newest first.
pub(super) fn segments(
    view: &TableView,
    predicate: Option<&Arc<dyn PhysicalExpr>>,
    schema: &SchemaRef,
) -> Vec<Segment> {
    let mut segments = view.live.clone();
    segments.sort_by(|a, b| (b.time_max, &b.id).cmp(&(a.time_max, &a.id)));
    match predicate {
        Some(predicate) => keep_segments(segments, predicate, schema, view.id.project.as_str()),
        None => segments,
    }
}

/// Those of `segments` whose times and project may satisfy the predicate.
pub(super) fn keep_segments(
    segments: Vec<Segment>,
    predicate: &Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
    project: &str,
) -> Vec<Segment> {
    let bounds = SegmentBounds { segments: &segments, project };
    let Some(kept) = prune(Arc::clone(predicate), schema, &bounds) else { return segments };
    segments.into_iter().zip(kept).filter_map(|(segment, kept)| kept.then_some(segment)).collect()
}

/// The conjuncts over [`CHEAP`] columns alone.
fn cheap_part(predicate: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
    let is_cheap = |expr: &Arc<dyn PhysicalExpr>| collect_columns(expr).iter().all(|c| CHEAP.contains(&c.name()));
    let cheap: Vec<_> = split_conjunction(predicate).into_iter().filter(|expr| is_cheap(expr)).cloned().collect();
    (!cheap.is_empty()).then(|| conjunction(cheap))
}

/// Per container: false if it holds no row that satisfies the predicate. None: nothing can be said.
fn prune(predicate: Arc<dyn PhysicalExpr>, schema: &SchemaRef, bounds: &impl PruningStatistics) -> Option<Vec<bool>> {
    let pruning = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(schema))
        .with_max_in_list_size(IN_LIST_MAX)
        .try_build(predicate)
        .ok()?;
    // An error says that bounds and predicate do not fit; then everything is read, which is right and only slower.
    pruning.prune(bounds).inspect_err(|error| tracing::warn!(%error, "pruning failed")).ok()
}

/// What the log says of some files.
struct FileBounds<'a> {
    view: &'a TableView,
    index: &'a Index,
    files: Vec<usize>,
    schema: &'a SchemaRef,
}

impl FileBounds<'_> {
    fn kept_by(self, predicate: Arc<dyn PhysicalExpr>) -> Vec<usize> {
        match prune(predicate, self.schema, &self) {
            Some(kept) => self.files.into_iter().zip(kept).filter_map(|(file, kept)| kept.then_some(file)).collect(),
            None => self.files,
        }
    }

    fn bounds(&self, column: &Column, bound: Bound) -> Option<ArrayRef> {
        let files = || self.files.iter().map(|file| &self.index.files()[*file]);
        match column.name.as_str() {
            TIME if bound == Bound::Min => Some(times(files().map(|file| Some(file.time_min)))),
            TIME => Some(times(files().map(|file| Some(file.time_max)))),
            DATE => Some(Arc::new(files().map(|file| day(file.partition.get(DATE)?)).collect::<Date32Array>())),
            SIGNAL => Some(Arc::new(files().map(|file| file.partition.get(SIGNAL)).collect::<StringArray>())),
            // Projects never mix in a file of ours.
            PROJECT if files().all(|file| lake::FileName::parse(&file.path).is_some()) => {
                Some(constant(self.view.id.project.as_str(), self.files.len()))
            }
            name => {
                let kind = self.schema.field_with_name(name).ok()?.data_type();
                let values = self.files.iter().map(|file| {
                    let value = self.index.bound(*file, bound, name);
                    value.and_then(|value| scalar(value, kind)).map_or_else(|| ScalarValue::try_from(kind), Ok)
                });
                ScalarValue::iter_to_array(values.collect::<Result<Vec<_>>>().ok()?).ok()
            }
        }
    }
}

impl PruningStatistics for FileBounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, Bound::Min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, Bound::Max)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let count = |file: &usize| match column.name.as_str() {
            TIME | DATE | SIGNAL => Some(0),
            name => self.index.bound(*file, Bound::Nulls, name)?.as_u64(),
        };
        Some(Arc::new(self.files.iter().map(count).collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self.files.iter().map(|file| self.index.files()[*file].rows);
        Some(Arc::new(UInt64Array::from_iter_values(rows)))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// What the ledger says of some live segments.
struct SegmentBounds<'a> {
    segments: &'a [Segment],
    project: &'a str,
}

impl SegmentBounds<'_> {
    fn bounds(&self, column: &Column, time: impl Fn(&Segment) -> Micros) -> Option<ArrayRef> {
        match column.name.as_str() {
            TIME => Some(times(self.segments.iter().map(|segment| Some(time(segment))))),
            DATE => Some(Arc::new(
                self.segments.iter().map(|segment| Some(model::day_of(time(segment)))).collect::<Date32Array>(),
            )),
            PROJECT => Some(constant(self.project, self.segments.len())),
            _ => None,
        }
    }
}

impl PruningStatistics for SegmentBounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |segment| segment.time_min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |segment| segment.time_max)
    }

    fn num_containers(&self) -> usize {
        self.segments.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let never_null = CHEAP.contains(&column.name.as_str());
        never_null.then(|| Arc::new(UInt64Array::from_value(0, self.segments.len())) as ArrayRef)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from_iter_values(self.segments.iter().map(|segment| segment.rows))))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

fn times(micros: impl Iterator<Item = Option<Micros>>) -> ArrayRef {
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn constant(text: &str, n: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, n)))
}

fn day(text: &str) -> Option<i32> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(model::day_of(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros()))
}

/// A value of Delta statistics in a column's type.
fn scalar(value: &Value, kind: &DataType) -> Option<ScalarValue> {
    match kind {
        DataType::Utf8View => Some(ScalarValue::Utf8View(Some(value.as_str()?.to_owned()))),
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(value.as_str()?.to_owned()))),
        DataType::Int64 => Some(ScalarValue::Int64(Some(value.as_i64()?))),
        DataType::Int32 => Some(ScalarValue::Int32(Some(i32::try_from(value.as_i64()?).ok()?))),
        DataType::Float64 => Some(ScalarValue::Float64(Some(value.as_f64()?))),
        DataType::Boolean => Some(ScalarValue::Boolean(Some(value.as_bool()?))),
        DataType::Date32 => Some(ScalarValue::Date32(Some(day(value.as_str()?)?))),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let at = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
            Some(ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), zone.clone()))
        }
        _ => None,
    }
}
