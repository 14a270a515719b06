//! Rollups: what dashboards ask of the rows of `otel_logs_and_spans`, summed up once, while a data file is written.
//!
//! - [`Builder`]: rows in, levels out. [`Level`]: how finely a level tells times and values apart.
//! - [`Directory`]: where the levels of a data file lie in it, as its entry in the log says.
//! - [`cells`]: the rows of a level, written and read.
//! - [`Histogram`]: the sketch behind percentiles; [`Registers`]: the one behind distinct counts; [`steps`]: durations by round
//!   lengths of time.
//!
//! A cell sums up the rows of a file that fall into one stretch of time and agree in all dimensions. The levels lie inside
//! the data file, between its last row group and its footer, where Parquet readers do not look: they come and go with it and
//! are never stale. A file that was written by others has none, and its rows are read.

mod build;
pub mod cells;
mod combinations;
mod directory;
mod distinct;
mod histogram;
mod leb128;
mod level;
pub mod steps;

pub use build::{Builder, Built};
pub use directory::{Directory, Place};
pub use distinct::{DISTINCT_KIND, NotRegisters, Registers, hash_of_text};
pub use histogram::{Histogram, NotASketch, SKETCH_KIND};
pub use level::{Counted, Dimension, DimensionSet, Granule, Level};
