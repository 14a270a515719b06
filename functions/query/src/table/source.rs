//! The scan of a table: live segments and Parquet files as one data source.
//!
//! Each partition yields its share of the live segments and then its share of the files, so that a filter that tightens while
//! the query runs (the threshold of a newest-first list) has seen the newest rows before a file is opened; for an oldest-first
//! list the files come first. All push-downs go through the file scan, whose word on filters then holds for live rows too.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::{DataSource, OpenArgs};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use futures::StreamExt;
use model::Segment;

use super::live::{RowPlan, SegmentReader};

/// The scan.
#[derive(Clone, Debug)]
pub(super) struct TableSource {
    pub(super) files: FileScanConfig,
    /// None: there are none to read.
    pub(super) live: Option<Live>,
}

/// The live segments of the scan.
#[derive(Clone, Debug)]
pub(super) struct Live {
    /// Newest first.
    pub(super) segments: Arc<Vec<Segment>>,
    pub(super) reader: Arc<SegmentReader>,
    /// How many partitions they are worth by themselves.
    pub(super) partitions: usize,
    /// Filters that nobody applies after the scan. Over the table's columns, as `hints`.
    pub(super) filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Filters that are applied after the scan: they only tell which segments need not be read.
    pub(super) hints: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) turn: Turn,
}

/// When live segments are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    BeforeFiles,
    AfterFiles,
}

impl TableSource {
    fn with_files(&self, files: &Arc<dyn DataSource>) -> Option<Self> {
        let files = files.downcast_ref::<FileScanConfig>()?.clone();
        Some(Self { files, live: self.live.clone() })
    }

    fn table_schema(&self) -> &SchemaRef {
        self.files.file_source.table_schema().table_schema()
    }

    fn projection(&self) -> ProjectionExprs {
        let schema = self.table_schema();
        let all = || ProjectionExprs::from_indices(&(0..schema.fields().len()).collect::<Vec<_>>(), schema);
        self.files.file_source.projection().cloned().unwrap_or_else(all)
    }

    fn partitions(&self) -> usize {
        let live = self.live.as_ref().map_or(0, |live| live.partitions);
        self.files.file_groups.len().max(live).max(1)
    }

    /// Filters over the output, in terms of the table's columns.
    fn over_table(&self, filters: &[Arc<dyn PhysicalExpr>]) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        let projection = self.projection();
        filters
            .iter()
            .map(|filter| reassign_expr_columns(projection.unproject_expr(filter)?, self.table_schema()))
            .collect()
    }

    fn live_rows(&self, live: &Live, partition: usize) -> Result<SendableRecordBatchStream> {
        let mine = live.segments.iter().skip(partition).step_by(self.partitions()).cloned();
        let mine: Vec<Segment> = match live.turn {
            Turn::BeforeFiles => mine.collect(),
            Turn::AfterFiles => mine.rev().collect(),
        };
        let skip = live.filters.iter().chain(&live.hints).cloned().collect();
        let plan = RowPlan::new(self.table_schema(), &self.projection(), &live.filters, skip)?;
        let rows = Arc::clone(&live.reader).rows(mine, plan);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.files.projected_schema()?, rows)))
    }
}

impl DataSource for TableSource {
    fn open(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.open_with_args(OpenArgs::new(partition, context))
    }

