//! Expressions over rows as expressions over cells: they may ask for dimensions, for the signal, whether there is a duration,
//! and for the time as far as it is cut to a width.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, Volatility};
use model::{MICROS_PER_DAY, Micros};
use rollup::{Counted, Dimension, DimensionSet, Granule, Level, Place, cells};

use crate::functions::span::Span;

/// Columns of the table that are no dimensions and still are known of cells.
pub(super) const SIGNAL: &str = "signal";
pub(super) const DURATION: &str = "duration";

/// What a level must tell apart, and which of its columns are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) dimensions: BTreeSet<Dimension>,
    /// Every width is a multiple of the granule.
    pub(super) widths: Vec<Micros>,
    /// Columns of the cells beside the dimensions.
    pub(super) columns: BTreeSet<&'static str>,
}

impl Needs {
    pub(super) fn are_met_by(&self, place: &Place) -> bool {
        let Level { granule, set } = place.level;
        let has_column = |column: &&str| match *column {
            cells::DURATION_STEPS => place.layout >= 2,
            column if Counted::ALL.iter().any(|of| of.sketch() == column) => {
                place.layout >= 2 && place.level.counts_distinct()
            }
            _ => true,
        };
        self.columns.iter().all(has_column)
            && self.dimensions.iter().all(|dimension| DimensionSet::has(set, *dimension))
            && self.widths.iter().all(|width| width % Granule::micros(granule) == 0)
    }
}

/// None: cells do not tell.
pub(super) fn over_cells(expr: Expr, needs: &mut Needs) -> Option<Expr> {
    let mut told = true;
    let over = expr.transform_down(|expr| Ok::<_, DataFusionError>(node(expr, needs, &mut told))).ok()?;
    told.then_some(over.data)
}

fn node(expr: Expr, needs: &mut Needs, told: &mut bool) -> Transformed<Expr> {
    let done = |expr: Expr| Transformed::new(expr, true, TreeNodeRecursion::Jump);
    match expr {
        Expr::Column(column) if column.name == SIGNAL => {
            needs.columns.insert(SIGNAL);
            done(cell(SIGNAL))
        }
        Expr::Column(column) => match Dimension::of_column(&column.name) {
            Some(dimension) => {
                needs.dimensions.insert(dimension);
                done(cell(dimension.column()))
            }
            None => {
                *told = false;
                Transformed::new(Expr::Column(column), false, TreeNodeRecursion::Stop)
            }
        },
        Expr::IsNotNull(inner) if is_duration(&inner) => {
            needs.columns.insert(cells::HAS_DURATION);
            done(cell(cells::HAS_DURATION))
        }
        Expr::IsNull(inner) if is_duration(&inner) => {
            needs.columns.insert(cells::HAS_DURATION);
            done(!cell(cells::HAS_DURATION))
        }
        Expr::ScalarFunction(function) => match cut_time(&function) {
            Some(width) => {
                needs.widths.push(width);
                needs.columns.insert(cells::BUCKET);
                let ScalarFunction { func, mut args } = function;
                args[1] = cell(cells::BUCKET);
                done(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            None => {
                *told &= function.func.signature().volatility == Volatility::Immutable;
                Transformed::no(Expr::ScalarFunction(function))
            }
        },
        other => {
            *told &= depends_on_its_parts_alone(&other);
            Transformed::no(other)
        }
    }
}

pub(super) fn cell(column: &str) -> Expr {
    Expr::Column(Column::new_unqualified(column))
}

pub(super) fn is_duration(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.name == DURATION)
}

pub(super) fn is_duration_as_double(expr: &Expr) -> bool {
    matches!(expr, Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 && is_duration(&cast.expr))
}

/// The width of `time_bucket(width, timestamp)` and `date_trunc(unit, timestamp)`. Wider ones of uneven length begin and end at
/// midnight.
fn cut_time(function: &ScalarFunction) -> Option<Micros> {
    let [Expr::Literal(width, _), Expr::Column(time)] = function.args.as_slice() else { return None };
    if time.name != lake::SORT_COLUMN {
        return None;
    }
    match (function.func.name(), width) {
        ("time_bucket", ScalarValue::IntervalMonthDayNano(Some(width))) if width.months == 0 => {
            let micros = i64::from(width.days) * MICROS_PER_DAY + width.nanoseconds / 1_000;
            (micros > 0 && width.nanoseconds % 1_000 == 0).then_some(micros)
        }
        ("time_bucket", width) => match Span::parse(width.try_as_str()??)? {
            Span { months: 0, micros } if micros > 0 => Some(micros),
            Span { months, micros: 0 } if months > 0 => Some(MICROS_PER_DAY),
            _ => None,
        },
        ("date_trunc", unit) => match unit.try_as_str()??.to_lowercase().as_str() {
            "minute" => Some(Granule::Minute.micros()),
            "hour" => Some(Granule::Hour.micros()),
            "day" | "week" | "month" | "quarter" | "year" => Some(MICROS_PER_DAY),
            _ => None,
        },
        _ => None,
    }
}

/// False: it may ask for more than its parts do, like a subquery, or is no matter of one row.
fn depends_on_its_parts_alone(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Alias(_)
            | Expr::Literal(..)
            | Expr::BinaryExpr(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::InList(_)
    )
}
