//! A table in a DataFusion session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use chrono::NaiveDate;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, Result, ScalarValue, Statistics, internal_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableScan, TableType, col, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::union::UnionExec;
use lake::{DataFile, SORT_COLUMN};
use meta::ledger::BadSegment;
use model::{Micros, Segment, TableName, rfc3339};
use object_store::ObjectStore;
use rollup::Directory;

use super::known::{Filters, Known};
use super::live::{OnMissing, SegmentCache, SegmentReader};
use super::lookup::{self, Lookups, Narrowed, Needle};
use super::parquet::{FileCaches, MeteredFiles};
use super::prune;
use super::source::{Live, TableSource, Turn};
use super::view::{TableView, Tables};
use crate::meter::Meter;
use crate::rollups::{Coverage, Rollups};
use crate::settings::LateMaterialisation;

/// Rows of a batch when a row is wide: decoded batches live outside the memory pool.
const WIDE_BATCH_ROWS: usize = 2_048;
/// Columns beside those of the filters from which on a row is wide.
const WIDE_COLUMNS_MIN: usize = 6;
/// Columns that make a row wide by themselves: long texts.
const LONG_COLUMNS: [&str; 6] = ["attributes", "resource", "body", "events", "links", "exemplars"];
/// Bytes of live segments that are worth a partition of their own.
const LIVE_BYTES_PER_PARTITION: u64 = 1 << 20;
/// Footers of at most this many bytes come with the first read of a file.
const FOOTER_BYTES_HINT: usize = 256 << 10;

/// A table at one moment, for one query.
#[derive(Debug)]
pub(crate) struct Table {
    view: TableView,
    schema: SchemaRef,
    parts: TableParts,
    /// No file was written by others: what the log says of each is exact.
    is_all_ours: bool,
    /// The plan was seen to gain from filters inside the scan.
    filter_early: AtomicBool,
}

/// What a table reads with.
#[derive(Clone)]
pub(crate) struct TableParts {
    /// The project's root; nothing outside it can be named.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// What the session calls the store.
    pub(crate) store_url: ObjectStoreUrl,
    pub(crate) files: FileCaches,
    /// Whether bytes of rows are kept.
    pub(crate) keeps_rows: bool,
    pub(crate) segments: SegmentCache,
    pub(crate) meter: Arc<Meter>,
    pub(crate) on_missing: OnMissing,
    pub(crate) late: LateMaterialisation,
    pub(crate) rollups: Rollups,
    pub(crate) lookups: Lookups,
    /// Asked where look-up indexes lie.
    pub(crate) tables: Arc<Tables>,
    pub(crate) partitions: usize,
}

impl std::fmt::Debug for TableParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TableParts({})", self.store_url)
    }
}

/// The table's columns as queries see them: texts as views, which compare and group faster.
pub(crate) fn visible_schema(table: TableName) -> SchemaRef {
    let viewed = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(rows::schema(table).fields().iter().map(viewed).collect::<Vec<_>>()))
}

/// Quarantined segments that a query names one by one.
const NAMED_MAX: usize = 10;

/// Rows that are left out are never left out in silence.
fn warn_of_quarantine(view: &TableView, meter: &Meter) {
    for BadSegment { segment, reason, .. } in view.bad.iter().take(NAMED_MAX) {
        let Segment { id, rows, time_min, time_max, .. } = segment;
        let (from, to) = (rfc3339(*time_min), rfc3339(*time_max));
        meter.warn(format!(
            "segment {id} with {rows} rows from {from} to {to} is quarantined and left out: {reason}; \
             `plimsoll repair` tries it again"
        ));
    }
    if view.bad.len() > NAMED_MAX {
        let rows: u64 = view.bad.iter().map(|bad| bad.segment.rows).sum();
        meter.warn(format!(
            "{} segments with {rows} rows are quarantined and left out; see `plimsoll status`",
            view.bad.len()
        ));
    }
}

