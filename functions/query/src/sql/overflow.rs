//! Whole numbers that leave their type are an error: DataFusion 55.2 adds, subtracts and multiplies them around the end, and has
//! no setting against it. This rule puts functions that look in place of its operators, once types are known.

use std::sync::{Arc, LazyLock};

use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

/// To be run after types are coerced.
#[derive(Debug)]
pub(crate) struct OverflowIsAnError;

impl AnalyzerRule for OverflowIsAnError {
    fn name(&self) -> &str {
        "overflow_is_an_error"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(checked_node).map(|done| done.data)
    }
}

fn checked_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = match &node {
        LogicalPlan::TableScan(scan) => DFSchema::clone(&scan.projected_schema),
        _ => merge_schema(&node.inputs()),
    };
    let names = NamePreserver::new(&node);
    let done = node.map_expressions(|expr| {
        let name = names.save(&expr);
        let checked = expr.transform_up(|expr| checked(expr, &schema))?;
        Ok(checked.update_data(|expr| name.restore(expr)))
    })?;
    if done.transformed { done.map_data(LogicalPlan::recompute_schema) } else { Ok(done) }
}

/// The same, of whole numbers that do not wrap; any other expression as it is.
fn checked(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_whole = |expr: &Expr| expr.get_type(schema).is_ok_and(|kind| kind.is_integer());
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match function(op) {
            Some(function) if is_whole(&left) && is_whole(&right) => {
                Ok(Transformed::yes(function.call(vec![*left, *right])))
            }
            _ => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
        },
        Expr::Negative(inner) if is_whole(&inner) && !matches!(*inner, Expr::Literal(..)) => {
            let zero = ScalarValue::new_zero(&inner.get_type(schema)?)?;
            Ok(Transformed::yes(SUB.call(vec![Expr::Literal(zero, None), *inner])))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Of two whole numbers of one type.
pub(crate) fn checked_addition(left: Expr, right: Expr) -> Expr {
    ADD.call(vec![left, right])
}

/// Of two whole numbers of one type.
pub(crate) fn checked_product(left: Expr, right: Expr) -> Expr {
    MUL.call(vec![left, right])
}

static ADD: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function_of(Operator::Plus));
static SUB: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function_of(Operator::Minus));
static MUL: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function_of(Operator::Multiply));

fn function(op: Operator) -> Option<&'static Arc<ScalarUDF>> {
    match op {
        Operator::Plus => Some(&ADD),
        Operator::Minus => Some(&SUB),
        Operator::Multiply => Some(&MUL),
        _ => None,
    }
}

fn function_of(op: Operator) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Checked { op, signature: Signature::any(2, Volatility::Immutable) }))
}

/// Of two whole numbers of one type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => "checked_add",
            Operator::Minus => "checked_subtract",
            _ => "checked_multiply",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (left, right) = (&args.args[0], &args.args[1]);
        match self.op {
            Operator::Plus => apply(left, right, add),
            Operator::Minus => apply(left, right, sub),
            _ => apply(left, right, mul),
        }
    }
}
