//! Answering aggregates from the rollups inside data files, as far as they go, and from the rows for the rest.
//!
//! An aggregate over one table, behind nothing but filters and projections, becomes two: one over the cells of the files that
//! have a level which tells enough apart, one over the rows beside them (live segments, other files, and the ends of the window
//! that cover no whole cell). What both say is merged. Answers are the same with and without.
//!
//! - [`rule`]: the rewriting of a plan.
//! - [`question`]: what an aggregate asks of the rows, if cells can answer it.
//! - [`over_cells`]: expressions over rows as expressions over cells.
//! - [`slices`]: comparisons of durations with round lengths of time.
//! - [`parts`]: aggregate functions, in parts that can be merged.
//! - [`coverage`]: which level of which file answers for which stretch of time.
//! - [`source`]: the cells as a table.

mod coverage;
mod durations_within;
mod over_cells;
mod parts;
mod question;
mod rule;
mod slices;
mod source;

pub(crate) use coverage::Coverage;
pub(crate) use rule::UseRollups;

/// Whether queries read rollups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollups {
    /// Where they save reading rows.
    Used,
    Ignored,
}
