//! Lists of wide rows, newest or oldest first: first when, then what.
//!
//! `SELECT * ... ORDER BY timestamp DESC LIMIT n` alone decodes whole row groups of all columns, since within a row group every
//! row is newer than those before it. So the times of its rows are found first, over the time and the filters' columns alone;
//! with them as a filter, the list reads only the pages that hold its rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::{max, min};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, Result, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::{EmptyRelation, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Sort, TableScan, lit};
use datafusion::physical_plan::collect;
use model::Micros;

use super::running::Running;
use super::stoppable::stoppable;
use crate::table::Table;

/// Fewer times than these are asked for one by one.
const FEW: usize = 64;

/// The optimised plan of a list by time, with filters that leave little more than its rows; any other plan as it is.
pub(super) async fn narrowed(
    session: &SessionState,
    plan: LogicalPlan,
    running: &Arc<Running>,
) -> Result<LogicalPlan, DataFusionError> {
    let Some(list) = List::in_plan(&plan) else { return Ok(plan) };
    let provider = source_as_provider(&list.scan.source)?;
    let Some(table) = provider.downcast_ref::<Table>() else { return Ok(plan) };
    // A filter between sort and scan would keep files from being read in the sort's order.
    table.filter_early();
    if !table.is_worth_two_scans(list.scan) {
        return Ok(plan);
    }
    match list.times(session, running).await? {
        Some(times) => list.at_times(&times, &plan),
        None => Ok(plan),
    }
}

/// A plan that sorts the rows of one table by time and takes the first.
struct List<'a> {
    sort: &'a Sort,
    rows: usize,
    scan: &'a TableScan,
    /// What the sort calls the time.
    time: &'a Column,
    by: &'a SortExpr,
    /// What the scan calls it.
    scanned_time: Column,
}

/// The times of the rows of a list.
struct Times {
    least: Micros,
    greatest: Micros,
    /// Every time, if they are few and the list holds all rows that its filters let through.
    each: Option<BTreeSet<Micros>>,
    /// False: there are fewer rows than asked for.
    full: bool,
}

impl<'a> List<'a> {
    fn in_plan(plan: &'a LogicalPlan) -> Option<Self> {
        let sort = first_sort(plan)?;
        let by = sort.expr.first()?;
        let Expr::Column(time) = &by.expr else { return None };
        let scan = scan_below(&sort.input)?;
        let scanned_time = traced(&sort.input, time.clone())?;
        let list = Self { sort, rows: sort.fetch?, scan, time, by, scanned_time };
        (list.scanned_time.name == lake::SORT_COLUMN).then_some(list)
    }

    /// None: nothing can be said, since a row has no time.
    async fn times(&self, session: &SessionState, running: &Arc<Running>) -> Result<Option<Times>> {
        let time = Expr::Column(self.time.clone());
        let times = LogicalPlanBuilder::from(self.sort.input.clone())
            .project([time.clone()])?
            .sort_with_limit([time.sort(self.by.asc, self.by.nulls_first)], Some(self.rows))?
            .build()?;
        let times = stoppable(session.create_physical_plan(&times).await?, running)?;
        let mut found = Times { least: Micros::MAX, greatest: Micros::MIN, each: Some(BTreeSet::new()), full: false };
        let mut rows = 0;
        for batch in collect(times, session.task_ctx()).await? {
            let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
            if times.null_count() > 0 {
                return Ok(None);
            }
            rows += times.len();
            found.least = found.least.min(min(times).unwrap_or(Micros::MAX));
            found.greatest = found.greatest.max(max(times).unwrap_or(Micros::MIN));
            if let Some(each) = &mut found.each {
                each.extend(times.values());
            }
            found.each = found.each.filter(|each| each.len() <= FEW);
        }
        found.full = rows >= self.rows;
        Ok(Some(found))
    }

    fn at_times(&self, times: &Times, plan: &LogicalPlan) -> Result<LogicalPlan> {
        if times.least > times.greatest {
            let schema = Arc::clone(plan.schema());
            return Ok(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema }));
        }
        let time = || Expr::Column(self.scanned_time.clone());
        let at = |micros: Micros| lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
        let mut filters = Vec::new();
        // Of a full list the near end is open: there may be more rows at the far end's time, and none beyond.
        if !times.full || !self.by.asc {
            filters.push(time().gt_eq(at(times.least)));
        }
        if !times.full || self.by.asc {
            filters.push(time().lt_eq(at(times.greatest)));
        }
        if let Some(each) = times.each.as_ref().filter(|each| !times.full && each.len() > 1) {
            filters.push(time().in_list(each.iter().map(|micros| at(*micros)).collect(), false));
        }
        let filtered = plan.clone().transform_down(|node| match node {
            LogicalPlan::TableScan(mut scan) => {
                scan.filters.extend(filters.clone());
                let both = filters.clone().into_iter().reduce(Expr::and).unwrap_or_else(|| lit(true));
                let filtered = Filter::try_new(both, Arc::new(LogicalPlan::TableScan(scan)))?;
                Ok(Transformed::new(LogicalPlan::Filter(filtered), true, TreeNodeRecursion::Jump))
            }
            other => Ok(Transformed::no(other)),
        });
        filtered.map(|done| done.data)
    }
}

/// The sort that takes the first rows, below nothing but projections and limits.
fn first_sort(mut plan: &LogicalPlan) -> Option<&Sort> {
    loop {
        plan = match plan {
            LogicalPlan::Sort(sort) => return Some(sort).filter(|sort| sort.fetch.is_some()),
            LogicalPlan::Projection(projection) => &projection.input,
            LogicalPlan::Limit(limit) => &limit.input,
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            _ => return None,
        }
    }
}

/// The scan below nothing but projections and filters.
fn scan_below(mut plan: &LogicalPlan) -> Option<&TableScan> {
    loop {
        plan = match plan {
            LogicalPlan::TableScan(scan) => return Some(scan).filter(|scan| scan.fetch.is_none()),
            LogicalPlan::Projection(projection) => &projection.input,
            LogicalPlan::Filter(filter) => &filter.input,
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            _ => return None,
        }
    }
}

/// What the scan below calls a column; none if it is computed.
fn traced(mut plan: &LogicalPlan, mut column: Column) -> Option<Column> {
    loop {
        plan = match plan {
            LogicalPlan::TableScan(_) => return Some(column),
            LogicalPlan::Filter(filter) => &filter.input,
            LogicalPlan::Projection(projection) => {
                let at = projection.schema.index_of_column(&column).ok()?;
                let Expr::Column(inner) = projection.expr[at].clone().unalias() else { return None };
                column = inner;
                &projection.input
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let at = alias.schema.index_of_column(&column).ok()?;
                let (qualifier, field) = alias.input.schema().qualified_field(at);
                column = Column::new(qualifier.cloned(), field.name());
                &alias.input
            }
            _ => return None,
        }
    }
}
