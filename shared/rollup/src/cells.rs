//! The rows of a level: as Parquet, so that a reader decodes only the columns that it needs.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::array::{BinaryBuilder, BooleanArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use model::Micros;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::distinct::Registers;
use crate::histogram::Histogram;
use crate::level::{Counted, DimensionSet, Level};
use crate::steps::Steps;

/// What the cells of a level hold: 2 added [`DURATION_STEPS`] and the sketches of [`Counted`] columns.
pub const LAYOUT: u32 = 2;

/// Start of the cell's stretch of time.
pub const BUCKET: &str = "bucket";
/// Whether the rows have a duration; tells cells apart as a dimension does.
pub const HAS_DURATION: &str = "has_duration";
/// How many rows a cell sums up.
pub const ROWS: &str = "rows";
pub const TIME_MIN: &str = "time_min";
pub const TIME_MAX: &str = "time_max";
/// Of the column `duration`, in nanoseconds; null where rows have none.
pub const DURATION_SUM: &str = "duration_sum";
pub const DURATION_MIN: &str = "duration_min";
pub const DURATION_MAX: &str = "duration_max";
/// [`Histogram`] of the durations as doubles.
pub const DURATION_SKETCH: &str = "duration_sketch";
/// The durations by round lengths of time, see [`crate::steps`].
pub const DURATION_STEPS: &str = "duration_steps";
/// Of the column `message_size_bytes`; null where no row has one.
pub const SIZE_SUM: &str = "message_size_sum";

const ZSTD_LEVEL: i32 = 3;

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns of a level: bucket, dimensions, measures; of the bare set distinct values, too.
pub fn schema(set: DimensionSet) -> SchemaRef {
    let kind = |is_integer: bool| if is_integer { DataType::Int64 } else { DataType::Utf8 };
    let mut fields = vec![Field::new(BUCKET, time(), false)];
    fields.extend(set.dimensions().map(|at| Field::new(at.column(), kind(at.is_integer()), true)));
    fields.extend([
        Field::new(HAS_DURATION, DataType::Boolean, false),
        Field::new(ROWS, DataType::Int64, false),
        Field::new(TIME_MIN, time(), false),
        Field::new(TIME_MAX, time(), false),
        Field::new(DURATION_SUM, DataType::Int64, true),
        Field::new(DURATION_MIN, DataType::Int64, true),
        Field::new(DURATION_MAX, DataType::Int64, true),
        Field::new(DURATION_SKETCH, DataType::Binary, true),
        Field::new(DURATION_STEPS, DataType::Binary, true),
        Field::new(SIZE_SUM, DataType::Int64, true),
    ]);
    if set == DimensionSet::Bare {
        fields.extend(Counted::ALL.map(|of| Field::new(of.sketch(), DataType::Binary, true)));
    }
    Arc::new(Schema::new(fields))
}

/// What a cell says of its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) rows: i64,
    pub(crate) time_min: Micros,
    pub(crate) time_max: Micros,
    pub(crate) duration: Option<Durations>,
    pub(crate) size_sum: Option<i64>,
    /// None: the level counts none.
    pub(crate) distinct: Option<Box<[Registers; Counted::ALL.len()]>>,
}

/// Of rows that have a duration.
#[derive(Clone, Debug)]
pub(crate) struct Durations {
    pub(crate) sum: i64,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) sketch: Histogram,
    pub(crate) steps: Steps,
}

/// Times of the rows and their values of the columns that are summed up.
pub(crate) struct Row {
    pub(crate) at: Micros,
    pub(crate) duration: Option<i64>,
    /// Of the duration, in [`crate::steps`].
    pub(crate) slot: u16,
    pub(crate) size: Option<i64>,
    /// Hashes of the values of [`Counted`] columns.
    pub(crate) counted: [Option<u64>; Counted::ALL.len()],
}

/// A sum beyond 64 bits: such rows are not summed up.
#[derive(Debug)]
pub(crate) struct Overflow;

impl Cell {
    pub(crate) fn of(level: Level) -> Self {
        Self { distinct: level.counts_distinct().then(Box::default), ..Self::default() }
    }

