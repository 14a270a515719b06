//! Rounds of upkeep over all projects, and answers of queries that go after a day.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use compact::{Chores, Deadline, Round, maintain_all};
use futures::TryStreamExt;
use meta::projects::Projects;
use model::ProjectId;
use object_store::{ObjectStore, ObjectStoreExt};
use objects::result_key;

use super::world::{NOON, World};

const HOUR: Duration = Duration::from_secs(3_600);

async fn results(world: &World) -> Vec<String> {
    let all: Vec<_> = world.store.list(None).try_collect().await.unwrap();
    let names = all.into_iter().map(|object| object.location.to_string());
    names.filter(|name| name.contains("/results/")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_queries_go_a_day_after_they_were_written() {
    let world = World::new().await;
    let app = world.app();
    let root = app.roots.open(&world.table.project);
    let put = async |id: &str| {
        root.store.put(&result_key(world.clock.now(), id, "csv"), "a,b".into()).await.unwrap();
    };
    put("first").await;
    world.advance(20 * HOUR);
    put("second").await;
    let stray = object_store::path::Path::from("results/notes/readme.txt");
    root.store.put(&stray, "not of ours, and not kept either".into()).await.unwrap();
    let round = async |chores| maintain_all(&app, chores, world.deadline()).await.unwrap();

    assert_eq!(round(Chores::Removal).await, Round { projects: 1, failed: 0, left: 0 });
    assert_eq!(results(&world).await.len(), 3, "all are younger than a day");
    world.advance(5 * HOUR);
    round(Chores::Merging).await;
    assert_eq!(results(&world).await.len(), 3, "merging removes nothing");
    round(Chores::Removal).await;
    let left = results(&world).await;
    assert!(left.len() == 2 && left.iter().all(|name| !name.contains("first")), "{left:?}");
    world.advance(24 * HOUR);
    round(Chores::All).await;
    assert_eq!(results(&world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_merges_or_removes_and_all_does_both() {
    let world = World::new().await;
    let app = world.app();
    for _ in 0..4 {
        world.send(&world.rows(10, NOON, 1_000)).await;
        world.drain().await;
    }
    world.advance(72 * HOUR);
    let files = async || world.snapshot().await.files.len();
    let (before, landed) = (files().await, world.landing_objects().await);
    assert!(before >= 8 && landed == 4, "{before} {landed}");

    maintain_all(&app, Chores::Merging, world.deadline()).await.unwrap();
    let merged = files().await;
    assert!(merged < before, "{merged}");
    let on_disk = world.data_files_on_disk().await.len();
    assert_eq!((on_disk, world.landing_objects().await), (before + merged, landed), "nothing was removed");

    world.advance(30 * HOUR);
    maintain_all(&app, Chores::Removal, world.deadline()).await.unwrap();
    assert_eq!(files().await, merged);
    assert_eq!((world.data_files_on_disk().await.len(), world.landing_objects().await), (merged, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_runs_out_of_time_says_what_is_left_and_the_next_begins_elsewhere() {
    let mut world = World::new().await;
    world.settings.deadline_margin = Duration::from_secs(20);
    let projects = Projects::new(world.items.clone(), world.clock.clone() as Arc<dyn Clock>);
    for n in 0..9 {
        projects.create(&ProjectId::parse(&format!("p{n}")).unwrap(), "one of many").await.unwrap();
    }
    let app = world.app();
    let late = Deadline::after(world.clock.as_ref(), Duration::from_secs(19));
    let round = maintain_all(&app, Chores::All, late).await.unwrap();
    assert_eq!(round, Round { projects: 10, failed: 0, left: 10 });
    assert_eq!(projects.ids().await.unwrap().len(), 10);
}
