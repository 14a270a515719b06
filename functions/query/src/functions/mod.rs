//! The SQL functions that users of this kind of table expect and DataFusion lacks.
//!
//! - `time_bucket(width, time[, origin])`: TimescaleDB's, over UTC.
//! - `percentile_agg(x)`, `approx_percentile(q, sketch)`: a mergeable histogram and a reader of it.
//! - `approx_count_distinct(x)`, `distinct_count(sketch)`: a mergeable HyperLogLog and a reader of it.
//! - `rollup(sketch)`: merges either.
//! - `log_pattern(text)`: the text with what varies masked.
//! - `sum(x)`, `avg(x)`: DataFusion's, with whole numbers and lengths of time that do not wrap.
//! - `date_part`: DataFusion's, with the whole epoch of a difference of times.
//! - `capped`: DataFusion's `repeat` and its like, with a cap.

pub(crate) mod capped;
mod date_part;
mod distinct;
mod log_pattern;
mod mean;
mod percentile;
mod rollup;
mod sketch;
pub(crate) mod span;
mod sum;
mod time_bucket;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
// The crate, beside the module of the SQL function.
use ::rollup::{Histogram, Registers};

pub(crate) use date_part::ExtractPlanner;

/// All scalar functions of ours; they come after DataFusion's and take the place of those of the same name.
pub(crate) fn scalars() -> Vec<Arc<ScalarUDF>> {
    vec![
        Arc::new(ScalarUDF::from(time_bucket::TimeBucket::default())),
        Arc::new(ScalarUDF::from(percentile::ApproxPercentile::default())),
        Arc::new(ScalarUDF::from(distinct::DistinctCount::default())),
        Arc::new(ScalarUDF::from(log_pattern::LogPattern::default())),
        Arc::new(ScalarUDF::from(date_part::DatePart::default())),
    ]
}

/// All aggregate functions of ours; they take the place of DataFusion's of the same name.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    vec![
        checked_sum(),
        Arc::new(AggregateUDF::from(mean::Mean::default())),
        Arc::new(AggregateUDF::from(sketch::SketchAggregate::<Histogram>::over_values("percentile_agg"))),
        Arc::new(AggregateUDF::from(sketch::SketchAggregate::<Registers>::over_values("approx_count_distinct"))),
        rollup_sketches(),
    ]
}

/// `rollup`, which merges sketches.
pub(crate) fn rollup_sketches() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(sketch::SketchAggregate::<rollup::Either>::over_sketches("rollup")))
}

/// `sum`, whose whole numbers do not wrap.
pub(crate) fn checked_sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(sum::Sum::default()))
}
