//! Aggregate functions, in parts that can be merged: what they say of the rows, what of the cells, and how the two become one.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Case, Expr, ExprFunctionExt, ExprSchemable, cast, lit};
use rollup::{Counted, cells};

use super::over_cells::{DURATION, Needs, cell, is_duration_as_double, over_cells};
use super::slices::{Slice, slices};
use crate::functions::{checked_sum, rollup_sketches};
use crate::sql::{checked_addition, checked_product};

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
    /// What rows must satisfy beside what cells must.
    conditions: Vec<Expr>,
    slices: Vec<Slice>,
    /// Of the rows.
    schema: &'a DFSchema,
}

impl Parts {
    /// `expr` is an aggregate function over columns of the table, of rows that satisfy `cuts`, too. None: cells cannot answer it.
    pub(super) fn of(expr: &Expr, cuts: &[Expr], schema: &DFSchema, needs: &mut Needs) -> Option<Self> {
        let Expr::AggregateFunction(function) = expr.clone().unalias() else { return None };
        let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = &function.params;
        if *distinct || !order_by.is_empty() || null_treatment.is_some() {
            return None;
        }
        let [argument] = args.as_slice() else { return None };
        let conditions: Vec<Expr> = filter.iter().map(|filter| filter.as_ref()).chain(cuts).cloned().collect();
        let slices = slices(conditions.iter().chain([argument]))?;
        let asked = Asked { function: &function, conditions, slices, schema };
        let one = |part: Part| Some(Self { parts: vec![part], is_mean: false });
        match function.func.name() {
            "count" => one(asked.count(argument, needs)?),
            "sum" => one(asked.sum(argument, needs)?),
            "avg" => asked.mean(argument, needs),
            // Of a slice nothing but the number of its rows is known.
            _ if asked.slices != [Slice::All] => None,
            "min" => one(asked.end(argument, needs, Merged::Min)?),
            "max" => one(asked.end(argument, needs, Merged::Max)?),
            "percentile_agg" if is_duration_as_double(argument) => one(asked.sketch(cells::DURATION_SKETCH, needs)?),
            "approx_count_distinct" => match counted(argument) {
                Some(counted) => one(asked.sketch(counted.sketch(), needs)?),
                None => {
                    let argument = over_cells(argument.clone(), needs)?;
                    one(asked.part(function.func.call(vec![argument]), needs, Merged::Sketch)?)
                }
            },
            _ => None,
        }
    }
}

/// True of cells that hold rows which satisfy all of `cuts`. None: cells do not tell.
pub(super) fn has_rows(cuts: &[Expr], needs: &mut Needs) -> Option<Expr> {
    let mut rows = Vec::new();
    for slice in &slices(cuts)? {
        rows.push(where_true(hold(cuts, slice, needs)?, slice.rows(needs)));
    }
    Some(added(rows, &DataType::Int64)?.gt(lit(0_i64)))
}

