//! The rewriting of a plan: an aggregate over rows becomes the merge of one over cells and one over the rows beside them.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DataFusionError, Result};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Union, cast, lit};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::coverage::Coverage;
use super::parts::{Merged, Parts, case};
use super::question::Question;
use super::source;
use crate::table::{Table, TableBeside};

/// As a rule of DataFusion's optimizer. It comes last, so that filters have come down to the scans, and what it made is optimised
/// in the next pass.
#[derive(Debug)]
pub(crate) struct UseRollups;

impl OptimizerRule for UseRollups {
    fn name(&self) -> &str {
        "use_rollups"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        match merged(aggregate)? {
            Some(merged) => Ok(Transformed::yes(merged)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// None: it stays as it is.
fn merged(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let project = |scan: &datafusion::logical_expr::TableScan| {
        let provider = source_as_provider(&scan.source).ok()?;
        provider.downcast_ref::<Table>()?.project_of_rollups()
    };
    let Some(question) = Question::of(aggregate, project) else { return Ok(None) };
    let provider = source_as_provider(&question.scan.source)?;
    let Some(table) = provider.downcast_ref::<Table>() else { return Ok(None) };
    let Some((coverage, cells)) = Coverage::choose(table.rollups(), &question.needs, question.times) else {
        return Ok(None);
    };
    let cells = source::table(&question.needs, cells, table.metered_files(), table.partitions())?;
    let beside = Arc::new(TableBeside::new(Arc::clone(&provider), coverage));

    let of_rows = Leg {
        scan: LogicalPlanBuilder::scan(question.scan.table_name.clone(), provider_as_source(beside), None)?,
        filters: &question.filters,
        groups: &question.groups,
        aggregates: question.parts().map(|part| part.of_rows.clone()).collect(),
    };
    let of_cells = Leg {
        scan: LogicalPlanBuilder::scan("cells", provider_as_source(cells), None)?,
        filters: &question.filters_of_cells,
        groups: &question.groups_of_cells,
        aggregates: question.parts().map(|part| part.of_cells.clone()).collect(),
    };
    let of_rows = of_rows.plan(None)?;
    let of_cells = of_cells.plan(Some(&of_rows))?;
    let both = Union::try_new(vec![Arc::new(of_rows), Arc::new(of_cells)])?;
    question.merge(LogicalPlan::Union(both), aggregate).map(Some)
}

/// One of the two aggregates; its columns are called `g0`, `g1`, ... and `p0`, `p1`, ...
struct Leg<'a> {
    scan: LogicalPlanBuilder,
    filters: &'a [Expr],
    groups: &'a [Expr],
    aggregates: Vec<Expr>,
}

fn group(at: usize) -> String {
    format!("g{at}")
}

fn part(at: usize) -> String {
    format!("p{at}")
}

fn column(name: String) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

impl Leg<'_> {
    /// With the columns' types as `other` has them.
    fn plan(self, other: Option<&LogicalPlan>) -> Result<LogicalPlan> {
        let n_groups = self.groups.len();
        let groups = self.groups.iter().enumerate().map(|(at, expr)| expr.clone().alias(group(at)));
        let aggregates = self.aggregates.into_iter().enumerate().map(|(at, expr)| expr.alias(part(at)));
        let scan = match conjunction(self.filters.to_vec()) {
            Some(filter) => self.scan.filter(filter)?,
            None => self.scan,
        };
        let aggregated = scan.aggregate(groups.collect::<Vec<_>>(), aggregates.collect::<Vec<_>>())?.build()?;
        let schema = Arc::clone(aggregated.schema());
        let columns = schema.iter().enumerate().map(|(at, field)| {
            let name = if at < n_groups { group(at) } else { part(at - n_groups) };
            let mut expr = Expr::Column(Column::from(field));
            if let Some(other) = other {
                let kind = other.schema().field(at).data_type();
                if expr.get_type(&schema)? != *kind {
                    expr = cast(expr, kind.clone());
                }
            }
            Ok::<_, DataFusionError>(expr.alias(name))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        LogicalPlanBuilder::from(aggregated).project(columns)?.build()
    }
}

impl Question<'_> {
    fn parts(&self) -> impl Iterator<Item = &super::parts::Part> {
        self.aggregates.iter().flat_map(|aggregate| &aggregate.parts)
    }

    /// The columns of the original, from both legs together.
    fn merge(&self, both: LogicalPlan, original: &Aggregate) -> Result<LogicalPlan> {
        let groups = (0..self.groups.len()).map(|at| column(group(at)));
        let merges = self.parts().enumerate().map(|(at, of)| of.merged.aggregate(column(part(at))).alias(part(at)));
        let merged =
            LogicalPlanBuilder::from(both).aggregate(groups.collect::<Vec<_>>(), merges.collect::<Vec<_>>())?;
        let mut at = 0;
        let finished = self.aggregates.iter().map(|aggregate| {
            let from = at;
            at += aggregate.parts.len();
            finished(aggregate, from)
        });
        let groups = (0..self.groups.len()).map(|at| column(group(at)));
        let named = groups
            .chain(finished)
            .zip(original.schema.iter())
            .map(|(expr, (qualifier, field))| expr.alias_qualified(qualifier.cloned(), field.name()));
        merged.project(named.collect::<Vec<_>>())?.build()
    }
}

/// The value of an aggregate, from its merged parts.
fn finished(aggregate: &Parts, from: usize) -> Expr {
    let value = |at: usize| {
        let merged = column(part(at));
        match aggregate.parts[at - from].merged {
            Merged::Count => case(merged.clone().is_null(), lit(0_i64), merged),
            _ => merged,
        }
    };
    if aggregate.is_mean {
        let count = cast(value(from + 1), arrow::datatypes::DataType::Float64);
        case(value(from + 1).eq(lit(0_i64)), lit(datafusion::common::ScalarValue::Float64(None)), value(from) / count)
    } else {
        value(from)
    }
}
