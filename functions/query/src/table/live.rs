//! Reading live segments: verified, with the asked columns only, filtered and projected as a file would be.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use cache::{Cache, Kind, Tier};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::{collect_columns, conjunction_opt, reassign_expr_columns};
use futures::StreamExt;
use futures::stream::BoxStream;
use model::{ProjectId, Segment, chain, rfc3339};
use object_store::ObjectStore;
use objects::{ObjectError, fetch_segment};

use super::prune;
use crate::error::Limit;
use crate::meter::Meter;
use crate::waits::{OBJECTS, On};

/// Segments of one partition that are fetched ahead of the one being decoded.
const FETCH_AHEAD: usize = 4;

/// What an entry costs in memory beside its bytes.
const ENTRY_BYTES: usize = 512;

/// Verified bytes of segments, by project and segment id; those that memory does not hold may lie on the disk.
#[derive(Clone)]
pub(crate) struct SegmentCache {
    memory: moka::future::Cache<(ProjectId, String), Bytes>,
    beneath: Cache,
}

impl SegmentCache {
    pub(crate) fn new(bytes_max: u64, beneath: Cache) -> Self {
        let weight = |_: &(ProjectId, String), bytes: &Bytes| {
            u32::try_from(bytes.len().saturating_add(ENTRY_BYTES)).unwrap_or(u32::MAX)
        };
        Self { memory: moka::future::Cache::builder().max_capacity(bytes_max).weigher(weight).build(), beneath }
    }

    /// What several ask for at once is fetched once.
    async fn get<E: Send + Sync + 'static>(
        &self,
        project: &ProjectId,
        segment: &Segment,
        fetch: impl Future<Output = Result<Bytes, E>>,
    ) -> Result<Bytes, Arc<E>> {
        let key = (project.clone(), segment.id.to_string());
        if let Some(kept) = self.memory.get(&key).await {
            self.beneath.meters().hit(Kind::Segment, Tier::Memory, kept.len() as u64);
            return Ok(kept);
        }
        let object = self.beneath.object(project.as_str(), &segment.key);
        let whole = 0..segment.bytes;
        let read = async {
            let fetch = |_| async { fetch.await.map(|bytes| vec![bytes]) };
            let read = self.beneath.read(Kind::Segment, object, std::slice::from_ref(&whole), fetch).await?;
            Ok(read.into_iter().next().unwrap_or_default())
        };
        self.memory.try_get_with(key, read).await
    }
}

/// What to do about a segment that the ledger names and the store does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMissing {
    /// It may have been compacted and cleaned up meanwhile: the query starts over.
    StartOver,
    /// It is missing with a fresh ledger too: it is left out with a warning, as a damaged one is.
    LeaveOut,
}

/// Reads the segments of one table in one query.
pub(super) struct SegmentReader {
    pub(super) project: ProjectId,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) cache: SegmentCache,
    pub(super) meter: Arc<Meter>,
    pub(super) on_missing: OnMissing,
}

impl fmt::Debug for SegmentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SegmentReader({})", self.project)
    }
}

/// What becomes of the rows of a segment: which of them, and which columns.
pub(super) struct RowPlan {
    /// The columns that are read.
    read: SchemaRef,
    /// Rows that do not satisfy it are left out.
    filter: Option<Arc<dyn PhysicalExpr>>,
    projector: datafusion::physical_expr::projection::Projector,
    /// A segment that cannot satisfy it is not read at all. Over the table's columns; it may tighten while the query runs.
    skip: Option<Arc<dyn PhysicalExpr>>,
    table: SchemaRef,
}

