//! Aggregate functions, in parts that can be merged: what they say of the rows, what of the cells, and how the two become one.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Case, Expr, ExprFunctionExt, ExprSchemable, cast, lit};
use rollup::cells;

use super::over_cells::{DURATION, Needs, cell, is_duration, over_cells};
use crate::functions::{checked_sum, rollup_sketches};
use crate::sql::checked_product;

const SIZE: &str = "message_size_bytes";

/// One part: an aggregate over rows and one over cells, of the same meaning.
pub(super) struct Part {
    pub(super) of_rows: Expr,
    pub(super) of_cells: Expr,
    pub(super) merged: Merged,
}

/// How parts become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// Of nothing it is 0.
    Count,
    Sum,
    Min,
    Max,
    Sketch,
}

impl Merged {
    pub(super) fn aggregate(self, part: Expr) -> Expr {
        match self {
            Self::Count | Self::Sum => sum(part),
            Self::Min => min(part),
            Self::Max => max(part),
            Self::Sketch => rollup_sketches().call(vec![part]),
        }
    }
}

/// An aggregate function that cells can answer.
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    /// Two: the sum over the count.
    pub(super) is_mean: bool,
}

/// What an aggregate function looks at.
struct Asked<'a> {
    function: &'a AggregateFunction,
    /// Its filter over cells.
    filter: Option<Expr>,
    /// Of the rows.
    schema: &'a DFSchema,
}

impl Parts {
    /// `expr` is an aggregate function over columns of the table. None: cells cannot answer it.
    pub(super) fn of(expr: &Expr, schema: &DFSchema, needs: &mut Needs) -> Option<Self> {
        let Expr::AggregateFunction(function) = expr.clone().unalias() else { return None };
        let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = &function.params;
        if *distinct || !order_by.is_empty() || null_treatment.is_some() {
            return None;
        }
        let [argument] = args.as_slice() else { return None };
        let filter = match filter {
            Some(filter) => Some(over_cells(filter.as_ref().clone(), needs)?),
            None => None,
        };
        let asked = Asked { function: &function, filter, schema };
        let one = |part: Part| Some(Self { parts: vec![part], is_mean: false });
        match function.func.name() {
            "count" => one(asked.count(argument, needs)?),
            "sum" => one(asked.sum(argument, needs)?),
            "min" => one(asked.end(argument, needs, Merged::Min)?),
            "max" => one(asked.end(argument, needs, Merged::Max)?),
            "avg" => asked.mean(argument, needs),
            "percentile_agg" if is_duration_as_double(argument) => {
                needs.columns.insert(cells::DURATION_SKETCH);
                one(asked.part(rollup_sketches().call(vec![cell(cells::DURATION_SKETCH)]), Merged::Sketch)?)
            }
            "approx_count_distinct" => {
                let argument = over_cells(argument.clone(), needs)?;
                one(asked.part(function.func.call(vec![argument]), Merged::Sketch)?)
            }
            _ => None,
        }
    }
}

impl Asked<'_> {
    fn part(&self, of_cells: Expr, merged: Merged) -> Option<Part> {
        let of_rows = Expr::AggregateFunction(self.function.clone());
        Some(Part { of_rows, of_cells: self.filtered(of_cells)?, merged })
    }

    fn filtered(&self, aggregate: Expr) -> Option<Expr> {
        match &self.filter {
            Some(filter) => aggregate.filter(filter.clone()).build().ok(),
            None => Some(aggregate),
        }
    }

    fn count(&self, argument: &Expr, needs: &mut Needs) -> Option<Part> {
        needs.columns.insert(cells::ROWS);
        let rows = cell(cells::ROWS);
        let counted = match argument {
            Expr::Literal(value, _) if !value.is_null() => rows,
            argument => {
                let is_there = over_cells(Expr::IsNotNull(Box::new(argument.clone())), needs)?;
                where_true(is_there, rows)
            }
        };
        self.part(sum(counted), Merged::Count)
    }

    fn sum(&self, argument: &Expr, needs: &mut Needs) -> Option<Part> {
        let column = match argument {
            Expr::Column(column) if column.name == DURATION => cells::DURATION_SUM,
            Expr::Column(column) if column.name == SIZE => cells::SIZE_SUM,
            // Of doubles, the order in which they are added shows.
            argument if argument.get_type(self.schema).ok()? == DataType::Int64 => {
                needs.columns.insert(cells::ROWS);
                let product = checked_product(over_cells(argument.clone(), needs)?, cell(cells::ROWS));
                return self.part(sum(product), Merged::Sum);
            }
            _ => return None,
        };
        needs.columns.insert(column);
        self.part(sum(cell(column)), Merged::Sum)
    }

    fn end(&self, argument: &Expr, needs: &mut Needs, merged: Merged) -> Option<Part> {
        let is_least = merged == Merged::Min;
        let column = match argument {
            Expr::Column(column) if column.name == DURATION && is_least => Some(cells::DURATION_MIN),
            Expr::Column(column) if column.name == DURATION => Some(cells::DURATION_MAX),
            Expr::Column(column) if column.name == lake::SORT_COLUMN && is_least => Some(cells::TIME_MIN),
            Expr::Column(column) if column.name == lake::SORT_COLUMN => Some(cells::TIME_MAX),
            _ => None,
        };
        let value = match column {
            Some(column) => {
                needs.columns.insert(column);
                cell(column)
            }
            None => over_cells(argument.clone(), needs)?,
        };
        self.part(merged.aggregate(value), merged)
    }

    /// The mean of durations, from their sum and their number.
    fn mean(&self, argument: &Expr, needs: &mut Needs) -> Option<Parts> {
        if !is_duration_as_double(argument) {
            return None;
        }
        needs.columns.extend([cells::DURATION_SUM, cells::HAS_DURATION, cells::ROWS]);
        let filter = |aggregate: Expr| match &self.function.params.filter {
            Some(filter) => aggregate.filter(filter.as_ref().clone()).build().ok(),
            None => Some(aggregate),
        };
        let summed = Part {
            of_rows: filter(sum(argument.clone()))?,
            of_cells: self.filtered(sum(cast(cell(cells::DURATION_SUM), DataType::Float64)))?,
            merged: Merged::Sum,
        };
        let counted = Part {
            of_rows: filter(count(argument.clone()))?,
            of_cells: self.filtered(sum(where_true(cell(cells::HAS_DURATION), cell(cells::ROWS))))?,
            merged: Merged::Count,
        };
        Some(Parts { parts: vec![summed, counted], is_mean: true })
    }
}

fn is_duration_as_double(expr: &Expr) -> bool {
    matches!(expr, Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 && is_duration(&cast.expr))
}

/// Rows that satisfy a condition, else none.
fn where_true(condition: Expr, rows: Expr) -> Expr {
    case(condition, rows, lit(0_i64))
}

/// `CASE WHEN condition THEN value ELSE other END`.
pub(super) fn case(condition: Expr, value: Expr, other: Expr) -> Expr {
    Expr::Case(Case::new(None, vec![(Box::new(condition), Box::new(value))], Some(Box::new(other))))
}

fn sum(value: Expr) -> Expr {
    checked_sum().call(vec![value])
}
