//! The write path without faults: once, at every moment, whatever the queue does.

use std::sync::Arc;
use std::time::Duration;

use clock::ManualClock;
use compact::{Outcome, Settled};
use embedded::{DurableDisk, SqliteItems};
use lake::FileName;
use meta::Trigger;
use meta::ledger::Taken;
use model::DueRule;
use url::Url;

use super::world::{DAY, MINUTE, NOON, World, exactly_once, times};

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_seen_once_before_during_and_after_compaction() {
    let world = World::new().await;
    let mut rows = Vec::new();
    for _ in 0..5 {
        let some = world.rows(20, NOON - 20 * MINUTE, MINUTE);
        world.send(&some).await;
        rows.extend(some);
    }
    assert_eq!(world.seen_by_reader().await, exactly_once(&rows));
    let app = world.app();
    let Outcome::Done(done) = world.compact(&app).await else { panic!("not done") };
    assert_eq!((done.commits, done.segments, done.rows, done.left), (1, 5, 100, 0));
    assert_eq!(world.in_table().await, exactly_once(&rows));
    assert_eq!(world.seen_by_reader().await, exactly_once(&rows));
    // Cleaned only some time after the commit, so that readers rarely start over.
    assert_eq!(world.ledger().read(&world.table).await.expect("ledger").live.len(), 5);
    world.drain().await;
    assert_eq!(world.seen_by_reader().await, exactly_once(&rows));
    assert_eq!(world.snapshot().await.committed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_sqlite_and_disk_and_another_library_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(NOON));
    let items = Arc::new(SqliteItems::open(folder.path().join("meta.db"), clock.clone()).expect("items"));
    let store = Arc::new(DurableDisk::open(folder.path().join("data"), clock.as_ref()).expect("a disk"));
    let url = Url::from_directory_path(folder.path().join("data")).expect("a url");
    let world = World::over(clock, items, store, url.clone()).await;
    let rows = world.rows(300, NOON - 5 * DAY, 20 * MINUTE);
    for part in rows.chunks(50) {
        world.send(part).await;
    }
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
    let did = world.maintain(&world.app()).await;
    assert_eq!(did.failed, Vec::<&str>::new());
    assert_eq!(world.in_table().await, exactly_once(&rows));
    // By the library alone, over the folder as any engine sees it.
    let table = deltalake::open_table(url.join("shop/otel_logs_and_spans/").expect("a url")).await.expect("a table");
    let state = table.snapshot().expect("a snapshot");
    assert_eq!(state.log_data().iter().map(|file| file.num_records().expect("stats")).sum::<usize>(), 300);
    assert_eq!(state.protocol().min_reader_version(), 1);
    assert!(state.protocol().min_writer_version() <= 2);
    for file in state.log_data().iter() {
        assert!(
            std::fs::exists(folder.path().join("data/shop/otel_logs_and_spans").join(&*file.path())).expect("looked")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_records_land_in_their_own_date_sorted_with_statistics() {
    let world = World::new().await;
    let mut rows = world.rows(100, NOON - 2 * DAY, 30 * MINUTE);
    rows.reverse();
    world.send(&rows).await;
    world.drain().await;
    let snapshot = world.snapshot().await;
    assert_eq!(snapshot.files.len(), 6, "three dates, two signals");
    for file in snapshot.files.iter() {
        let read = times(&world.read_file(file).await);
        assert!(read.is_sorted());
        assert_eq!((file.time_min, file.time_max), (read[0], read[read.len() - 1]));
        let date = model::rfc3339(read[0])[..10].to_owned();
        assert_eq!(file.partition["date"], date);
        assert!(matches!(FileName::parse(&file.path), Some(FileName::Part { seq: 1, .. })), "{}", file.path);
        assert!(file.path.starts_with(&format!("date={date}/signal={}/", file.partition["signal"])));
        let stats: serde_json::Value = serde_json::from_str(&file.stats).expect("stats");
        assert_eq!(stats["numRecords"], file.rows);
        assert_eq!(stats["nullCount"]["context___trace_id"], file.rows);
        assert_eq!(stats["minValues"]["project_id"], "shop");
        let bound = |which: &str| {
            let text = stats[which]["timestamp"].as_str().expect("a time");
            chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros()
        };
        assert!(bound("minValues") <= file.time_min && file.time_max <= bound("maxValues"));
        assert!(bound("maxValues") - file.time_max < 1_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_may_be_repeated_and_a_busy_table_is_left_to_its_holder() {
    let world = World::new().await;
    let rows = world.rows(10, NOON, MINUTE);
    world.send(&rows).await;
    world.advance(Duration::from_secs(600));
    let (app, other) = (world.app(), world.app());
    let trigger = || Trigger::new(world.table.clone());
    let triggers = || vec![trigger(), trigger(), trigger()];
    let both = tokio::join!(
        compact::handle(&app, triggers(), world.deadline()),
        compact::handle(&other, triggers(), world.deadline())
    );
    for outcomes in [both.0, both.1] {
        assert_eq!(outcomes.len(), 3);
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Done(_) | Outcome::Busy { .. }) && !o.is_retry()));
    }
    assert_eq!(world.seen_by_reader().await, exactly_once(&rows));
    // A trigger of a newer version goes back to the queue.
    let newer = Trigger { v: 99, table: world.table.clone() };
    let outcomes = compact::handle(&app, vec![newer, trigger()], world.deadline()).await;
    assert!(outcomes[0].is_retry() && !outcomes[1].is_retry());
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
    // Held by somebody: dropped.
    let Taken::Ours(_) = world.ledger().take_lease(&world.table).await.expect("taken") else { panic!("busy") };
    world.send_some().await;
    assert!(matches!(world.compact(&app).await, Outcome::Busy { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_table_waits_until_it_is_due() {
    let world = World::new().await;
    let app = world.app();
    world.send_some().await;
    let trigger = vec![Trigger::new(world.table.clone())];
    let outcomes = compact::handle(&app, trigger.clone(), world.deadline()).await;
    assert!(matches!(&outcomes[..], [Outcome::Done(done)] if done.commits == 0 && done.left == 1), "{outcomes:?}");
    world.advance(Duration::from_micros(DueRule::default().age as u64));
    let outcomes = compact::handle(&app, trigger, world.deadline()).await;
    assert!(matches!(&outcomes[..], [Outcome::Done(done)] if done.commits == 1), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_finds_what_lost_its_trigger_and_settles_what_is_done() {
    let world = World::new().await;
    let app = world.app();
    let rows = world.rows(10, NOON, MINUTE);
    world.send(&rows).await;
    world.advance(Duration::from_secs(301));
    let sweep = async || compact::sweep(&app, world.deadline()).await.expect("swept");
    let swept = sweep().await;
    assert_eq!(swept.len(), 1);
    assert_eq!(swept[0].settled, Settled::Stays, "the ledger is not cleaned yet");
    assert_eq!(world.in_table().await, exactly_once(&rows));
    world.advance(Duration::from_secs(60));
    assert_eq!(sweep().await[0].settled, Settled::Gone);
    assert!(sweep().await.is_empty());
    // Put a moment ago: it stays, even though nothing is left; a producer may be about to record.
    world.ledger().put_due(&world.table).await.expect("due");
    assert_eq!(sweep().await[0].settled, Settled::Stays);
    assert!(app.clock.now() > NOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_lags_from_the_moment_it_is_due_until_its_segments_are_committed() {
    let world = World::new().await;
    let app = world.app();
    let late_s = async || {
        let lag = compact::lag(&app).await.expect("read");
        lag.longest.map(|lag| (lag.table, lag.late_us / 1_000_000))
    };
    assert_eq!(late_s().await, None, "nothing was ever sent");
    world.send(&world.rows(10, NOON, MINUTE)).await;
    world.advance(Duration::from_secs(300));
    assert_eq!(late_s().await, None, "due just now");
    world.advance(Duration::from_secs(60));
    world.send(&world.rows(10, NOON, MINUTE)).await;
    assert_eq!(late_s().await, Some((world.table.clone(), 60)), "by its oldest segment");
    // Committed, and not cleaned yet.
    world.compact(&app).await;
    assert!(!world.ledger().read(&world.table).await.expect("ledger").live.is_empty());
    assert_eq!(late_s().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_ledger_or_table_stops_the_table() {
    let world = World::new().await;
    let app = world.app();
    world.send_some().await;
    world.compact(&app).await;
    // The table is gone, the ledger is not.
    let other = World::over(
        world.clock.clone(),
        Arc::new(testkit::MemoryItems::new(world.clock.clone())),
        world.store.clone(),
        world.url.clone(),
    )
    .await;
    // An empty ledger over a table with a commit.
    other.send_some().await;
    let outcome = other.compact(&other.app()).await;
    assert!(matches!(&outcome, Outcome::Stopped { reason } if reason.contains("batch 1")), "{outcome:?}");
    assert!(matches!(other.compact(&other.app()).await, Outcome::Stopped { .. }), "it stays stopped");
    assert!(other.ledger().stopped(&other.table).await.expect("read").is_some());
    // The first ledger is not stopped by that.
    assert!(world.ledger().stopped(&world.table).await.expect("read").is_none());
}
