//! `rollup(sketch)`: merges sketches of either kind into one.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use rollup::{DISTINCT_KIND, Histogram, Registers, SKETCH_KIND};

use super::sketch::Sketch;

/// A sketch whose kind the first one merged decides.
#[derive(Debug, Default)]
pub(super) enum Either {
    #[default]
    Empty,
    Histogram(Histogram),
    Registers(Registers),
}

impl Sketch for Either {
    type Column = ();

    fn value_type(given: &DataType) -> Result<DataType> {
        plan_err!("rollup merges sketches, not values of type {given}")
    }

    fn column(_values: &ArrayRef) -> Result<()> {
        exec_err!("rollup merges sketches, not values")
    }

    /// Never called: no column of values can be made.
    fn add(&mut self, _column: &(), _row: usize) {}

    fn merge(&mut self, sketch: &[u8]) -> Result<()> {
        if matches!(self, Self::Empty) {
            *self = match sketch.first() {
                Some(&SKETCH_KIND) => Self::Histogram(Histogram::default()),
                Some(&DISTINCT_KIND) => Self::Registers(Registers::default()),
                _ => return exec_err!("rollup merges what percentile_agg and approx_count_distinct return"),
            };
        }
        match self {
            Self::Empty => Ok(()),
            Self::Histogram(histogram) => Sketch::merge(histogram, sketch),
            Self::Registers(registers) => Sketch::merge(registers, sketch),
        }
    }

    fn to_bytes(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Empty => None,
            Self::Histogram(histogram) => Sketch::to_bytes(histogram),
            Self::Registers(registers) => Sketch::to_bytes(registers),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Histogram(histogram) => histogram.size(),
            Self::Registers(registers) => registers.size(),
        }
    }
}
