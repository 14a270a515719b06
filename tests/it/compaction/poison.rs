//! Segments that cannot be compacted, and stores that do not answer: the first are put aside, the second waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use compact::{Counter, Outcome};
use lake::{Commit, ForeignCommit, LogError, LogOpener, RemovedFile, Snapshot, TableLog, TakenIn};
use meta::ledger::Taken;
use model::{BodyHash, Micros, ProjectId, Segment, TableId};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;

use super::world::{MINUTE, NOON, World, exactly_once};
use crate::stores::{Fault, Faults};

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_segment_is_quarantined_and_the_rest_flows() {
    let world = World::new().await;
    let rows = world.rows(6, NOON, MINUTE);
    world.send(&rows).await;
    let damaged = [world.send_some().await, world.send_some().await, world.send_some().await];
    let key = |segment: &Segment| Path::from(format!("shop/{}", segment.key));
    world.store.put(&key(&damaged[0]), "short".into()).await.expect("overwritten");
    world.store.delete(&key(&damaged[1])).await.expect("deleted");
    let same_length = vec![b'x'; damaged[2].bytes as usize];
    world.store.put(&key(&damaged[2]), same_length.into()).await.expect("overwritten");
    let app = world.app();
    let outcome = world.compact(&app).await;
    assert!(matches!(outcome, Outcome::Done(done) if done.quarantined == 3 && done.rows == 6), "{outcome:?}");
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
    let bad = world.ledger().quarantined(&world.table).await.expect("read");
    assert_eq!(bad.len(), 3);
    assert!(bad.iter().all(|bad| bad.segment.rows == 10 && !bad.reason.is_empty()));
    assert_eq!(app.counters.get(Counter::Quarantined), 3);
    let status = compact::status(&app, &world.table).await.expect("status");
    assert_eq!((status.quarantined.len(), status.rows, status.live_segments), (3, 6, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_project_never_enter() {
    let world = World::new().await;
    let hash = BodyHash::from_bytes([9; 16]);
    let mut foreign = World::new().await;
    foreign.table = TableId::new(ProjectId::parse("other").expect("an id"), world.table.table);
    let rows = foreign.rows(3, NOON, MINUTE);
    let landed = foreign.land(&rows, &hash).await;
    // The bytes of a segment of another project, recorded here.
    let bytes = foreign.store.get(&Path::from(format!("other/{}", landed.key))).await.expect("there");
    let bytes = bytes.bytes().await.expect("bytes");
    world.store.put(&Path::from(format!("shop/{}", landed.key)), bytes.into()).await.expect("put");
    world.ledger().record(&world.table, &landed, &[hash]).await.expect("recorded");
    world.compact(&world.app()).await;
    assert_eq!(world.ledger().quarantined(&world.table).await.expect("read").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_of_a_newer_version_is_left_to_it() {
    let world = World::new().await;
    let rows = world.rows(6, NOON, MINUTE);
    world.send(&rows).await;
    // By its line in the ledger.
    let newer = Segment { format: Segment::FORMAT + 1, ..world.land(&rows, &BodyHash::from_bytes([1; 16])).await };
    world.ledger().record(&world.table, &newer, &[BodyHash::from_bytes([1; 16])]).await.expect("recorded");
    // By a column that is not known here.
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let batch = RecordBatch::try_from_iter([("a_column_of_tomorrow", names)]).expect("a batch");
    let bytes = rows::segment::write(&batch, &[BodyHash::from_bytes([2; 16])]).expect("a segment");
    let template = world.land(&rows, &BodyHash::from_bytes([2; 16])).await;
    world.store.put(&Path::from(format!("shop/{}", template.key)), bytes.clone().into()).await.expect("put");
    let unknown = Segment { bytes: bytes.len() as u64, checksum: objects::checksum(&bytes), rows: 1, ..template };
    world.ledger().record(&world.table, &unknown, &[BodyHash::from_bytes([2; 16])]).await.expect("recorded");
    let outcome = world.compact(&world.app()).await;
    assert!(matches!(outcome, Outcome::Done(done) if done.rows == 6 && done.quarantined == 0), "{outcome:?}");
    let view = world.ledger().read(&world.table).await.expect("ledger");
    assert_eq!(view.unlisted().len(), 2, "both are still live");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_fails_three_times_is_voided_and_smaller_lists_follow() {
    let world = World::new().await;
    let mut rows = Vec::new();
    let mut segments = Vec::new();
    for _ in 0..9 {
        let some = world.rows(4, NOON, MINUTE);
        segments.push(world.send(&some).await);
        rows.push(some);
    }
    // A worker opened a batch with all nine, and then one of them rotted.
    let ledger = world.ledger();
    let Taken::Ours(lease) = ledger.take_lease(&world.table).await.expect("taken") else { panic!("busy") };
    let ids = segments.iter().map(|segment| segment.id.clone()).collect();
    let (_, lease) = ledger.open_batch(&world.table, &lease, ids).await.expect("opened");
    ledger.release_lease(&world.table, &lease).await.expect("released");
    let rotten = Path::from(format!("shop/{}", segments[4].key));
    world.store.put(&rotten, "rotten".into()).await.expect("overwritten");
    let app = world.app();
    let outcome = world.compact(&app).await;
    assert!(matches!(outcome, Outcome::Done(done) if done.voids == 1 && done.quarantined == 1), "{outcome:?}");
    assert_eq!(app.counters.get(Counter::FailedAttempts), 3);
    rows.remove(4);
    let kept: Vec<_> = rows.concat();
    assert_eq!(world.seen_by_reader().await, exactly_once(&kept));
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&kept));
    let snapshot = world.snapshot().await;
    assert_eq!(snapshot.voided, 1);
    assert_eq!(snapshot.committed, 3, "the void, a list of one, then larger ones again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit_of_a_voided_batch_is_refused() {
    let world = World::new().await;
    let rows = world.rows(4, NOON, MINUTE);
    let segment = world.send(&rows).await;
    let logs = lake::DeltaLogs::new(objects::Roots::new(world.store.clone(), world.url.clone()));
    let log = lake::LogOpener::open(&logs, &world.table);
    log.create().await.expect("created");
    let stale = log.snapshot().await.expect("a snapshot").expect("a table");
    let void =
        lake::Commit { transactions: vec![(lake::APP_COMPACT, 1), (lake::APP_VOID, 1)], ..lake::Commit::default() };
    log.commit(&stale, void).await.expect("voided");
    let late = lake::Commit { transactions: vec![(lake::APP_COMPACT, 1)], ..lake::Commit::default() };
    assert!(matches!(log.commit(&stale, late).await, Err(lake::LogError::Conflict { .. })));
    // The ledger as it was: batch 1 open. The next worker drops it and takes its segments anew.
    let ledger = world.ledger();
    let Taken::Ours(lease) = ledger.take_lease(&world.table).await.expect("taken") else { panic!("busy") };
    let (_, lease) = ledger.open_batch(&world.table, &lease, vec![segment.id]).await.expect("opened");
    ledger.release_lease(&world.table, &lease).await.expect("released");
    assert_eq!(world.seen_by_reader().await, exactly_once(&rows), "live, since V names its batch");
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
    assert_eq!(world.snapshot().await.committed, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_never_poison() {
    let world = World::new().await;
    let rows = world.rows(4, NOON, MINUTE);
    world.send(&rows).await;
    // Find every call, then let each fail in turn, many times in a row: nothing is voided, nothing quarantined.
    let faults = Faults::none();
    let probe = World::new().await;
    let some = probe.rows(4, NOON, MINUTE);
    probe.send(&some).await;
    probe.compact(&probe.faulty_app(&faults)).await;
    for at in 0..faults.calls().len() {
        for _ in 0..2 {
            let faults = Faults::new(at, Fault::FailBefore);
            let app = world.faulty_app(&faults);
            world.compact(&app).await;
            if matches!(world.compact(&app).await, Outcome::BackedOff) {
                world.advance(Duration::from_secs(300));
            }
            world.advance(Duration::from_secs(130));
        }
    }
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
    assert_eq!(world.snapshot().await.voided, 0);
    assert!(world.ledger().quarantined(&world.table).await.expect("read").is_empty());
}

/// Somebody else wins the race for every version of a log, as long as the storm lasts.
struct Stormy {
    inner: Arc<dyn LogOpener>,
    store: Arc<dyn ObjectStore>,
    storms: Arc<AtomicBool>,
}

struct StormyLog {
    inner: Arc<dyn TableLog>,
    table: TableId,
    store: Arc<dyn ObjectStore>,
    storms: Arc<AtomicBool>,
}

impl LogOpener for Stormy {
    fn open(&self, table: &TableId) -> Arc<dyn TableLog> {
        Arc::new(StormyLog {
            inner: self.inner.open(table),
            table: table.clone(),
            store: self.store.clone(),
            storms: self.storms.clone(),
        })
    }
}

#[async_trait]
impl TableLog for StormyLog {
    async fn snapshot(&self) -> Result<Option<Snapshot>, LogError> {
        self.inner.snapshot().await
    }

    async fn create(&self) -> Result<(), LogError> {
        self.inner.create().await
    }

    async fn commit(&self, base: &Snapshot, commit: Commit) -> Result<(), LogError> {
        if self.storms.load(Ordering::SeqCst) {
            let path = format!("shop/{}/_delta_log/{:020}.json", self.table.table, base.version + 1);
            let entry = r#"{"commitInfo":{"timestamp":1,"operation":"OPTIMIZE","engineInfo":"elsewhere"}}"#;
            self.store.put(&path.as_str().into(), entry.into()).await.expect("put");
        }
        self.inner.commit(base, commit).await
    }

    async fn removed(&self, base: &Snapshot) -> Result<Vec<RemovedFile>, LogError> {
        self.inner.removed(base).await
    }

    async fn foreign_commit(&self, base: &Snapshot) -> Result<Option<ForeignCommit>, LogError> {
        self.inner.foreign_commit(base).await
    }

    async fn taken_in(&self, base: &Snapshot) -> Result<Vec<TakenIn>, LogError> {
        self.inner.taken_in(base).await
    }

    async fn last_checkpoint(&self) -> Result<Option<u64>, LogError> {
        self.inner.last_checkpoint().await
    }

    async fn checkpoint(&self) -> Result<u64, LogError> {
        self.inner.checkpoint().await
    }

    async fn clean_log(&self, older_than: Micros) -> Result<usize, LogError> {
        self.inner.clean_log(older_than).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_foreign_commits_is_waited_out_and_drains_when_it_stops() {
    let world = World::new().await;
    let rows = world.rows(6, NOON, MINUTE);
    world.send(&rows).await;
    let mut app = world.app();
    let storms = Arc::new(AtomicBool::new(true));
    app.logs = Arc::new(Stormy { inner: app.logs.clone(), store: world.store.clone(), storms: storms.clone() });
    for turn in 0..6 {
        let before = world.app().logs.open(&world.table).snapshot().await.expect("loaded").map_or(0, |s| s.version);
        let outcome = world.compact(&app).await;
        assert!(matches!(outcome, Outcome::Unavailable { .. }), "turn {turn}: {outcome:?}");
        let after = world.snapshot().await;
        assert!(after.version - before <= 7, "turn {turn}: each turn ends after a few tries");
        assert_eq!((after.committed, after.voided), (0, 0), "a lost race says nothing of the segments");
        assert_eq!(world.seen_by_reader().await, exactly_once(&rows));
        // The project is left alone for a while; whoever asks by hand is served all the same.
        let trigger = vec![meta::Trigger::new(world.table.clone())];
        assert_eq!(compact::handle(&app, trigger, world.deadline()).await, [Outcome::BackedOff], "turn {turn}");
        world.advance(Duration::from_secs(400));
    }
    storms.store(false, Ordering::SeqCst);
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
    assert!(world.ledger().quarantined(&world.table).await.expect("read").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_newer_version_is_handed_back_and_other_projects_flow() {
    let mut world = World::new().await;
    let rows = world.rows(6, NOON, MINUTE);
    let segment = world.send(&rows).await;
    let ledger = world.ledger();
    let Taken::Ours(lease) = ledger.take_lease(&world.table).await.expect("taken") else { panic!("busy") };
    let (batch, lease) = ledger.open_batch(&world.table, &lease, vec![segment.id]).await.expect("opened");
    ledger.release_lease(&world.table, &lease).await.expect("released");
    let item = |format: u32| {
        let batch = meta::ledger::Batch { format, ..batch.clone() };
        let key = meta::ItemKey::new("ledger/shop/otel_logs_and_spans/0", format!("batch#{:020}", batch.seq));
        meta::Operation::put(key, serde_json::to_value(batch).expect("json").as_object().expect("an object").clone())
    };
    world.items.write(item(meta::ledger::Batch::FORMAT + 1)).await.expect("put");
    let app = world.app();
    let outcome = world.compact(&app).await;
    assert!(
        matches!(&outcome, Outcome::HandBack { why } if why.contains("batch 1")) && outcome.is_retry(),
        "{outcome:?}"
    );
    let repaired = compact::repair(&app, &world.table, world.deadline()).await;
    assert!(matches!(repaired, Err(compact::PassError::Newer(_))), "{repaired:?}");
    assert_eq!(world.seen_by_reader().await, exactly_once(&rows), "readers go on");
    let first = world.table.clone();
    world.table = TableId::new(ProjectId::parse("other").expect("an id"), first.table);
    let others = world.rows(4, NOON, MINUTE);
    world.send(&others).await;
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&others));
    // The newer version did its part, or this one is told to.
    world.table = first;
    world.items.write(item(meta::ledger::Batch::FORMAT)).await.expect("put");
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
}
