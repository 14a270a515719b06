//! Messages of a queue: each table once, and only those that may help come again.

use std::time::Duration;

use compact::{Deadline, Fate};
use meta::Trigger;
use model::{TableId, TableName};
use serde_json::json;

use super::world::{World, exactly_once};
use crate::stores::{Effect, Faults};

fn trigger(table: &TableId) -> String {
    serde_json::to_string(&Trigger::new(table.clone())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_table_is_seen_to_once_and_what_is_no_trigger_leaves() {
    let mut world = World::new().await;
    world.settings.due.age = 0;
    let rows = world.rows(10, super::world::NOON, 1_000);
    world.send(&rows).await;
    let app = world.app();
    let table = trigger(&world.table);
    let metrics = trigger(&TableId::new(world.table.project.clone(), TableName::Metrics));
    let newer = json!({"v": 9, "project": "shop", "table": "otel_metrics"}).to_string();
    let unknown = json!({"v": 1, "project": "shop", "table": "otel_dreams"}).to_string();
    let bodies = [table.as_str(), "", &metrics, &table, &newer, "{}", &unknown, &table];
    let fates = compact::see_to(&app, &bodies, world.deadline()).await;
    let again = fates.iter().enumerate().filter(|(_, fate)| **fate == Fate::ComesAgain).map(|(place, _)| place);
    assert_eq!(again.collect::<Vec<_>>(), [4], "a newer version reads it");
    assert_eq!(world.in_table().await, exactly_once(&rows));
    let lease = world.ledger().read_lease(&world.table).await.unwrap().unwrap();
    assert_eq!(lease.fence, 1, "three messages of one table are one turn");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_time_left_nothing_is_begun_and_nothing_comes_again() {
    let mut world = World::new().await;
    world.settings.due.age = 0;
    world.settings.deadline_margin = Duration::from_secs(20);
    world.send_some().await;
    let app = world.app();
    let table = trigger(&world.table);
    let late = Deadline::after(world.clock.as_ref(), Duration::from_secs(10));
    assert_eq!(compact::see_to(&app, &[&table], late).await, [Fate::Leaves], "the sweeper finds it");
    assert_eq!(world.ledger().read(&world.table).await.unwrap().unlisted().len(), 1);
    assert!(world.ledger().read_lease(&world.table).await.unwrap().is_none(), "its turn was not even begun");
    assert_eq!(compact::see_to(&app, &[&table], world.deadline()).await, [Fate::Leaves]);
    assert!(world.ledger().read(&world.table).await.unwrap().unlisted().is_empty());
}

/// Most triggers find a table that is not due: this is what each of them costs.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_due_costs_four_reads_of_the_ledger_and_no_lease() {
    let world = World::new().await;
    world.send_some().await;
    let faults = Faults::none();
    let app = world.faulty_app(&faults);
    let table = trigger(&world.table);
    assert_eq!(compact::see_to(&app, &[&table, &table], world.deadline()).await, [Fate::Leaves; 2]);
    assert_eq!(faults.calls(), [Effect::Reads; 4], "stop, batches, live segments, mark");
    assert!(world.ledger().read_lease(&world.table).await.unwrap().is_none());
}
