//! What an aggregate asks of the rows of one table, told in the columns of that table; if cells can answer it.

use std::collections::HashMap;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, TableScan};
use model::Micros;

use super::over_cells::{Needs, over_cells};
use super::parts::{Parts, has_rows};
use super::slices::compares_durations;
use crate::table::Known;

/// An aggregate over rows of a table that pass filters.
pub(super) struct Question<'a> {
    pub(super) scan: &'a TableScan,
    /// What rows must satisfy: all of it, and over cells what is not about project and time.
    pub(super) filters: Vec<Expr>,
    pub(super) filters_of_cells: Vec<Expr>,
    /// The times that are asked for, both ends inside.
    pub(super) times: (Micros, Micros),
    /// Those of the filters that compare durations: cells may hold rows of either kind.
    cuts: Vec<Expr>,
    pub(super) groups: Vec<Expr>,
    pub(super) groups_of_cells: Vec<Expr>,
    pub(super) aggregates: Vec<Parts>,
    pub(super) needs: Needs,
}

impl<'a> Question<'a> {
    /// None: cells cannot answer it.
    pub(super) fn of(aggregate: &'a Aggregate, project: impl Fn(&TableScan) -> Option<String>) -> Option<Self> {
        if aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_))) {
            return None;
        }
        let groups = aggregate.group_expr.iter().cloned().map(Expr::unalias);
        let n_groups = aggregate.group_expr.len();
        let mut asked: Vec<Expr> = groups.chain(aggregate.aggr_expr.iter().cloned().map(Expr::unalias)).collect();
        let mut filters = Vec::new();
        let scan = down_to_scan(&aggregate.input, &mut asked, &mut filters).ok()??;
        let project = project(scan)?;

        let aggregates = asked.split_off(n_groups);
        let mut question = Self {
            scan,
            filters: Vec::new(),
            filters_of_cells: Vec::new(),
            times: (Micros::MIN, Micros::MAX),
            cuts: Vec::new(),
            groups: asked,
            groups_of_cells: Vec::new(),
            aggregates: Vec::new(),
            needs: Needs::default(),
        };
        filters.into_iter().try_for_each(|filter| question.filter(filter, &project))?;
        if !question.cuts.is_empty() {
            question.filters_of_cells.push(has_rows(&question.cuts, &mut question.needs)?);
        }
        for group in &question.groups {
            question.groups_of_cells.push(over_cells(group.clone(), &mut question.needs)?);
        }
        // Of all columns: filters took some away above the scan.
        let schema = &scan.source.schema();
        let schema = &DFSchema::try_from_qualified_schema(scan.table_name.clone(), schema).ok()?;
        for aggregate in &aggregates {
            question.aggregates.push(Parts::of(aggregate, &question.cuts, schema, &mut question.needs)?);
        }
        Some(question)
    }

    fn filter(&mut self, filter: Expr, project: &str) -> Option<()> {
        if self.filters.contains(&filter) {
            return Some(());
        }
        match Known::of(&filter) {
            Some(Known::Time { least, greatest }) => {
                self.times = (self.times.0.max(least), self.times.1.min(greatest));
            }
            Some(Known::Project(asked)) if asked == project => {}
            // No row is of another one; that needs no sums.
            Some(Known::Project(_)) => return None,
            _ if compares_durations(&filter) => self.cuts.push(filter.clone()),
            _ => self.filters_of_cells.push(over_cells(filter.clone(), &mut self.needs)?),
        }
        self.filters.push(filter);
        Some(())
    }
}

/// Follows expressions down to the scan below nothing but projections, filters and aliases, and gathers the filters; all in the
/// scan's columns. None: it is another plan.
fn down_to_scan<'a>(
    mut plan: &'a LogicalPlan,
    asked: &mut [Expr],
    filters: &mut Vec<Expr>,
) -> Result<Option<&'a TableScan>> {
    loop {
        plan = match plan {
            LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
                filters.extend(scan.filters.iter().cloned().flat_map(split_conjunction_owned));
                for expr in asked.iter_mut().chain(filters) {
                    *expr = std::mem::take(expr).unalias_nested().data;
                }
                return Ok(Some(scan));
            }
            LogicalPlan::Filter(filter) => {
                filters.extend(split_conjunction_owned(filter.predicate.clone()));
                &filter.input
            }
            LogicalPlan::Projection(projection) => {
                let outer = projection.schema.iter().map(Column::from);
                let inner = projection.expr.iter().cloned().map(Expr::unalias_nested).map(|inner| inner.data);
                let meant: HashMap<Column, Expr> = outer.zip(inner).collect();
                tell_in(asked.iter_mut().chain(filters.iter_mut()), &meant)?;
                &projection.input
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let outer = alias.schema.iter().map(Column::from);
                let inner = alias.input.schema().iter().map(|field| Expr::Column(Column::from(field)));
                let meant: HashMap<Column, Expr> = outer.zip(inner).collect();
                tell_in(asked.iter_mut().chain(filters.iter_mut()), &meant)?;
                &alias.input
            }
            _ => return Ok(None),
        }
    }
}

/// Puts in place of columns what they mean.
fn tell_in<'e>(exprs: impl Iterator<Item = &'e mut Expr>, meant: &HashMap<Column, Expr>) -> Result<()> {
    for expr in exprs {
        let told = std::mem::take(expr).transform_up(|part| {
            Ok(match &part {
                Expr::Column(column) => match meant.get(column) {
                    Some(meaning) => Transformed::yes(meaning.clone()),
                    None => Transformed::no(part),
                },
                _ => Transformed::no(part),
            })
        })?;
        *expr = told.data;
    }
    Ok(())
}
