//! Numbers in a statement that DataFusion would run over with: refused before the plan runs.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{Expr, LogicalPlan, WindowFrameBound};

use crate::error::{Limit, QueryError};

/// It adds the number of a row without looking.
const FRAME_ROWS_MAX: u64 = i64::MAX as u64;
/// It takes memory for that many at once.
const CENTROIDS_MAX: u64 = 10_000;
/// Of `approx_percentile_cont` and `approx_percentile_cont_with_weight`; after the values and what comes before the centroids.
const PERCENTILE: (&str, usize) = ("approx_percentile_cont", 2);

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Bytes of the constants that a SELECT puts beside each row of a batch.
const CONSTANTS_BYTES_MAX: usize = 512 << 20;

/// Walks the optimised plan, in which constants are computed.
pub(crate) fn check_numbers(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut refused = Ok(());
    let mut note = |checked: Result<(), QueryError>| match checked {
        Ok(()) => TreeNodeRecursion::Continue,
        Err(error) => {
            refused = Err(error);
            TreeNodeRecursion::Stop
        }
    };
    plan.apply_with_subqueries(|node| {
        if note(check_constants(node)) == TreeNodeRecursion::Stop {
            return Ok(TreeNodeRecursion::Stop);
        }
        node.apply_expressions(|expr| expr.apply(|expr| Ok(note(check(expr)))))
    })
    .map_err(|error| QueryError::planning(error, ""))?;
    refused
}

fn check(expr: &Expr) -> Result<(), QueryError> {
    match expr {
        Expr::WindowFunction(function) => {
            let WindowFunction { fun, params } = function.as_ref();
            let frame = &params.window_frame;
            check_frame(&frame.start_bound)?;
            check_frame(&frame.end_bound)?;
            check_centroids(fun.name(), &params.args)
        }
        Expr::AggregateFunction(AggregateFunction { func, params }) => check_centroids(func.name(), &params.args),
        _ => Ok(()),
    }
}

fn check_frame(bound: &WindowFrameBound) -> Result<(), QueryError> {
    match bound {
        WindowFrameBound::Preceding(ScalarValue::UInt64(Some(rows)))
        | WindowFrameBound::Following(ScalarValue::UInt64(Some(rows)))
            if *rows > FRAME_ROWS_MAX =>
        {
            let message = format!("a window frame of {rows} rows; up to {FRAME_ROWS_MAX} are possible");
            Err(semantic(message, "UNBOUNDED PRECEDING and UNBOUNDED FOLLOWING take all rows"))
        }
        _ => Ok(()),
    }
}

fn check_centroids(name: &str, args: &[Expr]) -> Result<(), QueryError> {
    let (percentile, first) = PERCENTILE;
    if !name.starts_with(percentile) {
        return Ok(());
    }
    let whole = |arg: &Expr| match arg {
        Expr::Literal(value, _) if value.data_type().is_integer() => value.to_string().parse::<u64>().ok(),
        _ => None,
    };
    match args.iter().skip(first).filter_map(whole).find(|centroids| *centroids > CENTROIDS_MAX) {
        Some(centroids) => {
            let message = format!("{name} with {centroids} centroids; up to {CENTROIDS_MAX} are possible");
            Err(semantic(message, "leave the number of centroids out; 100 is the default"))
        }
        None => Ok(()),
    }
}

/// A constant is put beside each row of a batch, in memory that no pool counts.
fn check_constants(node: &LogicalPlan) -> Result<(), QueryError> {
    let LogicalPlan::Projection(projection) = node else { return Ok(()) };
    let bytes = projection.expr.iter().map(|expr| match expr.clone().unalias() {
        Expr::Literal(value, _) => value.size(),
        _ => 0,
    });
    let rows = projection.input.max_rows().unwrap_or(BATCH_ROWS).min(BATCH_ROWS);
    if bytes.sum::<usize>().saturating_mul(rows) > CONSTANTS_BYTES_MAX {
        return Err(Limit::Function { name: "a constant beside many rows", bytes_max: CONSTANTS_BYTES_MAX }.into());
    }
    Ok(())
}

fn semantic(message: String, hint: &str) -> QueryError {
    QueryError::Semantic { message, hint: Some(hint.to_owned()), position: None }
}
