//! A project with its stores and clock, a producer that records segments as ingest does, and a reader that reads as the
//! query function must.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{Array, AsArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use clock::{Clock, Ids, ManualClock, RandomIds};
use compact::{App, DaysAtOnce, Deadline, Maintained, Outcome, Pace, Settings};
use futures::TryStreamExt;
use lake::{DataFile, DeltaLogs, FileReader, LogOpener, Snapshot};
use meta::ledger::Recorded;
use meta::projects::Projects;
use meta::{ItemStore, Ledger};
use model::{BodyHash, Micros, ProjectId, Segment, SegmentId, TableId, TableName, day_of};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use objects::{Roots, checksum, fetch_segment, landing_key};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use testkit::MemoryItems;
use url::Url;

use crate::stores::{AgedStore, Faults, FaultyItems, FaultyStore};

/// 2026-11-20T12:00:00Z.
pub(super) const NOON: Micros = 1_795_176_000_000_000;
pub(super) const MINUTE: Micros = 60_000_000;
pub(super) const DAY: Micros = model::MICROS_PER_DAY;

/// A record to send.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) at: Micros,
    pub(super) id: String,
    pub(super) signal: &'static str,
}

pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) items: Arc<dyn ItemStore>,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) url: Url,
    pub(super) table: TableId,
    pub(super) settings: Settings,
    bodies: AtomicU64,
}

impl World {
    pub(super) async fn of(table: TableName) -> Self {
        let mut world = Self::new().await;
        world.table.table = table;
        world
    }

