//! Projects in the metadata store.

use std::sync::Arc;

use clock::{Clock, ManualClock};
use meta::projects::{CONNECTED_AGE_MAX, ProjectError, Projects, SETTINGS_AGE_MAX, WAITING_AGE_MAX};
use meta::{Attributes, ItemKey, ItemStore, Operation, StoreError};
use model::storage::{BucketName, BucketPrefix, Connected, ExternalId, OwnersBucket, Region, RoleArn};
use model::{ProjectId, ProjectSettings, Storage};
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

fn place(bucket: &str, prefix: &str, role: &str) -> Connected {
    Connected {
        bucket: BucketName::parse(bucket).expect("a name"),
        region: Region::parse("eu-central-1").expect("a region"),
        prefix: BucketPrefix::parse(prefix).expect("a prefix"),
        role_arn: RoleArn::parse(&format!("arn:aws:iam::123456789012:role/plimsoll-byo-{role}")).expect("a role"),
        kms_key_arn: None,
        connected_at: 1,
        marked_by: None,
    }
}

#[tokio::test]
async fn storage_is_chosen_at_the_start_and_what_was_stored_before_there_was_a_choice_is_own() {
    let w = world();
    w.projects.create(&id("own"), "own").await.expect("created");
    let stored = w.store.get(&ItemKey::new("projects", "own")).await.expect("read").expect("there");
    assert!(!stored.attributes.contains_key("storage"), "as before: {:?}", stored.attributes);
    assert_eq!(*w.projects.storage(&id("own")).await.expect("read"), Storage::Own);

    let external_id = ExternalId::from_random(&[7; 32]);
    w.projects.create_for_bucket(&id("acme"), "acme", external_id.clone()).await.expect("created");
    let waiting = Storage::Bucket(OwnersBucket { external_id, connected: None });
    assert_eq!(*w.projects.storage(&id("acme")).await.expect("read"), waiting);
    let changed = w.projects.update(&id("acme"), |project| project.storage = Storage::Own).await.expect("updated");
    assert_eq!(changed.storage, waiting, "no change of settings changes it");

    let none = w.projects.storage(&id("none")).await.expect_err("never taken for own");
    assert!(matches!(none, StoreError::Invalid(_)), "{none}");
    w.projects.create_for_bucket(&id("none"), "none", ExternalId::from_random(&[8; 32])).await.expect("created");
    assert!(w.projects.storage(&id("none")).await.expect("read").bucket().is_some());
}

#[tokio::test]
async fn bucket_and_prefix_stay_once_they_are_connected() {
    let w = world();
    let external_id = ExternalId::from_random(&[7; 32]);
    w.projects.create_for_bucket(&id("acme"), "acme", external_id.clone()).await.expect("created");
    w.projects.create(&id("own"), "own").await.expect("created");
    let first = place("acme-data", "a/b", "acme");
    let connect = |project: &str, external_id: &ExternalId, to: &Connected| {
        let (project, external_id, to) = (id(project), external_id.clone(), to.clone());
        let projects = &w.projects;
        async move { projects.connect(&project, &external_id, &to).await }
    };
    assert!(matches!(connect("own", &external_id, &first).await, Err(ProjectError::NoBucket(_))));
    assert!(matches!(connect("none", &external_id, &first).await, Err(ProjectError::Missing(_))));
    let another_id = ExternalId::from_random(&[8; 32]);
    assert!(
        matches!(connect("acme", &another_id, &first).await, Err(ProjectError::Contended(_))),
        "checked with another"
    );
    connect("acme", &external_id, &first).await.expect("connected");
    for other in [place("other-data", "a/b", "acme"), place("acme-data", "a", "acme")] {
        assert!(matches!(connect("acme", &external_id, &other).await, Err(ProjectError::OtherBucket { .. })));
    }
    let role = place("acme-data", "a/b", "second");
    connect("acme", &external_id, &role).await.expect("another role");
    let storage = w.projects.storage(&id("acme")).await.expect("read");
    assert_eq!(storage.bucket().and_then(|bucket| bucket.connected.clone()), Some(role));
}

#[tokio::test]
async fn other_processes_see_a_connected_bucket_within_seconds_and_another_role_within_its_age() {
    let w = world();
    let external_id = ExternalId::from_random(&[7; 32]);
    w.projects.create_for_bucket(&id("acme"), "acme", external_id.clone()).await.expect("created");
    let other = Projects::new(Arc::clone(&w.store), w.clock.clone());
    let role_seen = async || {
        let storage = other.storage(&id("acme")).await.expect("read");
        storage.bucket().and_then(|bucket| bucket.connected.as_ref()).map(|at| at.role_arn.to_string())
    };
    assert_eq!(role_seen().await, None);
    w.projects.connect(&id("acme"), &external_id, &place("acme-data", "", "first")).await.expect("connected");
    w.clock.advance(WAITING_AGE_MAX);
    assert!(role_seen().await.expect("connected").ends_with("first"));
    w.projects.connect(&id("acme"), &external_id, &place("acme-data", "", "second")).await.expect("connected");
    assert!(role_seen().await.expect("connected").ends_with("first"), "remembered");
    w.clock.advance(CONNECTED_AGE_MAX);
    assert!(role_seen().await.expect("connected").ends_with("second"));
}
