//! Plans that stop when they are told to, and that let others have their turn until then.
//!
//! DataFusion's operators pause only where batches come in: at scans, and between tasks. A join makes millions of batches of one
//! that came in, so it is made to pause where they go out; and one whose filter lets nothing through makes none at all, so there
//! the filter says that it is over. What computes within one batch cannot be stopped.

mod filter;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PiecewiseMergeJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};
use futures::Stream;

use self::filter::stoppable_filter;
use super::running::Running;

/// The same plan, of which each task ends soon after the query was stopped, and keeps the query's place until then.
pub(super) fn stoppable(plan: Arc<dyn ExecutionPlan>, running: &Arc<Running>) -> Result<Arc<dyn ExecutionPlan>> {
    let done = plan.transform_up(|plan| {
        if !plan.children().is_empty() && !makes_many(plan.as_ref()) {
            return Ok(Transformed::no(plan));
        }
        let input = stoppable_filter(plan, running)?;
        Ok(Transformed::yes(Arc::new(Stoppable { input, running: Arc::clone(running) }) as _))
    });
    done.map(|done| done.data)
}

/// More batches than come in.
fn makes_many(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<CrossJoinExec>()
        || plan.is::<NestedLoopJoinExec>()
        || plan.is::<HashJoinExec>()
        || plan.is::<SortMergeJoinExec>()
        || plan.is::<PiecewiseMergeJoinExec>()
        || plan.is::<UnnestExec>()
        || plan.is::<RecursiveQueryExec>()
}

/// Hands on the batches of its input.
struct Stoppable {
    input: Arc<dyn ExecutionPlan>,
    running: Arc<Running>,
}

impl ExecutionPlan for Stoppable {
    fn name(&self) -> &str {
        "StoppableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return Err(DataFusionError::Internal("StoppableExec has one input".into()));
        };
        Ok(Arc::new(Self { input, running: Arc::clone(&self.running) }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batches = make_cooperative(self.input.execute(partition, context)?);
        Ok(Box::pin(UntilStopped { batches, running: Arc::clone(&self.running) }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.input.metrics()
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(Arc::clone(&inputs[0]))
    }
}

impl DisplayAs for Stoppable {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Stoppable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name()).field("input", &self.input).finish()
    }
}

struct UntilStopped {
    batches: SendableRecordBatchStream,
    /// Keeps the query's place.
    running: Arc<Running>,
}

impl Stream for UntilStopped {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.running.go_on() {
            Ok(()) => self.batches.as_mut().poll_next(context),
            Err(stopped) => Poll::Ready(Some(Err(stopped))),
        }
    }
}

impl RecordBatchStream for UntilStopped {
    fn schema(&self) -> SchemaRef {
        self.batches.schema()
    }
}