    pub(super) async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let items = Arc::new(MemoryItems::new(clock.clone()));
        let store = Arc::new(AgedStore::new(Arc::new(InMemory::new()), clock.clone()));
        Self::over(clock, items, store, Url::parse("memory:///").expect("a url")).await
    }

    pub(super) async fn over(
        clock: Arc<ManualClock>,
        items: Arc<dyn ItemStore>,
        store: Arc<dyn ObjectStore>,
        url: Url,
    ) -> Self {
        let project = ProjectId::parse("shop").expect("an id");
        let projects = Projects::new(items.clone(), clock.clone());
        projects.create(&project, "The shop").await.expect("created");
        let table = TableId::new(project, TableName::LogsAndSpans);
        let settings = Settings { deadline_margin: Duration::ZERO, ..Settings::default() };
        Self { clock, items, store, url, table, settings, bodies: AtomicU64::new(0) }
    }

    /// A worker of its own: no cache is shared with another.
    pub(super) fn app(&self) -> App {
        self.app_over(self.items.clone(), self.store.clone())
    }

    /// A worker whose outside calls may fail.
    pub(super) fn faulty_app(&self, faults: &Arc<Faults>) -> App {
        let items = FaultyItems { inner: self.items.clone(), faults: faults.clone() };
        let store = FaultyStore { inner: self.store.clone(), faults: faults.clone() };
        self.app_over(Arc::new(items), Arc::new(store))
    }

    /// A worker with its objects in this store.
    pub(super) fn app_on(&self, store: Arc<dyn ObjectStore>) -> App {
        self.app_over(self.items.clone(), store)
    }

    fn app_over(&self, items: Arc<dyn ItemStore>, store: Arc<dyn ObjectStore>) -> App {
        let ids: Arc<dyn Ids> = Arc::new(RandomIds);
        let roots = Roots::new(store, self.url.clone());
        App::new(
            Ledger::new(items.clone(), self.clock.clone(), ids.clone()),
            roots.clone(),
            Arc::new(DeltaLogs::new(roots)),
            Arc::new(Projects::new(items, self.clock.clone())),
            self.clock.clone(),
            ids,
            self.settings.clone(),
        )
    }

    pub(super) fn ledger(&self) -> Ledger {
        Ledger::new(self.items.clone(), self.clock.clone(), Arc::new(RandomIds))
    }

    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.clock.as_ref(), Duration::from_secs(3_600))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(super) fn rows(&self, n: usize, from: Micros, step: Micros) -> Vec<Row> {
        let body = self.bodies.load(Ordering::SeqCst);
        (0..n)
            .map(|i| Row {
                at: from + step * i as Micros,
                id: format!("{body}-{i}"),
                signal: if i % 3 == 0 { "log" } else { "span" },
            })
            .collect()
    }

    /// Lands and records a segment of these rows, as ingest does, and says that the table is due. The body is new each
    /// time.
    pub(super) async fn send(&self, rows: &[Row]) -> Segment {
        self.send_batch(&batch(&self.table, rows)).await
    }

    pub(super) async fn send_batch(&self, batch: &RecordBatch) -> Segment {
        let body = self.bodies.fetch_add(1, Ordering::SeqCst);
        let hash = BodyHash::from_bytes((u128::from(body) << 64 | 7).to_be_bytes());
        let segment = self.land_batch(batch, &hash).await;
        let recorded = self.ledger().record(&self.table, &segment, &[hash]).await.expect("recorded");
        assert_eq!(recorded, Recorded::Live);
        self.ledger().put_due(&self.table).await.expect("due");
        segment
    }

    pub(super) async fn land(&self, rows: &[Row], hash: &BodyHash) -> Segment {
        self.land_batch(&batch(&self.table, rows), hash).await
    }

    pub(super) async fn land_batch(&self, batch: &RecordBatch, hash: &BodyHash) -> Segment {
        let bytes = rows::segment::write(batch, &[*hash]).expect("a segment");
        self.land_bytes(batch, hash, bytes).await
    }

    async fn land_bytes(&self, batch: &RecordBatch, hash: &BodyHash, bytes: bytes::Bytes) -> Segment {
        let all_times = times(std::slice::from_ref(batch));
        let id = SegmentId::new(hash, &RandomIds.fresh());
        let key = landing_key(self.table.table, self.clock.now(), &id);
        let root = Roots::new(self.store.clone(), self.url.clone()).open(&self.table.project);
        root.store.put(&key, bytes.clone().into()).await.expect("landed");
        Segment {
            id,
            key: key.to_string(),
            bytes: bytes.len() as u64,
            checksum: checksum(&bytes),
            rows: batch.num_rows() as u64,
            time_min: *all_times.iter().min().expect("rows"),
            time_max: *all_times.iter().max().expect("rows"),
            recorded_at: self.clock.now(),
            format: Segment::FORMAT,
        }
    }

    /// Lands and records bodies as ingest does, all in one segment: what is refused stays behind, the rest goes again under
    /// a fresh name. How many bodies were new.
    pub(super) async fn ingest(&self, bodies: &[(BodyHash, Vec<Row>)]) -> usize {
        let mut fresh: Vec<_> = bodies.iter().collect();
        while !fresh.is_empty() {
            let segment = self.land_bodies(&fresh).await;
            let hashes: Vec<_> = fresh.iter().map(|(hash, _)| *hash).collect();
            match self.ledger().record(&self.table, &segment, &hashes).await.expect("an answer") {
                Recorded::Live => break,
                Recorded::Duplicates(places) => {
                    let left = fresh.into_iter().enumerate().filter(|(place, _)| !places.contains(place));
                    fresh = left.map(|(_, body)| body).collect();
                }
            }
        }
        self.ledger().put_due(&self.table).await.expect("due");
        fresh.len()
    }

    /// Lands bodies one after the other in one segment; nothing is recorded.
    pub(super) async fn land_bodies(&self, bodies: &[&(BodyHash, Vec<Row>)]) -> Segment {
        let all: Vec<Row> = bodies.iter().flat_map(|(_, rows)| rows.clone()).collect();
        let divided: Vec<_> = bodies.iter().map(|(hash, rows)| (*hash, rows.len())).collect();
        let batch = batch(&self.table, &all);
        let bytes = rows::segment::write_divided(&batch, &divided).expect("a segment");
        self.land_bytes(&batch, &bodies[0].0, bytes).await
    }

    /// Ten rows around noon.
    pub(super) async fn send_some(&self) -> Segment {
        let rows = self.rows(10, NOON - 5 * MINUTE, MINUTE);
        self.send(&rows).await
    }

    pub(super) async fn compact(&self, app: &App) -> Outcome {
        compact::compact_now(app, &self.table, self.deadline()).await
    }

    pub(super) async fn maintain(&self, app: &App) -> Maintained {
        compact::maintain(app, &self.table, Pace::Drain, DaysAtOnce::Few, self.deadline()).await.expect("maintained")
    }

    /// Works as a fresh worker until nothing is left, letting leases run out and marks be raised.
    pub(super) async fn drain(&self) {
        let app = self.app();
        for _ in 0..20 {
            self.advance(Duration::from_secs(150));
            let outcome = self.compact(&app).await;
            assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
            let view = self.ledger().read(&self.table).await.expect("the ledger");
            if view.live.is_empty() && view.batches.is_empty() {
                return;
            }
        }
        panic!("the table never drains: {:?}", self.ledger().read(&self.table).await);
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        let roots = Roots::new(self.store.clone(), self.url.clone());
        DeltaLogs::new(roots).open(&self.table).snapshot().await.expect("a snapshot").expect("a table")
    }

    /// How often each row id is in the table itself.
    pub(super) async fn in_table(&self) -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        for file in self.snapshot().await.files.iter() {
            count(&mut seen, &self.read_file(file).await);
        }
        seen
    }

    /// How often each row id is seen by a reader: a snapshot, then the ledger, then both together.
    pub(super) async fn seen_by_reader(&self) -> BTreeMap<String, usize> {
        for _ in 0..3 {
            let roots = Roots::new(self.store.clone(), self.url.clone());
            let snapshot = DeltaLogs::new(roots).open(&self.table).snapshot().await.expect("a snapshot");
            if let Some(seen) = self.seen_from(snapshot.as_ref()).await {
                return seen;
            }
        }
        panic!("a reader starts over again and again");
    }

    /// The same from a snapshot that may be old; none: it is too old, and a reader starts over.
    pub(super) async fn seen_from(&self, snapshot: Option<&Snapshot>) -> Option<BTreeMap<String, usize>> {
        let view = self.ledger().read(&self.table).await.expect("the ledger");
        let (committed, voided) = snapshot.map_or((0, 0), |s| (s.committed, s.voided));
        if view.clean > committed {
            return None;
        }
        let mut seen = BTreeMap::new();
        for file in snapshot.iter().flat_map(|snapshot| snapshot.files.iter()) {
            count(&mut seen, &self.read_file(file).await);
        }
        let root = Roots::new(self.store.clone(), self.url.clone()).open(&self.table.project);
        for segment in view.uncommitted(committed, voided) {
            let bytes = fetch_segment(root.store.as_ref(), &segment).await.expect("a segment");
            let (batches, _) = rows::segment::read(bytes).expect("readable");
            let conformed: Vec<_> =
                batches.iter().map(|b| rows::conform(b, self.table.table).expect("conforms")).collect();
            count(&mut seen, &conformed);
        }
        Some(seen)
    }

    pub(super) async fn read_file(&self, file: &DataFile) -> Vec<RecordBatch> {
        let root = Roots::new(self.store.clone(), self.url.clone()).open(&self.table.project);
        let reader = FileReader::new(&root.store, self.table.table, file);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await.expect("a footer");
        let batches: Vec<RecordBatch> = builder.build().expect("a reader").try_collect().await.expect("rows");
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, file.rows, "{}", file.path);
        batches
    }

    /// Paths of all data files in the store, referenced or not.
    pub(super) async fn data_files_on_disk(&self) -> Vec<String> {
        let prefix = object_store::path::Path::from(format!("{}/{}", self.table.project, self.table.table));
        let listed: Vec<_> = self.store.list(Some(&prefix)).try_collect().await.expect("listed");
        let paths = listed.into_iter().map(|object| object.location.to_string());
        paths.filter(|path| path.ends_with(".parquet") && !path.contains("_delta_log")).collect()
    }

    pub(super) async fn landing_objects(&self) -> usize {
        let prefix = object_store::path::Path::from(format!("{}/landing", self.table.project));
        self.store.list(Some(&prefix)).try_collect::<Vec<_>>().await.expect("listed").len()
    }
}

