//! `FROM t, LATERAL unnest(t.list, ...) AS u(a, ...)`: a row of `t` for each item of its lists.
//!
//! DataFusion plans the right side as a subquery over one empty row with references to the left, and then cannot run it. This
//! rule puts the left side in place of that empty row and hands its columns up through every node above it.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;

#[derive(Debug)]
pub(crate) struct UnnestLateral;

impl AnalyzerRule for UnnestLateral {
    fn name(&self) -> &str {
        "unnest_lateral"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(join) => match unnested(&join)? {
                Some(plan) => Ok(Transformed::yes(plan)),
                None => Ok(Transformed::no(LogicalPlan::Join(join))),
            },
            other => Ok(Transformed::no(other)),
        });
        rewritten.map(|done| done.data)
    }
}

/// The join without its lateral right side; none if its right side is nothing of the kind.
fn unnested(join: &Join) -> Result<Option<LogicalPlan>> {
    let always = |filter: &Expr| matches!(filter, Expr::Literal(ScalarValue::Boolean(Some(true)), _));
    let filter = join.filter.as_ref().filter(|filter| !always(filter));
    let keeps_empty = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left if filter.is_none() => true,
        _ => return Ok(None),
    };
    if !join.on.is_empty() || !is_lateral_unnest(&join.right) {
        return Ok(None);
    }
    let Some(plan) = lift(&join.right, &join.left, keeps_empty)? else { return Ok(None) };
    match filter {
        Some(filter) => LogicalPlanBuilder::from(plan).filter(filter.clone())?.build().map(Some),
        None => Ok(Some(plan)),
    }
}

/// True for a chain of single-input nodes that holds an unnest and refers to the outside.
fn is_lateral_unnest(plan: &LogicalPlan) -> bool {
    let (mut node, mut unnests, mut refers) = (plan, false, false);
    loop {
        unnests |= matches!(node, LogicalPlan::Unnest(_));
        refers |= node.contains_outer_reference();
        match node.inputs().as_slice() {
            [input] => node = input,
            inputs => return inputs.is_empty() && unnests && refers,
        }
    }
}

/// `node` over the rows of `left` in place of its one empty row: the columns of `left` first, then its own.
fn lift(node: &LogicalPlan, left: &Arc<LogicalPlan>, keeps_empty: bool) -> Result<Option<LogicalPlan>> {
    let over = |input: &LogicalPlan| lift(input, left, keeps_empty);
    let plan = match node {
        LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => left.as_ref().clone(),
        LogicalPlan::Subquery(subquery) => return over(&subquery.subquery),
        LogicalPlan::Projection(projection) => {
            let Some(input) = over(&projection.input)? else { return Ok(None) };
            let mut exprs = columns_of(left);
            for (expr, (qualifier, field)) in projection.expr.iter().zip(projection.schema.iter()) {
                exprs.push(inside(expr.clone())?.alias_qualified(qualifier.cloned(), field.name()));
            }
            LogicalPlanBuilder::from(input).project(exprs)?.build()?
        }
        LogicalPlan::Unnest(unnest) => {
            let Some(input) = over(&unnest.input)? else { return Ok(None) };
            let options = unnest.options.clone();
            let options = if keeps_empty { options.with_preserve_nulls(true) } else { options };
            LogicalPlanBuilder::from(input)
                .unnest_columns_with_options(unnest.exec_columns.clone(), options)?
                .build()?
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let Some(input) = over(&alias.input)? else { return Ok(None) };
            let mut exprs = columns_of(left);
            let own: Vec<_> = input.schema().iter().skip(exprs.len()).collect();
            for ((qualifier, field), renamed) in own.into_iter().zip(alias.schema.fields()) {
                let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
                exprs.push(column.alias_qualified(Some(alias.alias.clone()), renamed.name()));
            }
            LogicalPlanBuilder::from(input).project(exprs)?.build()?
        }
        LogicalPlan::Filter(filter) => {
            let Some(input) = over(&filter.input)? else { return Ok(None) };
            LogicalPlanBuilder::from(input).filter(inside(filter.predicate.clone())?)?.build()?
        }
        _ => return Ok(None),
    };
    Ok(Some(plan))
}

fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().iter().map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name()))).collect()
}

/// References to the outside become references to the input.
fn inside(expr: Expr) -> Result<Expr> {
    let replaced = expr.transform_up(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
            other => Transformed::no(other),
        })
    });
    replaced.map(|done| done.data)
}
