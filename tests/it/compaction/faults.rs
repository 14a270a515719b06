//! Whatever fails, at whatever step: exactly once for every reader at once, and in the table after a drain.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use compact::{DaysAtOnce, Outcome, Pace};
use lake::{APP_COMPACT, APP_MERGE, Commit, CommitKind, DeltaLogs, LogOpener};
use objects::Roots;

use super::world::{DAY, MINUTE, NOON, Row, World, exactly_once};
use crate::stores::{Effect, Fault, Faults};

/// Some rows that a first worker committed, and some that are live.
async fn half_done() -> (World, Vec<Row>) {
    let world = World::new().await;
    let mut rows = Vec::new();
    for round in 0..2 {
        for _ in 0..2 {
            let some = world.rows(6, NOON - DAY - 3 * MINUTE, MINUTE);
            world.send(&some).await;
            rows.extend(some);
        }
        if round == 0 {
            world.compact(&world.app()).await;
            world.advance(Duration::from_secs(60));
        }
    }
    (world, rows)
}

async fn check_after(world: &World, rows: &[Row], what: &str) {
    assert_eq!(world.seen_by_reader().await, exactly_once(rows), "a reader at once; {what}");
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(rows), "after a drain; {what}");
    let files = world.snapshot().await.files;
    let paths: HashSet<_> = files.iter().map(|file| &file.path).collect();
    assert_eq!(paths.len(), files.len(), "{what}");
    assert!(world.ledger().stopped(&world.table).await.expect("read").is_none(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_survives_every_fault_at_every_step() {
    let (world, _) = half_done().await;
    let faults = Faults::none();
    let outcome = world.compact(&world.faulty_app(&faults)).await;
    assert!(matches!(outcome, Outcome::Done(done) if done.commits == 1), "{outcome:?}");
    let calls = faults.calls();
    assert!(calls.len() > 20, "{}", calls.len());
    for (at, effect) in calls.into_iter().enumerate() {
        for fault in Fault::of(effect) {
            let (world, rows) = half_done().await;
            let faults = Faults::new(at, *fault);
            let app = world.faulty_app(&faults);
            faults.run(world.compact(&app)).await;
            check_after(&world, &rows, &format!("{fault:?} at call {at}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_commit_survives_every_fault_at_every_step() {
    let begin = async || {
        let world = World::new().await;
        let rows = world.rows(6, NOON, MINUTE);
        world.send(&rows).await;
        (world, rows)
    };
    let (world, _) = begin().await;
    let faults = Faults::none();
    world.compact(&world.faulty_app(&faults)).await;
    for (at, effect) in faults.calls().into_iter().enumerate() {
        for fault in Fault::of(effect) {
            let (world, rows) = begin().await;
            let faults = Faults::new(at, *fault);
            let app = world.faulty_app(&faults);
            faults.run(world.compact(&app)).await;
            check_after(&world, &rows, &format!("{fault:?} at call {at}")).await;
        }
    }
}

/// A day that is over, of many small files; nothing live.
async fn many_files() -> (World, Vec<Row>) {
    let world = World::new().await;
    let mut rows = Vec::new();
    for i in 0..3 {
        let some = world.rows(4, NOON - DAY + i * MINUTE, MINUTE);
        world.send(&some).await;
        rows.extend(some);
        world.compact(&world.app()).await;
    }
    world.drain().await;
    (world, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn upkeep_survives_every_fault_at_every_step() {
    let upkeep = async |world: &World, app: &compact::App| {
        compact::maintain(app, &world.table, Pace::Drain, DaysAtOnce::Few, world.deadline()).await
    };
    let (world, _) = many_files().await;
    let faults = Faults::none();
    let did = upkeep(&world, &world.faulty_app(&faults)).await.expect("kept up");
    assert_eq!(did.merges, 2, "a merge per signal");
    // Every write, and every fourth read: reads are many and alike.
    let calls = faults.calls().into_iter().enumerate();
    for (at, effect) in calls.filter(|(at, effect)| *effect == Effect::Writes || at % 4 == 0) {
        for fault in Fault::of(effect) {
            let (world, rows) = many_files().await;
            let faults = Faults::new(at, *fault);
            let app = world.faulty_app(&faults);
            let _ = faults.run(upkeep(&world, &app)).await;
            let what = format!("{fault:?} at call {at}");
            check_after(&world, &rows, &what).await;
            world.advance(Duration::from_secs(150));
            let did = upkeep(&world, &world.app()).await.expect("kept up");
            assert_eq!(did.failed, Vec::<&str>::new(), "{what}");
            assert_eq!(world.in_table().await, exactly_once(&rows), "{what}");
            assert_eq!(world.snapshot().await.files.len(), 2, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stalled_before_its_commit_cannot_commit_twice() {
    let world = World::new().await;
    let rows = world.rows(6, NOON, MINUTE);
    world.send(&rows).await;
    let logs = DeltaLogs::new(Roots::new(world.store.clone(), world.url.clone()));
    let log = logs.open(&world.table);
    log.create().await.expect("created");
    // The stalled worker checked this snapshot (T = 0), and wakes up after another one committed batch 1.
    let stale = log.snapshot().await.expect("a snapshot").expect("a table");
    world.drain().await;
    let files = world.snapshot().await.files;
    let late = Commit {
        add: files.iter().map(|f| lake::NewFile { path: f.path.replace("part-", "part-9"), ..f.clone() }).collect(),
        transactions: vec![(APP_COMPACT, 1)],
        ..Commit::default()
    };
    assert!(matches!(log.commit(&stale, late).await, Err(lake::LogError::Conflict { .. })));
    assert_eq!(world.in_table().await, exactly_once(&rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn merging_twice_from_one_snapshot_cannot_double() {
    let (world, rows) = many_files().await;
    let logs = DeltaLogs::new(Roots::new(world.store.clone(), world.url.clone()));
    let log = logs.open(&world.table);
    let planned_on = log.snapshot().await.expect("a snapshot").expect("a table");
    let merges = world.maintain(&world.app()).await.merges;
    assert_eq!(world.snapshot().await.merged, planned_on.merged + u64::from(merges), "vacuum goes by M");
    assert_eq!(world.in_table().await, exactly_once(&rows));
    // The same merge, made by a second worker from the same snapshot.
    let second = Commit {
        add: world.snapshot().await.files.iter().cloned().collect(),
        remove: planned_on.files.iter().map(|file| file.path.clone()).collect(),
        transactions: vec![(APP_MERGE, planned_on.merged + 1)],
        kind: CommitKind::Merge,
        ..Commit::default()
    };
    assert!(matches!(log.commit(&planned_on, second).await, Err(lake::LogError::Conflict { .. })));
    assert_eq!(world.in_table().await, exactly_once(&rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_commit_and_mark_is_found_by_the_next_worker() {
    let world = World::new().await;
    let rows = world.rows(6, NOON, MINUTE);
    world.send(&rows).await;
    let app = world.app();
    world.compact(&app).await;
    // As if the mark had never been made.
    let view = world.ledger().read(&world.table).await.expect("ledger");
    let batch =
        meta::ledger::Batch { state: meta::ledger::BatchState::Open, committed_at: None, ..view.batches[0].clone() };
    let item = meta::Operation::put(
        meta::ItemKey::new("ledger/shop/otel_logs_and_spans/0", "batch#00000000000000000001"),
        serde_json::to_value(&batch).expect("json").as_object().expect("an object").clone(),
    );
    world.items.write(item).await.expect("put back");
    assert_eq!(world.seen_by_reader().await, exactly_once(&rows), "readers go by T, not by the mark");
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
    assert_eq!(world.snapshot().await.committed, 1, "it was not committed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_at_once_and_leases_that_run_out() {
    let world = Arc::new(World::new().await);
    let mut rows = Vec::new();
    for _ in 0..6 {
        let some = world.rows(5, NOON, MINUTE);
        world.send(&some).await;
        rows.extend(some);
    }
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let world = Arc::clone(&world);
        workers.spawn(async move {
            let app = world.app();
            for _ in 0..5 {
                world.compact(&app).await;
                // Every lease that is held has run out by now.
                world.advance(Duration::from_secs(61));
            }
        });
    }
    for _ in 0..10 {
        assert_eq!(world.seen_by_reader().await, exactly_once(&rows));
    }
    while let Some(ended) = workers.join_next().await {
        ended.expect("a worker");
    }
    check_after(&world, &rows, "four workers").await;
}

/// Workers of all kinds with faults, leases that run out under them, producers and a reader, all at once.
async fn restless(seed: u64) {
    let mut world = World::new().await;
    world.settings.merge.fan_in = 3;
    world.settings.checkpoint_commits = 3;
    let world = Arc::new(world);
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..3 {
        let world = Arc::clone(&world);
        workers.spawn(async move {
            for turn in 0..12 {
                let faults = Faults::some(40, seed * 1_000 + worker * 100 + turn);
                let app = world.faulty_app(&faults);
                let work = async {
                    let _ = world.compact(&app).await;
                    let pace = if turn % 2 == 0 { Pace::Drain } else { Pace::Scheduled };
                    let _ = compact::maintain(&app, &world.table, pace, DaysAtOnce::Few, world.deadline()).await;
                };
                faults.run(work).await;
                // Every lease runs out now and then, under whoever holds it.
                world.advance(Duration::from_secs(40));
            }
        });
    }
    let mut rows = Vec::new();
    let mut old_snapshot = None;
    for i in 0..24 {
        let from = NOON - DAY - (i % 3) * MINUTE * 7;
        let some = world.rows(4, from, MINUTE);
        world.send(&some).await;
        rows.extend(some);
        assert_eq!(world.seen_by_reader().await, exactly_once(&rows), "seed {seed}, after {i} bodies");
        // A reader that holds a snapshot from before sees the same, or starts over.
        if let Some(seen) = world.seen_from(old_snapshot.as_ref()).await {
            assert_eq!(seen, exactly_once(&rows), "seed {seed}, after {i} bodies, from an old snapshot");
        }
        if i % 3 == 0 {
            old_snapshot = world.app().logs.open(&world.table).snapshot().await.expect("loaded");
        }
    }
    while let Some(ended) = workers.join_next().await {
        ended.expect("a worker");
        assert_eq!(world.seen_by_reader().await, exactly_once(&rows), "seed {seed}");
    }
    check_after(&world, &rows, &format!("seed {seed}")).await;
    let did = world.maintain(&world.app()).await;
    assert_eq!(did.failed, Vec::<&str>::new(), "seed {seed}");
    assert_eq!(world.in_table().await, exactly_once(&rows), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restless_world_stays_right() {
    let first: u64 = std::env::var("PLIMSOLL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in first..first + 6 {
        restless(seed).await;
    }
}
