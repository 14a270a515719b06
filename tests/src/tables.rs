//! Tables without a server: rows put into data files and live segments by hand, and questions asked of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::{SortOptions, filter_record_batch, lexsort_to_indices, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use async_trait::async_trait;
use axum::Router;
use clock::{Clock, CountingIds, Ids, ManualClock};
use compact::{DaysAtOnce, Deadline, Maintained, Pace};
use http::Method;
use lake::{Commit, DeltaLogs, FileName, FileWriter, LogOpener, TableLog};
use meta::keys::{Keys, NewKey, Reach};
use meta::ledger::{Recorded, Taken};
use meta::projects::Projects;
use meta::{ItemStore, Ledger};
use model::{BodyHash, DueRule, Micros, ProjectId, Scope, Segment, SegmentId, TableId, TableName, rfc3339};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreExt};
use objects::{Links, Roots, checksum, landing_key};
use query::{Answer, App, Doors, Meters, Params, QueryError, Settings, SqlRequest};
use serde_json::{Map, Value};
use tempfile::TempDir;
use testkit::MemoryItems;
use url::Url;

/// 2026-11-20T02:00:00Z: when the tests' questions are asked.
pub const NOW: Micros = 1_795_140_000_000_000;

/// Everything in memory, but for what queries spill.
pub struct Tables {
    pub app: Arc<App>,
    pub items: Arc<dyn ItemStore>,
    pub ledger: Ledger,
    pub roots: Roots,
    pub store: Arc<InMemory>,
    pub logs: DeltaLogs,
    pub clock: Arc<ManualClock>,
    pub keys: Arc<Keys>,
    pub ids: Arc<CountingIds>,
    doors: Doors,
    spill: TempDir,
}

pub fn project(id: &str) -> ProjectId {
    ProjectId::parse(id).expect("a project id")
}

/// Rows from JSON objects: absent columns are null, times are RFC 3339. `project_id`, `date` and `time_unix_nano` follow.
pub fn batch(project: &ProjectId, table: TableName, rows: &[Value]) -> RecordBatch {
    let schema = rows::schema(table);
    let complete = rows.iter().map(|row| {
        let mut row: Map<String, Value> = row.as_object().expect("rows are objects").clone();
        let at = row["timestamp"].as_str().expect("rows have a time").to_owned();
        row.entry("project_id").or_insert_with(|| project.as_str().into());
        row.entry("date").or_insert_with(|| at[..10].into());
        for name in row.keys() {
            assert!(schema.index_of(name).is_ok(), "no column is called {name}");
        }
        Value::from(row)
    });
    let rows: Vec<Value> = complete.collect();
    let mut decoder =
        arrow::json::ReaderBuilder::new(schema).with_batch_size(rows.len().max(1)).build_decoder().expect("a decoder");
    decoder.serialize(&rows).expect("rows fit the schema");
    decoder.flush().expect("rows fit the schema").expect("there are rows")
}

fn settings(spill: &TempDir) -> Settings {
    let mut settings = Settings::new(spill.path().to_owned());
    settings.threads = 2;
    settings
}

impl Tables {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(set: impl FnOnce(&mut Settings)) -> Self {
        let spill = TempDir::new().expect("a temporary folder");
        let mut settings = settings(&spill);
        set(&mut settings);
        let clock = Arc::new(ManualClock::new(NOW));
        let ids = Arc::new(CountingIds::default());
        let items: Arc<dyn ItemStore> = Arc::new(MemoryItems::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let ledger = Ledger::new(items.clone(), clock.clone(), ids.clone());
        let keys = Arc::new(Keys::new(items.clone(), clock.clone(), ids.clone()));
        let store = Arc::new(InMemory::new());
        let links = Links::new(Arc::new(OpenSigner), Path::default());
        let roots = Roots::new(store.clone(), Url::parse("memory:///").expect("a URL")).with_links(links);
        let logs = DeltaLogs::new(roots.clone());
        let doors = Doors {
            ledger: ledger.clone(),
            roots: roots.clone(),
            logs: Arc::new(logs.clone()),
            keys: Arc::clone(&keys),
            clock: clock.clone(),
            ids: ids.clone(),
        };
        let app = App::new(doors.clone(), Meters::default(), settings).expect("queries can be answered");
        Self { app, items, ledger, roots, store, logs, clock, keys, ids, doors, spill }
    }

    /// Other settings over the same tables.
    pub fn app_with(&self, set: impl FnOnce(&mut Settings)) -> Arc<App> {
        let mut settings = settings(&self.spill);
        set(&mut settings);
        App::new(self.doors.clone(), Meters::default(), settings).expect("queries can be answered")
    }