impl Asked<'_> {
    /// An aggregate over cells, of those that satisfy the conditions.
    fn part(&self, of_cells: Expr, needs: &mut Needs, merged: Merged) -> Option<Part> {
        let of_cells = match hold(&self.conditions, &Slice::All, needs)? {
            None => of_cells,
            Some(conditions) => of_cells.filter(conditions).build().ok()?,
        };
        Some(self.beside_rows(of_cells, merged))
    }

    fn beside_rows(&self, of_cells: Expr, merged: Merged) -> Part {
        Part { of_rows: Expr::AggregateFunction(self.function.clone()), of_cells, merged }
    }

    fn sketch(&self, column: &'static str, needs: &mut Needs) -> Option<Part> {
        needs.columns.insert(column);
        self.part(rollup_sketches().call(vec![cell(column)]), needs, Merged::Sketch)
    }

    fn count(&self, argument: &Expr, needs: &mut Needs) -> Option<Part> {
        Some(self.beside_rows(sum(self.counted(argument, needs)?), Merged::Count))
    }

    /// How many rows of a cell have a value.
    fn counted(&self, argument: &Expr, needs: &mut Needs) -> Option<Expr> {
        let mut conditions = self.conditions.clone();
        if !matches!(argument, Expr::Literal(value, _) if !value.is_null()) {
            conditions.push(argument.clone().is_not_null());
        }
        let mut counts = Vec::new();
        for slice in &self.slices {
            counts.push(where_true(hold(&conditions, slice, needs)?, slice.rows(needs)));
        }
        added(counts, &DataType::Int64)
    }

    fn sum(&self, argument: &Expr, needs: &mut Needs) -> Option<Part> {
        let column = match argument {
            Expr::Column(column) if column.name == DURATION => cells::DURATION_SUM,
            Expr::Column(column) if column.name == SIZE => cells::SIZE_SUM,
            _ => return Some(self.beside_rows(self.sum_of_values(argument, needs)?, Merged::Sum)),
        };
        if self.slices != [Slice::All] {
            return None;
        }
        needs.columns.insert(column);
        self.part(sum(cell(column)), needs, Merged::Sum)
    }

    /// The sum of a value that is one for all rows of a slice. None: cells do not tell, or it is of doubles of which the order
    /// in which they are added shows.
    fn sum_of_values(&self, argument: &Expr, needs: &mut Needs) -> Option<Expr> {
        let kind = argument.get_type(self.schema).ok()?;
        if kind != DataType::Int64 && !(kind == DataType::Float64 && is_choice_of_short_numbers(argument)) {
            return None;
        }
        let mut conditions = self.conditions.clone();
        conditions.push(argument.clone().is_not_null());
        let mut products = Vec::new();
        for slice in &self.slices {
            let value = slice.over_cells(argument, needs)?;
            let product = match kind {
                DataType::Int64 => checked_product(value, slice.rows(needs)),
                _ => value * cast(slice.rows(needs), DataType::Float64),
            };
            let nothing = Expr::Literal(ScalarValue::new_zero(&kind).ok()?, None);
            products.push(case(hold(&conditions, slice, needs)??, product, nothing));
        }
        // Of cells without a value there is no sum.
        let has_values = self.counted(argument, needs)?.gt(lit(0_i64));
        let null = Expr::Literal(ScalarValue::try_new_null(&kind).ok()?, None);
        Some(sum(case(has_values, added(products, &kind)?, null)))
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
        self.part(merged.aggregate(value), needs, merged)
    }

    /// From the sum and the number of the values.
    fn mean(&self, argument: &Expr, needs: &mut Needs) -> Option<Parts> {
        let of_rows = |aggregate: Expr| match &self.function.params.filter {
            Some(filter) => aggregate.filter(filter.as_ref().clone()).build().ok(),
            None => Some(aggregate),
        };
        let summed = if is_duration_as_double(argument) && self.slices == [Slice::All] {
            needs.columns.insert(cells::DURATION_SUM);
            self.part(sum(cast(cell(cells::DURATION_SUM), DataType::Float64)), needs, Merged::Sum)?.of_cells
        } else if argument.get_type(self.schema).ok()? == DataType::Float64 {
            self.sum_of_values(argument, needs)?
        } else {
            return None;
        };
        // Of a duration as a double as of the duration.
        let value = if is_duration_as_double(argument) { cell(DURATION) } else { argument.clone() };
        let counted = sum(self.counted(&value, needs)?);
        let parts = [
            Part { of_rows: of_rows(sum(argument.clone()))?, of_cells: summed, merged: Merged::Sum },
            Part { of_rows: of_rows(count(argument.clone()))?, of_cells: counted, merged: Merged::Count },
        ];
        Some(Parts { parts: parts.into(), is_mean: true })
    }
}

/// All of these expressions over rows, as one over the cells; a slice's rows agree on them. The inner none: there is nothing to
/// satisfy. The outer none: cells do not tell.
fn hold(conditions: &[Expr], slice: &Slice, needs: &mut Needs) -> Option<Option<Expr>> {
    let told = conditions.iter().map(|condition| slice.over_cells(condition, needs)).collect::<Option<Vec<_>>>()?;
    Some(conjunction(told))
}

/// None: of nothing.
fn added(values: Vec<Expr>, kind: &DataType) -> Option<Expr> {
    values.into_iter().reduce(|one, other| match kind {
        DataType::Int64 => checked_addition(one, other),
        _ => one + other,
    })
}

/// `CASE` between doubles of few binary digits: sums of up to 2^33 of them are exact in any order.
fn is_choice_of_short_numbers(expr: &Expr) -> bool {
    const LEAST: f64 = 1.0 / 1024.0;
    let is_short = |value: &Expr| match value {
        Expr::Literal(ScalarValue::Float64(Some(x)), _) => (x / LEAST).fract() == 0.0 && x.abs() <= 1024.0,
        Expr::Literal(value, _) => value.is_null(),
        _ => false,
    };
    let Expr::Case(case) = expr else { return false };
    case.when_then_expr.iter().all(|(_, then)| is_short(then))
        && case.else_expr.as_ref().is_none_or(|value| is_short(value))
}

fn counted(argument: &Expr) -> Option<Counted> {
    let Expr::Column(column) = argument else { return None };
    Counted::ALL.into_iter().find(|counted| counted.column() == column.name)
}

/// Rows that satisfy a condition, else none.
fn where_true(condition: Option<Expr>, rows: Expr) -> Expr {
    match condition {
        Some(condition) => case(condition, rows, lit(0_i64)),
        None => rows,
    }
}

/// `CASE WHEN condition THEN value ELSE other END`.
pub(super) fn case(condition: Expr, value: Expr, other: Expr) -> Expr {
    Expr::Case(Case::new(None, vec![(Box::new(condition), Box::new(value))], Some(Box::new(other))))
}

fn sum(value: Expr) -> Expr {
    checked_sum().call(vec![value])
}
