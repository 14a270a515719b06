//! Merging, retention, vacuum, landing objects, checkpoints and old log entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use compact::plan::MergeRule;
use compact::{DaysAtOnce, Pace, RetentionRefused};
use lake::{DataFile, DeltaLogs, LogOpener};
use meta::projects::Projects;
use model::BodyHash;
use objects::Roots;

use super::world::{DAY, MINUTE, NOON, Row, World, exactly_once, times};

const HOUR: Duration = Duration::from_secs(3_600);

fn by_partition(files: &[DataFile]) -> BTreeMap<&BTreeMap<String, String>, Vec<&DataFile>> {
    let mut days: BTreeMap<_, Vec<&DataFile>> = BTreeMap::new();
    for file in files {
        days.entry(&file.partition).or_default().push(file);
    }
    for files in days.values_mut() {
        files.sort_by_key(|file| file.time_min);
    }
    days
}

/// Seven days of rows in any order, in many batches.
async fn backfill(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    let app = world.app();
    for batch in 0..24 {
        // Each batch reaches over two days, and overlaps with the next.
        let from = NOON - 7 * DAY + batch * 6 * 60 * MINUTE;
        let some = world.rows(200, from, 13 * MINUTE);
        world.send(&some).await;
        rows.extend(some);
        world.compact(&app).await;
        if batch % 5 == 4 {
            compact::maintain(&app, &world.table, Pace::Scheduled, DaysAtOnce::Few, world.deadline())
                .await
                .expect("kept up");
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_ends_in_few_sorted_disjoint_files_a_day() {
    let mut world = World::new().await;
    // Small files for a small table: several outputs a day.
    world.settings.merge = MergeRule { target_bytes: 100_000, small_bytes: 50_000, ..MergeRule::default() };
    let rows = backfill(&world).await;
    world.drain().await;
    let app = world.app();
    let did = world.maintain(&app).await;
    assert_eq!(did.failed, Vec::<&str>::new());
    assert_eq!(world.maintain(&app).await.merges, 0, "nothing is left to merge");
    assert_eq!(world.in_table().await, exactly_once(&rows));
    let snapshot = world.snapshot().await;
    let mut several = 0;
    for (partition, files) in by_partition(&snapshot.files) {
        assert!(files.len() <= 10, "{partition:?}: {}", files.len());
        several += usize::from(files.len() > 1);
        assert!(files.iter().all(|file| file.rewrites <= 3), "{partition:?}");
        if partition["date"].as_str() >= "2026-11-20" {
            continue;
        }
        for pair in files.windows(2) {
            assert!(pair[0].time_max < pair[1].time_min, "{partition:?}");
        }
        for file in files {
            let read = times(&world.read_file(file).await);
            assert!(read.is_sorted());
            assert_eq!((file.time_min, file.time_max), (read[0], read[read.len() - 1]));
        }
    }
    assert!(several > 0, "some day has more than one file");
    // After an upkeep with time to spare the same again: nothing moves.
    world.advance(26 * HOUR);
    world.maintain(&app).await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_loses_exactly_the_days_past_its_retention() {
    let world = World::new().await;
    let rows = world.rows(7 * 24, NOON - 7 * DAY, 60 * MINUTE);
    world.send(&rows).await;
    world.drain().await;
    let projects = Projects::new(world.items.clone(), world.clock.clone());
    let set = async |days| {
        projects
            .update(&world.table.project, |p| p.settings.retention_days_logs_and_spans = days)
            .await
            .expect("updated");
    };
    assert!(world.maintain(&world.app()).await.retired_days.is_empty(), "30 days by default");
    set(3).await;
    let did = world.maintain(&world.app()).await;
    assert_eq!(did.retired_days, ["2026-11-13", "2026-11-14", "2026-11-15", "2026-11-16"]);
    let kept: Vec<Row> =
        rows.iter().filter(|row| model::day_of(row.at) >= model::day_of(NOON - 3 * DAY)).cloned().collect();
    assert_eq!(world.in_table().await, exactly_once(&kept));
    // Many days at once are refused until somebody says so.
    let mut careful = World::new().await;
    careful.settings.retention_days_at_once_max = 2;
    let rows = careful.rows(7 * 24, NOON - 7 * DAY, 60 * MINUTE);
    careful.send(&rows).await;
    careful.drain().await;
    let projects = Projects::new(careful.items.clone(), careful.clock.clone());
    projects.update(&careful.table.project, |p| p.settings.retention_days_logs_and_spans = 3).await.expect("updated");
    let app = careful.app();
    let did = careful.maintain(&app).await;
    assert_eq!(did.retention_refused, Some(RetentionRefused::TooManyDays { days: 4, allowed: 2 }));
    assert_eq!(careful.in_table().await, exactly_once(&rows));
    let did = compact::maintain(&app, &careful.table, Pace::Scheduled, DaysAtOnce::Any, careful.deadline()).await;
    assert_eq!(did.expect("kept up").retired_days.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_files_vanish_after_the_horizon_and_nothing_else_does() {
    let world = World::new().await;
    let app = world.app();
    let mut rows = Vec::new();
    for i in 0..4 {
        let some = world.rows(12, NOON - DAY + i * MINUTE, MINUTE);
        world.send(&some).await;
        rows.extend(some);
        world.compact(&app).await;
    }
    // A worker of tomorrow already wrote a file for a merge that is not committed; somebody else left one, too.
    let table = "shop/otel_logs_and_spans";
    let tomorrow = format!("{table}/date=2026-11-19/signal=log/merge-00000000000000000099-9-x.parquet");
    let stranger = format!("{table}/date=2026-11-19/signal=log/stranger.parquet");
    for path in [&tomorrow, &stranger] {
        use object_store::ObjectStoreExt;
        world.store.put(&path.as_str().into(), "rows".into()).await.expect("put");
    }
    assert_eq!(world.maintain(&app).await.merges, 2);
    let before = world.data_files_on_disk().await;
    assert_eq!(before.len(), 8 + 2 + 2, "{before:?}");
    world.advance(23 * HOUR);
    assert_eq!(world.maintain(&app).await.vacuumed_files, 0);
    world.advance(2 * HOUR);
    assert_eq!(world.maintain(&app).await.vacuumed_files, 8);
    let after: BTreeSet<String> = world.data_files_on_disk().await.into_iter().collect();
    assert_eq!(after.len(), 2 + 2);
    assert!(after.contains(&tomorrow) && after.contains(&stranger));
    assert_eq!(world.in_table().await, exactly_once(&rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn landing_objects_go_when_they_are_old_and_nothing_names_them() {
    let world = World::new().await;
    let rows = world.rows(10, NOON, MINUTE);
    world.send(&rows).await;
    world.drain().await;
    // A refused retry left an object behind; a live segment and a quarantined one are named.
    world.land(&rows, &BodyHash::from_bytes([3; 16])).await;
    let bad = world.send_some().await;
    use object_store::ObjectStoreExt;
    world.store.put(&format!("shop/{}", bad.key).into(), "rotten".into()).await.expect("overwritten");
    let app = world.app();
    world.compact(&app).await;
    assert_eq!(world.ledger().quarantined(&world.table).await.expect("read").len(), 1);
    assert_eq!(world.landing_objects().await, 3);
    world.advance(47 * HOUR);
    assert_eq!(world.maintain(&app).await.landing_objects_deleted, 0);
    world.advance(2 * HOUR);
    let later = world.rows(10, NOON, MINUTE);
    world.send(&later).await;
    assert_eq!(world.maintain(&app).await.landing_objects_deleted, 2);
    assert_eq!(world.landing_objects().await, 2, "the quarantined one, and the young one");
}

/// Segments that are named, oldest of all and more than a piece, used to keep the cleaner from everything else for ever.
#[tokio::test(flavor = "multi_thread")]
async fn landing_objects_go_piece_by_piece_past_those_that_are_named() {
    use object_store::ObjectStoreExt;
    const N_BAD: usize = 5;
    let mut world = World::new().await;
    world.settings.deletes_max = 3;
    let app = world.app();
    for _ in 0..N_BAD {
        let bad = world.send_some().await;
        world.store.put(&format!("shop/{}", bad.key).into(), "rotten".into()).await.expect("overwritten");
        world.compact(&app).await;
    }
    assert_eq!(world.ledger().quarantined(&world.table).await.expect("read").len(), N_BAD);
    world.advance(HOUR);
    for _ in 0..10 {
        world.send_some().await;
    }
    world.drain().await;
    world.advance(49 * HOUR);
    assert_eq!(world.maintain(&app).await.landing_objects_deleted, 10);
    assert_eq!(world.landing_objects().await, N_BAD, "the quarantined ones");
    assert_eq!(world.maintain(&app).await.landing_objects_deleted, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_written_old_entries_go_and_the_table_still_reads() {
    let mut world = World::new().await;
    world.settings.checkpoint_commits = 4;
    let app = world.app();
    let mut rows = Vec::new();
    let mut checkpoints = 0;
    for _ in 0..13 {
        let some = world.rows(6, NOON - 2 * MINUTE, MINUTE);
        world.send(&some).await;
        rows.extend(some);
        world.compact(&app).await;
        let did = world.maintain(&app).await;
        checkpoints += usize::from(did.checkpoint.is_some());
        assert_eq!(did.log_entries_deleted, 0, "all are young");
        world.advance(4 * HOUR);
    }
    assert!((3..=8).contains(&checkpoints), "{checkpoints}");
    let tags = |files: &[DataFile]| {
        let mut tags: Vec<_> =
            files.iter().map(|f| (f.path.clone(), f.time_min, f.time_max, f.rewrites, f.rows)).collect();
        tags.sort();
        tags
    };
    let before = world.snapshot().await;
    world.advance(30 * HOUR);
    let did = world.maintain(&app).await;
    assert!(did.log_entries_deleted > 3, "{did:?}");
    assert_eq!(did.failed, Vec::<&str>::new());
    let after = world.snapshot().await;
    assert_eq!((after.committed, after.voided, after.merged >= before.merged), (13, 0, true));
    if after.version == before.version {
        assert_eq!(tags(&after.files), tags(&before.files));
    }
    assert_eq!(world.in_table().await, exactly_once(&rows));
    // And it can still be written to.
    let some = world.rows(6, NOON, MINUTE);
    world.send(&some).await;
    rows.extend(some);
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
    // Entries of the last two days are there.
    let log = DeltaLogs::new(Roots::new(world.store.clone(), world.url.clone())).open(&world.table);
    assert!(log.last_checkpoint().await.expect("read").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_commit_stops_merging_and_vacuum_but_not_appending() {
    let world = World::new().await;
    let app = world.app();
    let mut rows = Vec::new();
    for i in 0..3 {
        let some = world.rows(6, NOON - DAY + i * MINUTE, MINUTE);
        world.send(&some).await;
        rows.extend(some);
        world.compact(&app).await;
    }
    // Somebody sets a property with another engine.
    use object_store::ObjectStoreExt;
    let version = world.snapshot().await.version + 1;
    let entry = r#"{"commitInfo":{"timestamp":1,"operation":"OPTIMIZE","engineInfo":"elsewhere"}}"#;
    let path = format!("shop/otel_logs_and_spans/_delta_log/{version:020}.json");
    world.store.put(&path.as_str().into(), entry.into()).await.expect("put");
    let did = world.maintain(&app).await;
    let foreign = did.foreign.expect("seen");
    assert_eq!((foreign.version, foreign.operation.as_str()), (version, "OPTIMIZE"));
    assert_eq!((did.merges, did.vacuumed_files), (0, 0));
    let some = world.rows(6, NOON, MINUTE);
    world.send(&some).await;
    rows.extend(some);
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
    assert!(world.maintain(&world.app()).await.foreign.is_some(), "a fresh worker sees it, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_a_table_lacks_are_added_before_anything_is_appended() {
    use deltalake::kernel::{DataType, StructField};
    let world = World::new().await;
    let root = Roots::new(world.store.clone(), world.url.clone()).open(&world.table.project);
    // A table as an older version made it: without most columns.
    let location = url::Url::parse("plimsoll://root--x-s3/otel_logs_and_spans/").expect("a url");
    let below: Arc<dyn object_store::ObjectStore> =
        Arc::new(object_store::prefix::PrefixStore::new(root.store.clone(), "otel_logs_and_spans"));
    let log_store = deltalake::logstore::default_logstore(below, root.store.clone(), &location, &Default::default());
    let text = |name: &str| StructField::nullable(name, DataType::STRING);
    deltalake::operations::create::CreateBuilder::new()
        .with_log_store(log_store)
        .with_columns([
            text("project_id"),
            StructField::nullable("date", DataType::DATE),
            text("signal"),
            StructField::nullable("timestamp", DataType::TIMESTAMP),
            text("id"),
        ])
        .with_partition_columns(["date", "signal"])
        .await
        .expect("created");
    assert!(matches!(world.snapshot().await.schema, lake::SchemaFit::Lacks(_)));
    let rows = world.rows(6, NOON, MINUTE);
    world.send(&rows).await;
    world.drain().await;
    assert_eq!(world.snapshot().await.schema, lake::SchemaFit::Fits);
    assert_eq!(world.in_table().await, exactly_once(&rows));
}