impl RowPlan {
    /// `projection`, `filters` and `skip` are over the columns of `table`.
    pub(super) fn new(
        table: &SchemaRef,
        projection: &ProjectionExprs,
        filters: &[Arc<dyn PhysicalExpr>],
        skip: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Self> {
        let exprs = projection.expr_iter().chain(filters.iter().cloned());
        let mut wanted: Vec<usize> =
            exprs.flat_map(|expr| collect_columns(&expr)).map(|column| column.index()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let read = Arc::new(Schema::new(wanted.iter().map(|at| Arc::clone(&table.fields()[*at])).collect::<Vec<_>>()));
        let over_read = |expr: Arc<dyn PhysicalExpr>| reassign_expr_columns(expr, &read);
        let filter = conjunction_opt(filters.iter().cloned()).map(over_read).transpose()?;
        let projector = projection.clone().try_map_exprs(over_read)?.make_projector(&read)?;
        Ok(Self { read, filter, projector, skip: conjunction_opt(skip), table: Arc::clone(table) })
    }
}

impl SegmentReader {
    /// The rows of all segments, one segment after the other.
    pub(super) fn rows(
        self: Arc<Self>,
        segments: Vec<Segment>,
        plan: RowPlan,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let plan = Arc::new(plan);
        futures::stream::iter(segments)
            .map(move |segment| Arc::clone(&self).rows_of(segment, Arc::clone(&plan)))
            .buffered(FETCH_AHEAD)
            .flat_map(|read| match read {
                Ok(batches) => futures::stream::iter(batches.into_iter().map(Ok)).left_stream(),
                Err(error) => futures::stream::iter([Err(error)]).right_stream(),
            })
            .boxed()
    }

    async fn rows_of(self: Arc<Self>, segment: Segment, plan: Arc<RowPlan>) -> Result<Vec<RecordBatch>> {
        if let Some(skip) = &plan.skip {
            let kept = prune::keep_segments(vec![segment.clone()], skip, &plan.table, self.project.as_str());
            if kept.is_empty() {
                return Ok(Vec::new());
            }
        }
        self.meter.segment_read(&segment);
        let Some(bytes) = self.bytes(&segment).await? else { return Ok(Vec::new()) };
        match decode(bytes, &plan) {
            Ok(batches) => Ok(batches),
            Err(Undecodable::Damaged(what)) => {
                self.leave_out(&segment, &what);
                Ok(Vec::new())
            }
            Err(Undecodable::Query(error)) => Err(error),
        }
    }

    /// None: it is left out, with a warning.
    async fn bytes(&self, segment: &Segment) -> Result<Option<Bytes>> {
        let fetch = async {
            self.meter.charge(segment.bytes).map_err(Unread::TooMuch)?;
            fetch_segment(self.store.as_ref(), segment).await.map_err(Unread::Object)
        };
        let waiting = self.meter.waits.begin(On::Store(OBJECTS));
        let read = self.cache.get(&self.project, segment, fetch).await;
        drop(waiting);
        let unread = match read {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(unread) => unread,
        };
        match unread.as_ref() {
            Unread::TooMuch(limit) => Err(DataFusionError::External(Box::new(*limit))),
            Unread::Object(ObjectError::Missing { .. }) if self.on_missing == OnMissing::StartOver => {
                self.meter.something_missing();
                Err(DataFusionError::External(Box::new(unread)))
            }
            Unread::Object(error) if error.is_poison() => {
                self.leave_out(segment, &error.to_string());
                Ok(None)
            }
            Unread::Object(_) => Err(DataFusionError::External(Box::new(unread))),
        }
    }

    fn leave_out(&self, segment: &Segment, what: &str) {
        let Segment { id, rows, time_min, time_max, .. } = segment;
        let (from, to) = (rfc3339(*time_min), rfc3339(*time_max));
        self.meter.warn(format!("segment {id} with {rows} rows from {from} to {to} is left out: {what}"));
    }
}

/// Why a segment's bytes are not here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error(transparent)]
    TooMuch(Limit),
    #[error(transparent)]
    Object(ObjectError),
}

enum Undecodable {
    /// The segment's fault.
    Damaged(String),
    /// The fault of the query's own expressions.
    Query(DataFusionError),
}

fn decode(bytes: Bytes, plan: &RowPlan) -> Result<Vec<RecordBatch>, Undecodable> {
    let columns: Vec<&str> = plan.read.fields().iter().map(|field| field.name().as_str()).collect();
    let damaged = |error: String| Undecodable::Damaged(error);
    let (batches, _) = rows::segment::read_columns(bytes, &columns).map_err(|e| damaged(chain(&e)))?;
    let mut planned = Vec::with_capacity(batches.len());
    for batch in batches {
        let batch = conform(&batch, &plan.read).map_err(|e| damaged(e.to_string()))?;
        let batch = filtered(batch, plan.filter.as_ref()).map_err(Undecodable::Query)?;
        if batch.num_rows() > 0 {
            planned.push(plan.projector.project_batch(&batch).map_err(Undecodable::Query)?);
        }
    }
    Ok(planned)
}

/// The columns of `read` in its types; what the segment does not have is null.
fn conform(batch: &RecordBatch, read: &SchemaRef) -> Result<RecordBatch, arrow::error::ArrowError> {
    let column = |field: &arrow::datatypes::FieldRef| -> Result<ArrayRef, arrow::error::ArrowError> {
        match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        }
    };
    let columns = read.fields().iter().map(column).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(read), columns, &options)
}

fn filtered(batch: RecordBatch, filter: Option<&Arc<dyn PhysicalExpr>>) -> Result<RecordBatch> {
    let Some(filter) = filter else { return Ok(batch) };
    let kept = filter.evaluate(&batch)?.into_array(batch.num_rows())?;
    let Some(kept) = kept.as_boolean_opt() else { return internal_err!("a filter gives {}", kept.data_type()) };
    Ok(filter_record_batch(&batch, kept)?)
}