    pub(crate) fn add(&mut self, row: &Row) -> Result<(), Overflow> {
        (self.time_min, self.time_max) = match self.rows {
            0 => (row.at, row.at),
            _ => (self.time_min.min(row.at), self.time_max.max(row.at)),
        };
        self.rows += 1;
        if let Some(duration) = row.duration {
            let new = || Durations {
                sum: 0,
                min: duration,
                max: duration,
                sketch: Histogram::default(),
                steps: Steps::default(),
            };
            let durations = self.duration.get_or_insert_with(new);
            durations.sum = durations.sum.checked_add(duration).ok_or(Overflow)?;
            durations.min = durations.min.min(duration);
            durations.max = durations.max.max(duration);
            durations.sketch.add(duration as f64);
            durations.steps.add(row.slot);
        }
        if let Some(size) = row.size {
            self.size_sum = Some(self.size_sum.unwrap_or(0).checked_add(size).ok_or(Overflow)?);
        }
        if let Some(distinct) = &mut self.distinct {
            for (registers, hash) in distinct.iter_mut().zip(row.counted) {
                hash.into_iter().for_each(|hash| registers.add(hash));
            }
        }
        Ok(())
    }
}

/// The measures of cells, column by column.
#[derive(Default)]
pub(crate) struct Measures {
    buckets: Vec<Micros>,
    rows: Vec<i64>,
    times: Vec<(Micros, Micros)>,
    durations: Vec<Option<(i64, i64, i64)>>,
    sketches: BinaryBuilder,
    steps: BinaryBuilder,
    sizes: Vec<Option<i64>>,
    distinct: [BinaryBuilder; Counted::ALL.len()],
}

impl Measures {
    pub(crate) fn push(&mut self, bucket: Micros, cell: Cell) {
        self.buckets.push(bucket);
        self.rows.push(cell.rows);
        self.times.push((cell.time_min, cell.time_max));
        self.sketches.append_option(cell.duration.as_ref().map(|of| of.sketch.to_bytes()));
        self.steps.append_option(cell.duration.as_ref().map(|of| of.steps.to_bytes()));
        self.durations.push(cell.duration.map(|of| (of.sum, of.min, of.max)));
        self.sizes.push(cell.size_sum);
        for (builder, registers) in self.distinct.iter_mut().zip(cell.distinct.iter().flat_map(|of| of.iter())) {
            builder.append_value(registers.to_bytes());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// With the columns of the dimensions in their place.
    pub(crate) fn into_batch(
        mut self,
        set: DimensionSet,
        dimensions: Vec<ArrayRef>,
        has_duration: BooleanArray,
    ) -> Result<RecordBatch, arrow::error::ArrowError> {
        let times =
            |of: Vec<Micros>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(of).with_timezone("UTC")) };
        let integers = |of: Vec<Option<i64>>| -> ArrayRef { Arc::new(Int64Array::from(of)) };
        let (least, greatest) = self.times.into_iter().unzip();
        let duration = |which: fn((i64, i64, i64)) -> i64| -> ArrayRef {
            integers(self.durations.iter().map(|of| of.map(which)).collect())
        };
        let mut columns = vec![times(self.buckets)];
        columns.extend(dimensions);
        columns.extend([
            Arc::new(has_duration) as ArrayRef,
            Arc::new(Int64Array::from(self.rows)),
            times(least),
            times(greatest),
            duration(|(sum, _, _)| sum),
            duration(|(_, min, _)| min),
            duration(|(_, _, max)| max),
            Arc::new(self.sketches.finish()),
            Arc::new(self.steps.finish()),
            integers(self.sizes),
        ]);
        if set == DimensionSet::Bare {
            columns.extend(self.distinct.iter_mut().map(|of| Arc::new(of.finish()) as ArrayRef));
        }
        RecordBatch::try_new(schema(set), columns)
    }
}

pub(crate) fn write(cells: &RecordBatch) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), cells.schema(), Some(properties))?;
    writer.write(cells)?;
    writer.into_inner()
}

/// The cells of a level with these of its columns, in the level's order.
pub fn read(bytes: Bytes, columns: &[&str]) -> Result<Vec<RecordBatch>, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let cells = builder.with_projection(mask).build()?;
    cells.collect::<Result<_, _>>().map_err(ParquetError::from)
}