    /// A process of its own, which sees the same objects through `store`: nothing is cached.
    pub fn app_on(&self, store: Arc<dyn ObjectStore>, set: impl FnOnce(&mut Settings)) -> Arc<App> {
        let mut settings = settings(&self.spill);
        set(&mut settings);
        let roots = Roots::new(store, Url::parse("memory:///").expect("a URL"));
        let doors = Doors { roots: roots.clone(), logs: Arc::new(DeltaLogs::new(roots)), ..self.doors.clone() };
        App::new(doors, Meters::default(), settings).expect("queries can be answered")
    }

    /// The routes as a server has them.
    pub fn router(&self) -> Router {
        edge::face(query::router(Arc::clone(&self.app)), self.ids.clone(), &[])
    }

    pub async fn key(&self, project: &ProjectId, scopes: &[Scope]) -> String {
        let scopes = scopes.to_vec().into();
        let new = NewKey { project: project.clone(), scopes, reach: Reach::Project, name: "test".into() };
        let (_, secret) = self.keys.create(new).await.expect("a key");
        secret.reveal().to_owned()
    }

    pub async fn ask(&self, project: &ProjectId, sql: &str) -> Result<Answer, QueryError> {
        self.ask_with(project, sql, Params::default()).await
    }

    pub async fn ask_with(&self, project: &ProjectId, sql: &str, params: Params) -> Result<Answer, QueryError> {
        let request = SqlRequest { sql: sql.to_owned(), params, limit: Some(100_000), ..SqlRequest::default() };
        query::run(&self.app, project, request).await
    }

    /// Rows of a question that must be answered.
    pub async fn rows(&self, project: &ProjectId, sql: &str) -> Vec<Vec<Value>> {
        self.ask(project, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).rows()
    }

    /// Lands the rows as one live segment.
    pub async fn live(&self, id: &TableId, batch: &RecordBatch) -> Segment {
        let segment = self.land(id, batch).await;
        self.record(id, &segment).await;
        segment
    }

    /// Puts the object of a segment, without telling the ledger.
    pub async fn land(&self, id: &TableId, batch: &RecordBatch) -> Segment {
        let fresh = self.ids.fresh();
        let mut hash = [0; 16];
        hash.copy_from_slice(fresh.as_bytes());
        let hash = BodyHash::from_bytes(hash);
        let bytes = rows::segment::write(batch, &[hash]).expect("a segment");
        let name = SegmentId::new(&hash, &fresh);
        let key = landing_key(id.table, self.clock.now(), &name);
        let (time_min, time_max) = times(batch);
        let segment = Segment {
            id: name,
            key: key.to_string(),
            bytes: bytes.len() as u64,
            checksum: checksum(&bytes),
            rows: batch.num_rows() as u64,
            time_min,
            time_max,
            recorded_at: self.clock.now(),
            format: Segment::FORMAT,
        };
        self.roots.open(&id.project).store.put(&key, bytes.into()).await.expect("put");
        segment
    }

    pub async fn record(&self, id: &TableId, segment: &Segment) {
        let hash = BodyHash::parse(&segment.id.as_str()[..32]).expect("its name begins with a hash");
        assert_eq!(self.ledger.record(id, segment, &[hash]).await.expect("recorded"), Recorded::Live);
    }

    /// Commits the rows as data files, one per partition, with the seq that follows; the ledger is not asked.
    pub async fn files(&self, id: &TableId, batch: &RecordBatch) {
        let log = self.log(id).await;
        let base = log.snapshot().await.expect("a snapshot").expect("created");
        let seq = base.committed + 1;
        let add = self.write(id, batch, seq).await;
        let commit =
            Commit { add, transactions: vec![(lake::APP_COMPACT, seq)], at: self.clock.now(), ..Commit::default() };
        log.commit(&base, commit).await.expect("committed");
    }