impl Table {
    pub(crate) fn new(view: TableView, parts: TableParts) -> Self {
        let files = view.index.as_ref().map_or(0, |index| index.files().len());
        let version = view.index.as_ref().map(|index| index.snapshot.version);
        parts.meter.table(view.id.table, version, files, view.live.len());
        warn_of_quarantine(&view, &parts.meter);
        let is_all_ours = view.files().iter().all(|file| lake::FileName::parse(&file.path).is_some());
        let schema = visible_schema(view.id.table);
        Self { schema, view, parts, is_all_ours, filter_early: AtomicBool::new(false) }
    }

    /// From now on filters run inside the scan, unless the settings forbid it.
    pub(crate) fn filter_early(&self) {
        self.filter_early.store(true, Ordering::Relaxed);
    }

    fn predicate(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some(filter) = conjunction(filters.to_vec()) else { return Ok(None) };
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        state.create_physical_expr(filter, &schema).map(Some)
    }

    /// The columns that the scan may need, files' first: the asked ones and the time, by which files are sorted and skipped.
    fn scan_schema(&self, projection: &[usize]) -> TableSchema {
        let partition_columns = self.view.id.table.partition_columns();
        let is_partition = |field: &FieldRef| partition_columns.contains(&field.name().as_str());
        let wanted = |(at, field): &(usize, &FieldRef)| projection.contains(at) || field.name() == SORT_COLUMN;
        let fields = self.schema.fields().iter().enumerate().filter(wanted).map(|(_, field)| field);
        let in_files: Vec<Arc<Field>> = fields.filter(|field| !is_partition(field)).cloned().collect();
        let partitions = partition_columns.iter().filter_map(|name| self.schema.field_with_name(name).ok());
        let partitions: Vec<Arc<Field>> = partitions.cloned().map(Arc::new).collect();
        TableSchema::builder(Arc::new(Schema::new(in_files))).with_table_partition_cols(partitions).build()
    }

    fn partitioned_file(&self, file: &DataFile, schema: &TableSchema, narrowed: &Narrowed) -> Result<PartitionedFile> {
        let values = schema
            .table_partition_cols()
            .iter()
            .map(|field| partition_value(field, file.partition.get(field.name()).map(String::as_str)));
        let rows = usize::try_from(file.rows).unwrap_or(usize::MAX);
        let columns = schema.file_schema().fields().iter().map(|field| {
            if field.name() == SORT_COLUMN {
                time_statistics(file, field.data_type())
            } else {
                ColumnStatistics::new_unknown()
            }
        });
        let access = narrowed.access(file);
        let statistics = Statistics {
            num_rows: if access.is_some() { Precision::Inexact(rows) } else { Precision::Exact(rows) },
            total_byte_size: Precision::Absent,
            column_statistics: columns.collect(),
        };
        let file = PartitionedFile::new(format!("{}/{}", self.view.id.table, file.path), file.bytes)
            .with_partition_values(values.collect::<Result<_>>()?)
            .with_metadata_size_hint(FOOTER_BYTES_HINT)
            .with_statistics(Arc::new(statistics));
        Ok(match access {
            Some(access) => file.with_extension(access),
            None => file,
        })
    }

    fn live(&self, predicate: Option<&Arc<dyn PhysicalExpr>>) -> Option<Live> {
        let segments = prune::segments(&self.view, predicate, &self.schema);
        if segments.is_empty() {
            return None;
        }
        let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let worth = usize::try_from(bytes / LIVE_BYTES_PER_PARTITION + 1).unwrap_or(usize::MAX);
        let reader = SegmentReader {
            project: self.view.id.project.clone(),
            store: Arc::clone(&self.parts.store),
            cache: self.parts.segments.clone(),
            meter: Arc::clone(&self.parts.meter),
            on_missing: self.parts.on_missing,
        };
        Some(Live {
            partitions: worth.min(segments.len()).min(self.parts.partitions),
            segments: Arc::new(segments),
            reader: Arc::new(reader),
            filters: Vec::new(),
            hints: Vec::new(),
            turn: Turn::BeforeFiles,
        })
    }

