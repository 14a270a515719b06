//! A checkpoint that the store damages as it is put: it is found at once and taken away, no entry of the log goes below
//! it, and a fresh process reads the table whole. Without the reading back the table is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use compact::Outcome;
use lake::{DeltaLogs, LogOpener, TableLog};
use model::Safeguard;
use model::safeguard::Without;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use objects::Roots;

use super::bent::{Bend, BentStore, Call};
use super::world::{MINUTE, NOON, World, exactly_once};

const DAMAGES: [Bend; 2] = [Bend::Truncated, Bend::Flipped];
const LOG: &str = "shop/otel_logs_and_spans/_delta_log";

/// A table of some commits, and its log in a process of its own, over a store that can be bent.
struct Table {
    world: World,
    expected: BTreeMap<String, usize>,
    store: Arc<BentStore>,
    log: Arc<dyn TableLog>,
}

impl Table {
    async fn new() -> Self {
        let mut world = World::new().await;
        // Checkpoints are this test's own.
        world.settings.checkpoint_commits = u64::MAX / 2;
        let store = BentStore::over(&world.store);
        let logs = DeltaLogs::new(Roots::new(store.clone(), world.url.clone()));
        let log = logs.open(&world.table);
        let mut table = Self { world, expected: BTreeMap::new(), store, log };
        table.commit(4).await;
        table
    }

    async fn commit(&mut self, commits: usize) {
        let app = self.world.app();
        for _ in 0..commits {
            let rows = self.world.rows(40, NOON, MINUTE);
            self.world.send(&rows).await;
            self.expected.extend(exactly_once(&rows));
            let outcome = self.world.compact(&app).await;
            assert!(matches!(outcome, Outcome::Done(done) if done.commits == 1), "{outcome:?}");
            self.world.advance(Duration::from_secs(3_600));
        }
    }

    /// From now on checkpoints are damaged as they are put.
    fn damage(&self, damage: Bend) {
        self.store
            .bend(move |call, path| (call == Call::Put && path.ends_with(".checkpoint.parquet")).then_some(damage));
    }

    /// Everything is old enough to go.
    async fn clean_log(&self) -> Result<usize, lake::LogError> {
        self.world.advance(Duration::from_secs(100 * 3_600));
        self.log.clean_log(clock::Clock::now(self.world.clock.as_ref())).await
    }

    /// A fresh process reads it whole, goes on writing, and makes the checkpoint that was missed.
    async fn reads_whole(mut self, what: &str) {
        assert_eq!(self.world.in_table().await, self.expected, "{what}");
        self.commit(2).await;
        self.store.straighten();
        let version = self.log.checkpoint().await.expect("a checkpoint");
        assert_eq!(self.log.last_checkpoint().await.expect("read"), Some(version), "{what}");
        assert!(self.clean_log().await.expect("cleaned") >= 5, "{what}");
        self.commit(1).await;
        assert_eq!(self.world.in_table().await, self.expected, "{what}");
    }
}