    fn open_with_args(&self, args: OpenArgs) -> Result<SendableRecordBatchStream> {
        let partition = args.partition;
        let files =
            if partition < self.files.file_groups.len() { Some(self.files.open_with_args(args)?) } else { None };
        let Some(live) = &self.live else {
            let schema = self.files.projected_schema()?;
            let nothing = || Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::empty())) as _;
            return Ok(files.unwrap_or_else(nothing));
        };
        let live_rows = self.live_rows(live, partition)?;
        let schema = live_rows.schema();
        let parts = match live.turn {
            Turn::BeforeFiles => [Some(live_rows), files],
            Turn::AfterFiles => [files, Some(live_rows)],
        };
        let rows = futures::stream::iter(parts.into_iter().flatten()).flatten();
        let rows = match self.files.limit {
            Some(limit) => first_rows(rows, limit).boxed(),
            None => rows.boxed(),
        };
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(schema, rows))))
    }

    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(live) = &self.live {
            write!(f, "live_segments={}, ", live.segments.len())?;
        }
        self.files.fmt_as(t, f)
    }

    fn repartitioned(
        &self,
        partitions: usize,
        bytes_min: usize,
        ordering: Option<LexOrdering>,
    ) -> Result<Option<Arc<dyn DataSource>>> {
        if self.files.file_groups.is_empty() {
            return Ok(None);
        }
        let files = self.files.repartitioned(partitions, bytes_min, ordering)?;
        Ok(files.and_then(|files| self.with_files(&files)).map(|source| Arc::new(source) as _))
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(self.partitions())
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        let mut properties = self.files.eq_properties();
        if self.live.is_some() {
            properties.clear_orderings();
        }
        properties
    }

    fn scheduling_type(&self) -> SchedulingType {
        SchedulingType::Cooperative
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let Some(live) = &self.live else { return self.files.partition_statistics(partition) };
        let mut unknown = Statistics::new_unknown(self.files.projected_schema()?.as_ref());
        if partition.is_none() {
            // A segment that turns out damaged is left out: its rows are never exact.
            let live_rows: u64 = live.segments.iter().map(|segment| segment.rows).sum();
            let live_rows = Precision::Inexact(usize::try_from(live_rows).unwrap_or(usize::MAX));
            unknown.num_rows = self.files.partition_statistics(None)?.num_rows.add(&live_rows);
        }
        Ok(Arc::new(unknown))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn DataSource>> {
        let files = FileScanConfigBuilder::from(self.files.clone()).with_limit(limit).build();
        Some(Arc::new(Self { files, live: self.live.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.files.limit
    }

    fn metrics(&self) -> ExecutionPlanMetricsSet {
        DataSource::metrics(&self.files)
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn DataSource>>> {
        let files = self.files.try_swapping_with_projection(projection)?;
        Ok(files.and_then(|files| self.with_files(&files)).map(|source| Arc::new(source) as _))
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn DataSource>>> {
        let over_table = self.over_table(&filters)?;
        let pushed = self.files.try_pushdown_filters(filters, config)?;
        let Some(mut source) = pushed.updated_node.as_ref().and_then(|files| self.with_files(files)) else {
            return Ok(FilterPushdownPropagation { filters: pushed.filters, updated_node: None });
        };
        if let Some(live) = &mut source.live {
            for (filter, taken) in over_table.into_iter().zip(&pushed.filters) {
                match taken {
                    PushedDown::Yes => live.filters.push(filter),
                    PushedDown::No => live.hints.push(filter),
                }
            }
        }
        Ok(FilterPushdownPropagation { filters: pushed.filters, updated_node: Some(Arc::new(source)) })
    }

    fn try_pushdown_sort(&self, order: &[PhysicalSortExpr]) -> Result<SortOrderPushdownResult<Arc<dyn DataSource>>> {
        let oldest_first = order.first().is_some_and(|first| {
            let column = first.expr.downcast_ref::<Column>();
            !first.options.descending && column.is_some_and(|column| column.name() == lake::SORT_COLUMN)
        });
        let with = |files: Arc<dyn DataSource>| {
            let mut source = self.with_files(&files)?;
            if let Some(live) = &mut source.live {
                live.turn = if oldest_first { Turn::AfterFiles } else { Turn::BeforeFiles };
            }
            Some(Arc::new(source) as Arc<dyn DataSource>)
        };
        let (inner, exact) = match self.files.try_pushdown_sort(order)? {
            SortOrderPushdownResult::Exact { inner } => (with(inner), self.live.is_none()),
            SortOrderPushdownResult::Inexact { inner } => (with(inner), false),
            SortOrderPushdownResult::Unsupported => (None, false),
        };
        Ok(match inner {
            Some(inner) if exact => SortOrderPushdownResult::Exact { inner },
            Some(inner) => SortOrderPushdownResult::Inexact { inner },
            None => SortOrderPushdownResult::Unsupported,
        })
    }

    fn with_preserve_order(&self, preserve_order: bool) -> Option<Arc<dyn DataSource>> {
        let files = self.files.with_preserve_order(preserve_order)?;
        self.with_files(&files).map(|source| Arc::new(source) as _)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.files.apply_expressions(f)
    }

    fn create_sibling_state(&self, config: &ConfigOptions) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        self.files.create_sibling_state(config)
    }
}

/// The first `limit` rows.
fn first_rows<S>(rows: S, limit: usize) -> impl futures::Stream<Item = Result<arrow::array::RecordBatch>>
where
    S: futures::Stream<Item = Result<arrow::array::RecordBatch>>,
{
    let mut left = limit;
    rows.scan((), move |(), batch| {
        let taken = match batch {
            _ if left == 0 => None,
            Ok(batch) => {
                let batch = batch.slice(0, batch.num_rows().min(left));
                left -= batch.num_rows();
                Some(Ok(batch))
            }
            Err(error) => Some(Err(error)),
        };
        futures::future::ready(taken)
    })
}