    /// True if the rows of a scan are wide, and no filter leaves but a few of them anyway.
    pub(crate) fn is_worth_two_scans(&self, scan: &TableScan) -> bool {
        let is_wide = scan.projection.as_ref().is_none_or(|projection| self.is_wide(projection, &scan.filters));
        is_wide && !scan.filters.iter().any(asks_for_a_needle)
    }

    /// Wide: many columns or long ones beside those that the filters need.
    fn is_wide(&self, projection: &[usize], filters: &[Expr]) -> bool {
        let filtered: Vec<String> = filters
            .iter()
            .flat_map(|filter| filter.column_refs().into_iter().map(|c| c.name.clone()).collect::<Vec<_>>())
            .collect();
        let names = projection.iter().map(|at| self.schema.field(*at).name());
        let beside: Vec<&String> = names.filter(|name| !filtered.contains(name)).collect();
        beside.len() >= WIDE_COLUMNS_MIN || beside.iter().any(|name| LONG_COLUMNS.contains(&name.as_str()))
    }

    fn filters_early(&self, is_wide: bool, filters: &[Expr]) -> bool {
        match self.parts.late {
            LateMaterialisation::Always => true,
            LateMaterialisation::Never => false,
            LateMaterialisation::ByShape => {
                is_wide || self.filter_early.load(Ordering::Relaxed) || filters.iter().any(asks_for_a_needle)
            }
        }
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// What the log answers for whole files is applied by the scan to the rows of the others. All other filters come down with
    /// the physical plan; here they only choose files and segments.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let how = |filter: &&Expr| match Known::of(filter) {
            Some(_) if self.is_all_ours => TableProviderFilterPushDown::Exact,
            _ => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(how).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let predicate = self.predicate(state, filters)?.filter(|_| self.parts.lookups == Lookups::Used);
        let narrowed = match predicate.as_ref().and_then(Needle::of) {
            Some(needle) => {
                let files = self.files(predicate.as_ref());
                lookup::narrow(&self.parts, &self.view.id, &self.metered_files(), needle, files).await?
            }
            None => Narrowed::default(),
        };
        self.scan_beside(state, projection, filters, limit, &Coverage::default(), &narrowed)
    }
}

/// What a scan is asked for beside its columns.
struct Asked<'a> {
    limit: Option<usize>,
    is_wide: bool,
    filters: &'a [Expr],
    narrowed: &'a Narrowed,
}

impl Table {
    /// A scan without the rows that rollups answer for, and without those that look-up indexes rule out.
    pub(super) fn scan_beside(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
        coverage: &Coverage,
        narrowed: &Narrowed,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let predicate = self.predicate(state, filters)?;
        let asked = Asked { limit, is_wide: self.is_wide(projection, filters), filters, narrowed };

        let project = self.view.id.project.as_str();
        let known = if self.is_all_ours { Filters::known(filters) } else { Filters::default() };
        if known.is_of_another_project(project) {
            return self.source(state, projection, &asked, &[], None);
        }
        let (files, live) = (self.files(predicate.as_ref()), self.live(predicate.as_ref()));
        let holds = |file: &&DataFile| known.hold_for(project, file);
        let is_one_scan = self.filters_early(asked.is_wide, filters);
        let (covered, files): (Vec<&DataFile>, Vec<&DataFile>) =
            files.into_iter().filter(|file| !narrowed.rules_out(file)).partition(|file| coverage.of(file).is_some());
        let (whole, mut partly): (Vec<&DataFile>, Vec<&DataFile>) = files.into_iter().partition(holds);
        let mut parts = self.ends(state, projection, &asked, &known, coverage, &covered)?;
        if partly.is_empty() && live.is_none() && parts.is_empty() {
            return self.source(state, projection, &asked, &whole, None);
        }
        if is_one_scan {
            // A list must see all files in its sort's order; its filters run inside the scan.
            partly.extend(whole);
        } else if !whole.is_empty() {
            parts.push(self.source(state, projection, &asked, &whole, None)?);
        }
        if !partly.is_empty() || live.is_some() {
            parts.push(self.filtered(state, projection, &asked, known.of_rows(), &partly, live)?);
        }
        UnionExec::try_new(parts)
    }

