//! More than a batch can take, and segments that nobody can build: lists are cut until all that can move has moved.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use compact::{Counter, Outcome};
use meta::Trigger;
use model::{DueRule, ProjectId, Segment, TableId, TableName};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::bent::{Bend, BentStore, Call};
use super::world::{DAY, MINUTE, NOON, Row, World, batch, exactly_once};

async fn send_each(world: &World, n: usize) -> Vec<Row> {
    let mut all = Vec::new();
    for _ in 0..n {
        let rows = world.rows(10, NOON, MINUTE);
        world.send(&rows).await;
        all.extend(rows);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_cut_to_what_decoded_rows_may_take() {
    // Bytes that decoded rows may take -> batches that twelve segments of some kilobytes become.
    for (decoded_bytes, batches) in [(u64::MAX, 1..=1), (2 << 10, 2..=11), (1, 12..=12)] {
        let mut world = World::new().await;
        world.settings.batch_decoded_bytes_max = decoded_bytes;
        let rows = send_each(&world, 12).await;
        let outcome = world.compact(&world.app()).await;
        let Outcome::Done(done) = outcome else { panic!("{outcome:?}") };
        assert_eq!((done.segments, done.rows, done.left), (12, 120, 0), "{decoded_bytes}");
        assert!(batches.contains(&done.commits), "{decoded_bytes}: {done:?}");
        world.drain().await;
        assert_eq!(world.in_table().await, exactly_once(&rows), "{decoded_bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_needs_more_memory_than_there_is_moves_all_the_same() {
    let mut world = World::new().await;
    world.settings.memory_bytes = 1;
    world.settings.due = DueRule::NOW;
    let projects = ["shop", "other", "third"].map(|id| ProjectId::parse(id).expect("an id"));
    let tables = projects.map(|project| TableId::new(project, world.table.table));
    let mut rows = Vec::new();
    for table in &tables {
        world.table = table.clone();
        let many = world.rows(40_000, NOON, 1_001);
        let segment = world.send(&many).await;
        // A build takes several times its segment's bytes, and there is the least that can be shared out: a megabyte.
        assert!(segment.bytes > 200_000, "{}", segment.bytes);
        rows.push(many);
    }
    let messages = tables.iter().cloned().map(Trigger::new).collect();
    for outcome in compact::handle(&world.app(), messages, world.deadline()).await {
        assert!(matches!(outcome, Outcome::Done(done) if done.rows == 40_000), "{outcome:?}");
    }
    for (table, rows) in tables.into_iter().zip(&rows) {
        world.table = table;
        assert!(world.in_table().await == exactly_once(rows), "{}", world.table);
    }
}

/// A segment that can be read, and whose rows no data file can hold: a column has a type of its own.
async fn send_unbuildable(world: &World) -> Segment {
    let sound = batch(&world.table, &world.rows(3, NOON, MINUTE));
    let columns = sound.schema_ref().fields().iter().zip(sound.columns()).map(|(field, column)| {
        let column = if field.name() == "name" {
            Arc::new(BooleanArray::from(vec![true; 3])) as ArrayRef
        } else {
            column.clone()
        };
        (field.name().clone(), column)
    });
    world.send_batch(&RecordBatch::try_from_iter(columns).expect("a batch")).await
}

#[derive(Clone, Copy, Debug)]
enum Culprit {
    /// Its build fails.
    Unbuildable,
    /// Its build panics: it has rows of a day whose data files kill whoever puts them.
    Deadly,
}

async fn send_culprit(world: &World, culprit: Culprit) -> Segment {
    match culprit {
        Culprit::Unbuildable => send_unbuildable(world).await,
        Culprit::Deadly => world.send(&world.rows(3, NOON - DAY, MINUTE)).await,
    }
}

async fn one_is_singled_out(culprit: Culprit, before: usize, after: usize) {
    let what = format!("{culprit:?}, {before} before it, {after} after it");
    let world = World::new().await;
    let mut rows = send_each(&world, before).await;
    let segment = send_culprit(&world, culprit).await;
    rows.extend(send_each(&world, after).await);
    let store = BentStore::over(&world.store);
    store.bend(|call, path| (call == Call::Put && path.contains("date=2026-11-19")).then_some(Bend::Panics));
    let app = world.app_on(store);
    let outcome = world.compact(&app).await;
    let Outcome::Done(done) = outcome else { panic!("{what}: {outcome:?}") };
    assert_eq!((done.quarantined, done.left, done.rows), (1, 0, rows.len() as u64), "{what}: {done:?}");
    assert_eq!(app.counters.get(Counter::FailedAttempts), 3 * u64::from(done.voids), "{what}");
    assert!((2..=9).contains(&done.voids), "{what}: {done:?}");
    let bad = world.ledger().quarantined(&world.table).await.expect("read");
    assert_eq!(bad.iter().map(|bad| &bad.segment.id).collect::<Vec<_>>(), [&segment.id], "{what}");
    assert!(bad[0].reason.contains("3 attempts"), "{what}: {}", bad[0].reason);
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_get_smaller_until_the_one_segment_that_fails_is_alone() {
    for culprit in [Culprit::Unbuildable, Culprit::Deadly] {
        for (before, after) in [(0, 1), (0, 12), (5, 6), (20, 0)] {
            one_is_singled_out(culprit, before, after).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_fails_with_nothing_beside_it_is_quarantined_and_the_table_goes_on() {
    let world = World::new().await;
    let culprit = send_unbuildable(&world).await;
    let outcome = world.compact(&world.app()).await;
    assert!(matches!(outcome, Outcome::Done(done) if done.voids == 2 && done.quarantined == 1), "{outcome:?}");
    let bad = world.ledger().quarantined(&world.table).await.expect("read");
    assert_eq!(bad[0].segment.id, culprit.id);
    let rows = send_each(&world, 1).await;
    world.drain().await;
    assert_eq!(world.in_table().await, exactly_once(&rows));
}

/// What can become of a segment's object.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Corrupt,
    Truncated,
    Missing,
}

async fn damage(world: &World, segment: &Segment, damage: Damage) {
    let key = Path::from(format!("{}/{}", world.table.project, segment.key));
    let bytes = world.store.get(&key).await.expect("there").bytes().await.expect("bytes");
    let bytes = match damage {
        Damage::Missing => return world.store.delete(&key).await.expect("deleted"),
        Damage::Truncated => bytes.slice(..bytes.len() - 1),
        Damage::Corrupt => bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>().into(),
    };
    world.store.put(&key, bytes.into()).await.expect("overwritten");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_damaged_segment_the_projects_other_table_and_other_projects_flow() {
    for kind in [Damage::Corrupt, Damage::Truncated, Damage::Missing] {
        let mut world = World::new().await;
        world.settings.due = DueRule::NOW;
        let shop = world.table.clone();
        let metrics = TableId::new(shop.project.clone(), TableName::Metrics);
        let other = TableId::new(ProjectId::parse("other").expect("an id"), shop.table);
        let mut rows = Vec::new();
        for table in [&shop, &other] {
            world.table = table.clone();
            rows.push(send_each(&world, 2).await);
        }
        world.table = metrics.clone();
        let points = batch(&metrics, &world.rows(5, NOON, MINUTE));
        let keys: Vec<_> = ["project_id", "date", "timestamp"]
            .map(|name| points.schema_ref().index_of(name).expect("a column"))
            .into();
        world.send_batch(&points.project(&keys).expect("a batch")).await;
        world.table = shop.clone();
        let bad = world.send_some().await;
        damage(&world, &bad, kind).await;
        let messages = [&shop, &metrics, &other].map(|table| Trigger::new(table.clone())).into();
        let outcomes = compact::handle(&world.app(), messages, world.deadline()).await;
        let did: Vec<_> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Done(done) => (done.rows, done.quarantined, done.left),
                other => panic!("{kind:?}: {other:?}"),
            })
            .collect();
        assert_eq!(did, [(20, 1, 0), (5, 0, 0), (20, 0, 0)], "{kind:?}");
        let reasons = world.ledger().quarantined(&shop).await.expect("read");
        assert!(reasons[0].reason.contains(&bad.key), "{kind:?}: {}", reasons[0].reason);
        for (table, rows) in [shop, other].into_iter().zip(&rows) {
            world.table = table;
            assert_eq!(world.in_table().await, exactly_once(rows), "{kind:?}: {}", world.table);
        }
    }
}
