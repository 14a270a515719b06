//! The same rows laid out otherwise: what each choice of `lake::layout` costs and saves.
//!
//! A copy of the suite's month is rewritten file by file, without rollups (questions are to be answered from the rows), the log
//! says so in one commit as merging would, and a server of ours answers a few shapes of the workload from it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use clock::{Clock, Ids, RandomIds, SystemClock};
use lake::{Commit, CommitKind, DataFile, DeltaLogs, FileName, LogOpener};
use model::{MICROS_PER_HOUR, ProjectId, TableId, TableName};
use object_store::local::LocalFileSystem;
use objects::Roots;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use url::Url;

use super::data::{self, Month};
use super::ours::Ours;
use super::shapes;
use super::variants::{Order, VARIANTS, Variant};
use crate::Bench;
use crate::measure::{median, thread_cpu};
use crate::report::{Report, Row};

const TABLE: TableName = TableName::LogsAndSpans;
const ROUNDS: usize = 5;

/// Shapes that are answered from rows, and what the table calls them.
const SHAPES: [(&str, &str); 8] = [
    ("q8 list 30d", "list_ms"),
    ("q8 list of errors 30d", "errors_ms"),
    ("q9b trace 30d", "trace_ms"),
    ("q9d user id 30d", "user_ms"),
    ("q2a by service 30d", "by_service_ms"),
    ("q6b health by route 30d", "by_route_ms"),
    ("q10b names of a service 30d", "one_service_ms"),
    ("q14 text in bodies 24h", "text_ms"),
];

pub(crate) fn run(bench: &Bench, report: &mut Report) {
    let month = data::month(bench);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut rows = Vec::new();
    for variant in VARIANTS.iter().filter(|variant| bench.is_chosen(variant.name)) {
        let copy = month.copy(bench);
        let written = runtime.block_on(rewrite(copy.path(), variant));
        let row = Row::default()
            .text("layout", variant.name)
            .mib("mib", written.bytes)
            .number("bytes_per_row", written.bytes as f64 / written.rows as f64, 1)
            .rate("rows_written_per_cpu_s", written.rows as f64 / written.cpu.as_secs_f64());
        rows.push(asked(&month, Ours::start(copy), row));
        eprintln!("{} is measured", variant.name);
    }
    report.section(
        "layout",
        "The month's logs and spans rewritten, one choice changed in each row but the first; a few shapes over 30 days (text: one \
         day), answered from the rows, warm, medians of five.",
        &rows,
    );
}

fn asked(month: &Month, ours: Ours, row: Row) -> Row {
    let cases = shapes::cases(month, &ours.server, |case| SHAPES.iter().any(|(shape, _)| *shape == case));
    SHAPES.iter().fold(row, |row, (shape, column)| {
        let case = cases.iter().find(|case| case.name() == *shape).expect("a shape of the suite");
        let ask = |_| ours.ask(&case.ours).unwrap_or_else(|why| panic!("{shape}: {why}")).0.ms;
        let _first = ask(0);
        row.number(column, median(&(0..ROUNDS).map(ask).collect::<Vec<_>>()), 1)
    })
}

#[derive(Default)]
struct Written {
    rows: u64,
    bytes: u64,
    cpu: Duration,
}

/// All data files of the one project in a data folder.
async fn rewrite(data: &Path, variant: &Variant) -> Written {
    let objects = data.join("objects");
    let project = project_in(&objects);
    let store = LocalFileSystem::new_with_prefix(&objects).expect("a folder");
    let url = Url::from_directory_path(&objects).expect("an absolute path");
    let table = TableId::new(project, TABLE);
    let log = DeltaLogs::new(Roots::new(Arc::new(store), url)).open(&table);
    let snapshot = log.snapshot().await.expect("the log reads").expect("the table is there");
    let folder = objects.join(table.project.as_str()).join(TABLE.as_str());
    let (mut written, mut add) = (Written::default(), Vec::new());
    for file in snapshot.files.iter() {
        add.push(rewritten(&folder, file, snapshot.merged + 1, variant, &mut written));
    }
    let commit = Commit {
        add,
        remove: snapshot.files.iter().map(|file| file.path.clone()).collect(),
        transactions: vec![(lake::APP_MERGE, snapshot.merged + 1)],
        at: SystemClock.now(),
        kind: CommitKind::Merge,
        ..Commit::default()
    };
    log.commit(&snapshot, commit).await.expect("nobody else commits");
    written
}

fn project_in(objects: &Path) -> ProjectId {
    let mut folders = fs::read_dir(objects).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of_project = folders.find(|folder| folder.join(TABLE.as_str()).is_dir()).expect("the month's project");
    of_project
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| ProjectId::parse(name).ok())
        .expect("a project's id")
}

fn rewritten(folder: &Path, file: &DataFile, merge: u64, variant: &Variant, written: &mut Written) -> DataFile {
    let rows = ordered(read(&folder.join(&file.path)), variant.order);
    let base: WriterProperties = lake::layout::properties(&rows.schema(), TABLE).expect("properties");
    let properties = (variant.change)(base.into_builder()).build();
    let before = thread_cpu();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).expect("a schema of ours");
    writer.write(&rows).expect("rows are encoded");
    let bytes = writer.into_inner().expect("the file is finished");
    written.cpu += thread_cpu() - before;
    written.rows += rows.num_rows() as u64;
    written.bytes += bytes.len() as u64;
    let name = FileName::Merge { merge, fence: 1, fresh: RandomIds.fresh() };
    let path = name.path(TABLE, &file.partition);
    fs::write(folder.join(&path), &bytes).expect("the disk takes it");
    DataFile { path, bytes: bytes.len() as u64, rollups: None, ..file.clone() }
}

fn read(path: &Path) -> RecordBatch {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build()).expect("a file of ours");
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("it reads");
    concat_batches(&batches[0].schema(), &batches).expect("one schema")
}

fn ordered(rows: RecordBatch, order: Order) -> RecordBatch {
    let Order::ServiceWithinHour = order else { return rows };
    let column = |name: &str| rows.column_by_name(name).expect("a column of the table");
    let times = column("timestamp").as_primitive::<TimestampMicrosecondType>();
    let hours: ArrayRef = Arc::new(Int64Array::from_iter_values(times.values().iter().map(|at| at / MICROS_PER_HOUR)));
    let by = [&hours, column("resource___service___name"), column("timestamp")];
    let by = by.map(|values| SortColumn { values: Arc::clone(values), options: None });
    let indices = lexsort_to_indices(&by, None).expect("they sort");
    take_record_batch(&rows, &indices).expect("indices of these rows")
}