    /// The rows of covered files outside the times that rollups answer for.
    fn ends(
        &self,
        state: &dyn Session,
        projection: &[usize],
        asked: &Asked,
        known: &Filters,
        coverage: &Coverage,
        covered: &[&DataFile],
    ) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let mut by_times: BTreeMap<(Micros, Micros), Vec<&DataFile>> = BTreeMap::new();
        for file in covered {
            let Some(times) = coverage.of(file) else { continue };
            if file.time_min < times.start || times.end <= file.time_max {
                by_times.entry((times.start, times.end)).or_default().push(file);
            }
        }
        let ends = by_times.into_iter().map(|((start, end), files)| {
            let at = |micros: Micros| lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
            let outside = col(SORT_COLUMN).lt(at(start)).or(col(SORT_COLUMN).gt_eq(at(end)));
            let filter = conjunction(known.of_rows().into_iter().chain([outside]));
            self.filtered(state, projection, asked, filter, &files, None)
        });
        ends.collect()
    }

    /// The project, if queries may read rollups of this table.
    pub(crate) fn project_of_rollups(&self) -> Option<String> {
        (self.is_all_ours && self.parts.rollups == Rollups::Used).then(|| self.view.id.project.to_string())
    }

    /// Each file, and where its rollups lie in it.
    pub(crate) fn rollups(&self) -> impl Iterator<Item = (&DataFile, &Directory)> {
        let index = self.view.index.as_ref();
        let all = index.into_iter().flat_map(|index| index.files().iter().enumerate().map(move |file| (index, file)));
        all.map(|(index, (at, file))| (file, index.rollups(at)))
    }

    pub(crate) fn metered_files(&self) -> MeteredFiles {
        MeteredFiles {
            table: self.view.id.clone(),
            store: Arc::clone(&self.parts.store),
            caches: self.parts.files.clone(),
            keeps_rows: self.parts.keeps_rows,
            meter: Arc::clone(&self.parts.meter),
        }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.parts.partitions
    }

    /// Those that may hold a row.
    fn files(&self, predicate: Option<&Arc<dyn PhysicalExpr>>) -> Vec<&DataFile> {
        let Some(index) = &self.view.index else { return Vec::new() };
        prune::files(&self.view, index, predicate, &self.schema).into_iter().map(|at| &index.files()[at]).collect()
    }

    /// Some files and segments, and a filter applied to their rows.
    fn filtered(
        &self,
        state: &dyn Session,
        projection: &[usize],
        asked: &Asked,
        filter: Option<Expr>,
        files: &[&DataFile],
        live: Option<Live>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(filter) = filter else { return self.source(state, projection, asked, files, live) };
        let mut read = projection.to_vec();
        for column in filter.column_refs() {
            let at = self.schema.index_of(&column.name)?;
            if !read.contains(&at) {
                read.push(at);
            }
        }
        let rows = self.source(state, &read, &Asked { limit: None, ..*asked }, files, live)?;
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(rows.schema())?)?;
        let asked_for = (read.len() > projection.len()).then(|| (0..projection.len()).collect());
        Ok(Arc::new(FilterExecBuilder::new(filter, rows).apply_projection(asked_for)?.build()?))
    }

    fn source(
        &self,
        state: &dyn Session,
        projection: &[usize],
        asked: &Asked,
        files: &[&DataFile],
        live: Option<Live>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.scan_schema(projection);
        let mut options = state.default_table_options().parquet;
        options.global.bloom_filter_on_read &= !asked.narrowed.knows_all(files);
        let files = files.iter().map(|file| self.partitioned_file(file, &schema, asked.narrowed));
        let files = files.collect::<Result<Vec<_>>>()?;
        options.global.pushdown_filters = self.filters_early(asked.is_wide, asked.filters);
        options.global.max_in_list_size = prune::IN_LIST_MAX;
        let source = ParquetSource::new(schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(self.metered_files()));
        let columns = projection.iter().map(|at| schema.table_schema().index_of(self.schema.field(*at).name()));
        let config = FileScanConfigBuilder::new(self.parts.store_url.clone(), Arc::new(source))
            .with_statistics(statistics_of(&files, &schema))
            .with_file_groups(groups(files, self.parts.partitions))
            .with_batch_size(asked.is_wide.then_some(WIDE_BATCH_ROWS))
            .with_limit(asked.limit)
            .with_projection_indices(Some(columns.collect::<Result<_, _>>()?))?
            .build();
        Ok(DataSourceExec::from_data_source(TableSource { files: config, live }))
    }
}

