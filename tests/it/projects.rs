//! Projects in the metadata store.

use std::sync::Arc;

use clock::{Clock, ManualClock};
use meta::projects::{ProjectError, Projects, SETTINGS_AGE_MAX};
use meta::{Attributes, ItemKey, ItemStore, Operation, StoreError};
use model::{ProjectId, ProjectSettings};
use serde_json::json;
use testkit::MemoryItems;

struct World {
    clock: Arc<ManualClock>,
    store: Arc<dyn ItemStore>,
    projects: Projects,
}

fn world() -> World {
    let clock = Arc::new(ManualClock::new(1_763_600_000_000_000));
    let store: Arc<dyn ItemStore> = Arc::new(MemoryItems::new(clock.clone()));
    let projects = Projects::new(Arc::clone(&store), clock.clone());
    World { clock, store, projects }
}

fn id(text: &str) -> ProjectId {
    ProjectId::parse(text).expect("an id")
}

#[tokio::test]
async fn an_id_is_given_once() {
    let w = world();
    let made = w.projects.create(&id("shop"), "The shop").await.expect("created");
    assert_eq!((made.name.as_str(), made.created_at), ("The shop", w.clock.now()));
    assert_eq!(w.projects.get(&id("shop")).await.expect("read"), Some(made));
    let again = w.projects.create(&id("shop"), "Another").await.expect_err("taken");
    assert!(matches!(&again, ProjectError::Taken(taken) if *taken == id("shop")), "{again}");
    assert_eq!(w.projects.get(&id("none")).await.expect("read"), None);
}

#[tokio::test]
async fn projects_list_by_id_in_pages() {
    let w = world();
    for name in ["c", "a", "b-1", "b"] {
        w.projects.create(&id(name), name).await.expect("created");
    }
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = w.projects.list(after.as_deref(), 3).await.expect("listed");
        ids.extend(page.projects.into_iter().map(|project| project.id.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["a", "b", "b-1", "c"]);
}

#[tokio::test]
async fn settings_change_whole_and_are_seen_within_their_age() {
    let w = world();
    w.projects.create(&id("shop"), "shop").await.expect("created");
    assert_eq!(*w.projects.settings(&id("shop")).await.expect("read"), ProjectSettings::default());

    let other = Projects::new(Arc::clone(&w.store), w.clock.clone());
    let changed =
        other.update(&id("shop"), |project| project.settings.retention_days_metrics = 7).await.expect("changed");
    assert_eq!((changed.settings.retention_days_metrics, changed.settings.retention_days_logs_and_spans), (7, 30));
    assert_eq!(other.settings(&id("shop")).await.expect("read").retention_days_metrics, 7, "here at once");
    assert_eq!(w.projects.settings(&id("shop")).await.expect("read").retention_days_metrics, 90, "still remembered");
    w.clock.advance(SETTINGS_AGE_MAX);
    assert_eq!(w.projects.settings(&id("shop")).await.expect("read").retention_days_metrics, 7);

    let missing = w.projects.update(&id("none"), |_| ()).await.expect_err("missing");
    assert!(matches!(missing, ProjectError::Missing(_)), "{missing}");
    assert!(matches!(w.projects.settings(&id("none")).await, Err(StoreError::Invalid(_))));
}

#[tokio::test]
async fn two_changes_at_once_are_both_kept() {
    let w = Arc::new(world());
    w.projects.create(&id("shop"), "shop").await.expect("created");
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let w = Arc::clone(&w);
            tokio::spawn(async move {
                w.projects.update(&id("shop"), |project| project.settings.requests_per_second_max += 1).await
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("changed");
    }
    assert_eq!(w.projects.settings(&id("shop")).await.expect("read").requests_per_second_max, 2_004);
}

/// As the first release wrote it, with settings of today and of an earlier day that lacks some.
#[tokio::test]
async fn stored_projects_still_read() {
    let w = world();
    let stored = json!({"v": 1, "name": "Old", "created_at": 1_763_600_000_000_000_i64,
        "settings": {"retention_days_metrics": 5}});
    let attributes: Attributes = stored.as_object().expect("an object").clone();
    w.store.write(Operation::put(ItemKey::new("projects", "old"), attributes)).await.expect("put");
    let project = w.projects.get(&id("old")).await.expect("read").expect("there");
    assert_eq!(project.settings, ProjectSettings { retention_days_metrics: 5, ..ProjectSettings::default() });
    assert_eq!((project.name.as_str(), project.created_at), ("Old", 1_763_600_000_000_000));
}