fn text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_damaged_as_it_is_written_is_taken_away_and_the_table_stays_whole() {
    for damage in DAMAGES {
        for after_a_sound_one in [false, true] {
            let what = format!("{damage:?}, after a sound one: {after_a_sound_one}");
            let mut table = Table::new().await;
            let sound =
                if after_a_sound_one { Some(table.log.checkpoint().await.expect("a checkpoint")) } else { None };
            table.commit(2).await;
            table.damage(damage);
            for _ in 0..2 {
                let error = text(&table.log.checkpoint().await.expect_err("a damaged checkpoint is believed"));
                assert!(error.contains("taken away") && error.contains("later turn"), "{what}: {error}");
                assert_eq!(table.world.in_table().await, table.expected, "a fresh process at once; {what}");
            }
            assert_eq!(table.store.n_bent(), 2, "{what}");
            assert_eq!(table.log.last_checkpoint().await.expect("read"), sound, "{what}");
            let deleted = table.clean_log().await.expect("cleaned");
            assert_eq!(deleted as u64, sound.unwrap_or(0), "only what is below a sound one; {what}");
            table.reads_whole(&what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_that_stays_costs_no_entry_and_the_error_says_what_to_delete() {
    let table = Table::new().await;
    table.store.bend(|call, path| match call {
        Call::Put if path.ends_with(".checkpoint.parquet") => Some(Bend::Truncated),
        Call::Delete => Some(Bend::Busy),
        _ => None,
    });
    let error = text(&table.log.checkpoint().await.expect_err("a damaged checkpoint is believed"));
    let stands = "_delta_log/00000000000000000004.checkpoint.parquet";
    assert!(error.contains("delete") && error.contains(stands) && error.contains("_last_checkpoint"), "{error}");
    let fresh = DeltaLogs::new(Roots::new(table.world.store.clone(), table.world.url.clone())).open(&table.world.table);
    assert!(fresh.snapshot().await.is_err(), "no reader gets past it");
    table.store.straighten();
    let error = text(&table.clean_log().await.expect_err("below a damaged checkpoint"));
    assert!(error.contains("version 4 cannot be read, so no entry below it is deleted"), "{error}");
    // As the error says.
    for name in ["_last_checkpoint", "00000000000000000004.checkpoint.parquet"] {
        table.world.store.delete(&Path::from(format!("{LOG}/{name}"))).await.expect("deleted");
    }
    table.reads_whole("after a hand's help").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_read_for_now_stays() {
    let table = Table::new().await;
    table.store.bend(|call, path| (call == Call::Get && path.ends_with(".checkpoint.parquet")).then_some(Bend::Busy));
    let error = text(&table.log.checkpoint().await.expect_err("nobody read it back"));
    assert!(error.contains("503") && !error.contains("taken away"), "{error}");
    table.store.straighten();
    assert_eq!(table.clean_log().await.expect("cleaned"), 4, "it was sound");
    assert_eq!(table.world.in_table().await, table.expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_hint_is_written_anew() {
    let mut table = Table::new().await;
    table.log.checkpoint().await.expect("a checkpoint");
    table.world.store.put(&Path::from(format!("{LOG}/_last_checkpoint")), "{\"vers".into()).await.expect("put");
    assert_eq!(table.log.last_checkpoint().await.expect("no error"), None);
    assert_eq!(table.world.in_table().await, table.expected);
    table.commit(1).await;
    assert_eq!(table.log.checkpoint().await.expect("a checkpoint"), 5);
    assert_eq!(table.log.last_checkpoint().await.expect("read"), Some(5));
    table.reads_whole("a damaged hint").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_reading_back_a_damaged_checkpoint_loses_the_table() {
    for damage in DAMAGES {
        let table = Table::new().await;
        table.damage(damage);
        let without = Without::these(&[Safeguard::CheckpointReadBack]);
        table.log.checkpoint().await.expect("nobody looks");
        assert_eq!(table.clean_log().await.expect("nobody looks"), 4, "{damage:?}");
        drop(without);
        table.store.straighten();
        let fresh = DeltaLogs::new(Roots::new(table.world.store.clone(), table.world.url.clone()));
        let lost = fresh.open(&table.world.table).snapshot().await.is_err();
        assert!(lost, "{damage:?}: a mutant that nothing catches");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_behind_a_damaged_checkpoint_says_what_to_do() {
    for damage in DAMAGES {
        let mut table = Table::new().await;
        // As a worker that died before it read its checkpoint back leaves it.
        table.damage(damage);
        let without = Without::these(&[Safeguard::CheckpointReadBack]);
        table.log.checkpoint().await.expect("nobody looks");
        drop(without);
        let path = Path::from(format!("{LOG}/00000000000000000004.checkpoint.parquet"));
        let damaged = table.world.store.get(&path).await.expect("there").bytes().await.expect("bytes");
        let rows = table.world.rows(4, NOON, MINUTE);
        table.world.send(&rows).await;
        let error = match table.world.compact(&table.world.app()).await {
            Outcome::Unavailable { error } => error,
            other => panic!("{damage:?}: {other:?}"),
        };
        let says = "every entry that it stands for is there: delete _delta_log/_last_checkpoint and then _delta_log/0";
        assert!(error.contains("checkpoint of version 4 is damaged") && error.contains(says), "{damage:?}: {error}");
        // As it says.
        for key in [Path::from(format!("{LOG}/_last_checkpoint")), path.clone()] {
            table.world.store.delete(&key).await.expect("deleted");
        }
        table.expected.extend(exactly_once(&rows));
        table.world.drain().await;
        table.store.straighten();
        assert_eq!(table.log.checkpoint().await.expect("a checkpoint"), 5);
        assert_eq!(table.clean_log().await.expect("cleaned"), 5);
        // One that rots when nothing else stands for what it holds.
        let path = Path::from(format!("{LOG}/00000000000000000005.checkpoint.parquet"));
        let sound = table.world.store.get(&path).await.expect("there").bytes().await.expect("bytes");
        table.world.store.put(&path, damaged.into()).await.expect("overwritten");
        let fresh = DeltaLogs::new(Roots::new(table.world.store.clone(), table.world.url.clone()));
        let error = text(&fresh.open(&table.world.table).snapshot().await.err().expect("damaged"));
        assert!(error.contains("entries below it are gone: put _delta_log/0") && error.contains("backup"), "{error}");
        table.world.store.put(&path, sound.into()).await.expect("put back");
        assert_eq!(table.world.in_table().await, table.expected, "{damage:?}");
    }
}