/// Times of a file's rows, in its order.
pub(super) fn times(batches: &[RecordBatch]) -> Vec<Micros> {
    let column = |batch: &RecordBatch| {
        let column = batch.column_by_name("timestamp").expect("times").clone();
        column.as_primitive::<TimestampMicrosecondType>().values().to_vec()
    };
    batches.iter().flat_map(column).collect()
}

fn count(seen: &mut BTreeMap<String, usize>, batches: &[RecordBatch]) {
    for batch in batches {
        let ids = batch.column_by_name("id").expect("ids").as_string::<i32>();
        for row in 0..ids.len() {
            *seen.entry(ids.value(row).to_owned()).or_default() += 1;
        }
    }
}

/// Every row of these exactly once, and nothing else.
pub(super) fn exactly_once(rows: &[Row]) -> BTreeMap<String, usize> {
    rows.iter().map(|row| (row.id.clone(), 1)).collect()
}

/// Rows of a table as ingest decodes them.
pub(super) fn batch(table: &TableId, rows: &[Row]) -> RecordBatch {
    let text = |value: &dyn Fn(&Row) -> String| -> Arc<dyn Array> {
        Arc::new(StringArray::from_iter_values(rows.iter().map(value)))
    };
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at)).with_timezone("UTC");
    let columns: Vec<(&str, Arc<dyn Array>)> = vec![
        ("project_id", text(&|_| table.project.to_string())),
        ("date", Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| day_of(row.at))))),
        ("signal", text(&|row| row.signal.to_owned())),
        ("timestamp", Arc::new(times)),
        ("time_unix_nano", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.at * 1_000)))),
        ("id", text(&|row| row.id.clone())),
        ("name", text(&|row| format!("GET /{}", row.id.len()))),
        ("duration", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.at % 1_000)))),
    ];
    RecordBatch::try_from_iter(columns).expect("a batch")
}