/// True for `id = '...'` and the like: few rows out of many.
fn asks_for_a_needle(filter: &Expr) -> bool {
    const NEEDLES: [&str; 7] = [
        "id",
        "parent_id",
        "context___trace_id",
        "context___span_id",
        "attributes___session___id",
        "attributes___user___id",
        "attributes___user___email",
    ];
    let Expr::BinaryExpr(binary) = filter else { return false };
    let names_needle = |expr: &Expr| matches!(expr, Expr::Column(column) if NEEDLES.contains(&column.name.as_str()));
    binary.op == datafusion::logical_expr::Operator::Eq && (names_needle(&binary.left) || names_needle(&binary.right))
}

fn partition_value(field: &Field, value: Option<&str>) -> Result<ScalarValue> {
    let wrong = || internal_datafusion_err!("a file's {} is {value:?}", field.name());
    match (field.data_type(), value) {
        (kind, None | Some("")) => ScalarValue::try_from(kind),
        (DataType::Date32, Some(text)) => {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| wrong())?;
            let midnight = day.and_hms_opt(0, 0, 0).ok_or_else(wrong)?.and_utc();
            Ok(ScalarValue::Date32(Some(model::day_of(midnight.timestamp_micros()))))
        }
        (DataType::Utf8View, Some(text)) => Ok(ScalarValue::Utf8View(Some(text.to_owned()))),
        _ => Err(wrong()),
    }
}

/// Exact for files of ours; of others nothing is known.
fn time_statistics(file: &DataFile, kind: &DataType) -> ColumnStatistics {
    let mut statistics = ColumnStatistics::new_unknown();
    if lake::FileName::parse(&file.path).is_some() {
        let at = |micros: Micros| match kind {
            DataType::Timestamp(_, zone) => {
                Precision::Exact(ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()))
            }
            _ => Precision::Absent,
        };
        statistics.null_count = Precision::Exact(0);
        statistics.min_value = at(file.time_min);
        statistics.max_value = at(file.time_max);
    }
    statistics
}

/// Rows of all files together; nothing of their columns, which filters change anyway.
fn statistics_of(files: &[PartitionedFile], schema: &TableSchema) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema.table_schema());
    let rows = files.iter().filter_map(|file| Some(file.statistics.as_ref()?.num_rows));
    statistics.num_rows = rows.fold(Precision::Exact(0), |sum, rows| sum.add(&rows));
    statistics
}

/// Files dealt out newest first, so that each partition begins with new ones.
fn groups(mut files: Vec<PartitionedFile>, partitions: usize) -> Vec<FileGroup> {
    files.sort_by(|a, b| b.object_meta.location.cmp(&a.object_meta.location));
    let n = partitions.min(files.len());
    let mut groups: Vec<Vec<PartitionedFile>> = (0..n).map(|_| Vec::new()).collect();
    for (at, file) in files.into_iter().enumerate() {
        groups[at % n].push(file);
    }
    groups.into_iter().map(FileGroup::new).collect()
}