    /// A round of upkeep, in which nothing is compacted or merged unless the settings say so, and every day gets a look-up
    /// index for which one saves two reads.
    pub async fn keep_up(&self, id: &TableId, set: impl FnOnce(&mut compact::Settings)) -> Maintained {
        let projects = Projects::new(self.items.clone(), self.clock.clone());
        if projects.get(&id.project).await.expect("memory answers").is_none() {
            projects.create(&id.project, "kept up").await.expect("created");
        }
        // Files were committed by hand: the ledger is told.
        let snapshot = self.log(id).await.snapshot().await.expect("a snapshot").expect("created");
        let Taken::Ours(lease) = self.ledger.take_lease(id).await.expect("memory answers") else {
            panic!("it is free")
        };
        let lease = self.ledger.set_last_seq(id, &lease, snapshot.committed).await.expect("it is ours");
        self.ledger.release_lease(id, &lease).await.expect("it is ours");
        let mut settings = compact::Settings { deadline_margin: Duration::ZERO, ..compact::Settings::default() };
        settings.due = DueRule { bytes: u64::MAX, segments: usize::MAX, age: Micros::MAX };
        (settings.merge.fan_in, settings.merge.late) = (usize::MAX, 365 * model::MICROS_PER_DAY);
        settings.lookup.reads_min = 2;
        set(&mut settings);
        let app = compact::App::new(
            self.ledger.clone(),
            self.roots.clone(),
            Arc::new(self.logs.clone()),
            Arc::new(projects),
            self.clock.clone(),
            self.ids.clone(),
            settings,
        );
        let deadline = Deadline::after(self.clock.as_ref(), Duration::from_secs(3_600));
        let did = compact::maintain(&app, id, Pace::Scheduled, DaysAtOnce::Few, deadline).await.expect("kept up");
        assert_eq!((did.failed.as_slice(), &did.stopped, did.busy_until), ([].as_slice(), &None, None));
        did
    }

    /// The log of a table that is there.
    pub async fn log(&self, id: &TableId) -> Arc<dyn TableLog> {
        let log = self.logs.open(id);
        log.create().await.expect("created");
        log
    }

    /// Writes data files, one per partition, and commits nothing.
    pub async fn write(&self, id: &TableId, batch: &RecordBatch, seq: u64) -> Vec<lake::NewFile> {
        let mut parts: BTreeMap<Vec<String>, Vec<bool>> = BTreeMap::new();
        let columns = id.table.partition_columns();
        let values: Vec<ArrayRef> =
            columns.iter().map(|name| text_of(batch.column_by_name(name).expect("a column"))).collect();
        for row in 0..batch.num_rows() {
            let part = values.iter().map(|column| column.as_string::<i32>().value(row).to_owned()).collect();
            parts.entry(part).or_insert_with(|| vec![false; batch.num_rows()])[row] = true;
        }
        let store = self.roots.open(&id.project).store;
        let mut written = Vec::new();
        for (part, rows) in parts {
            let partition: BTreeMap<String, String> = columns.iter().map(|name| (*name).to_owned()).zip(part).collect();
            let path = FileName::Part { seq, fence: 1, fresh: self.ids.fresh() }.path(id.table, &partition);
            let mut writer = FileWriter::create(&store, id.table, path, partition).expect("a writer");
            let rows = filter_record_batch(batch, &rows.into()).expect("filtered");
            writer.write(&sorted(&rows)).await.expect("written");
            written.push(writer.finish(0, self.clock.now()).await.expect("finished"));
        }
        written
    }

    /// Takes an object away, as a disk that loses it would.
    pub async fn lose(&self, id: &TableId, key: &str) {
        self.roots.open(&id.project).store.delete(&Path::from(key)).await.expect("deleted");
    }

    /// Puts other bytes in place of an object's.
    pub async fn damage(&self, id: &TableId, key: &str) {
        let key = Path::from(key);
        let store = self.roots.open(&id.project).store;
        let mut bytes = store.get(&key).await.expect("there").bytes().await.expect("read").to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        store.put(&key, bytes.into()).await.expect("put");
    }
}

/// Signs links that say what they are to: `memory:///<key>?lasts=<seconds>`.
#[derive(Debug)]
pub struct OpenSigner;

#[async_trait]
impl Signer for OpenSigner {
    async fn signed_url(&self, method: Method, path: &Path, lasts: Duration) -> object_store::Result<Url> {
        assert_eq!(method, Method::GET, "nothing else is ever linked");
        Ok(Url::parse(&format!("memory:///{path}?lasts={}", lasts.as_secs())).expect("a URL"))
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

fn text_of(column: &ArrayRef) -> ArrayRef {
    arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).expect("partition columns have a text")
}

fn times(batch: &RecordBatch) -> (Micros, Micros) {
    let times = batch.column_by_name("timestamp").expect("a column").as_primitive::<TimestampMicrosecondType>();
    (arrow::compute::min(times).expect("rows"), arrow::compute::max(times).expect("rows"))
}

fn sorted(batch: &RecordBatch) -> RecordBatch {
    let values = Arc::clone(batch.column_by_name(lake::SORT_COLUMN).expect("a column"));
    let options = Some(SortOptions { descending: false, nulls_first: false });
    let order = lexsort_to_indices(&[arrow::compute::SortColumn { values, options }], None).expect("sorted");
    take_record_batch(batch, &order).expect("taken")
}

/// A time as rows have it.
pub fn at(micros: Micros) -> Value {
    rfc3339(micros).into()
}
