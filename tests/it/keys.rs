//! API keys in the metadata store.

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids, ManualClock, RandomIds};
use meta::keys::{CALLER_AGE_MAX, Enrolled, KeyId, Keys, NewKey, REVOKED_KEPT, Reach};
use meta::{Attributes, ItemKey, ItemStore, Operation};
use model::{ProjectId, Scope, Scopes};
use serde_json::json;
use testkit::MemoryItems;

struct World {
    clock: Arc<ManualClock>,
    store: Arc<MemoryItems>,
    keys: Keys,
}

fn world() -> World {
    let clock = Arc::new(ManualClock::new(1_763_600_000_000_000));
    let store = Arc::new(MemoryItems::new(clock.clone()));
    let keys = process(&store, &clock);
    World { clock, store, keys }
}

/// One more process with a cache of its own.
fn process(store: &Arc<MemoryItems>, clock: &Arc<ManualClock>) -> Keys {
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    Keys::new(Arc::clone(store) as Arc<dyn ItemStore>, Arc::clone(clock) as Arc<dyn Clock>, ids)
}

fn project(text: &str) -> ProjectId {
    ProjectId::parse(text).expect("an id")
}

fn new(project_id: &str, scopes: &[Scope]) -> NewKey {
    NewKey {
        project: project(project_id),
        scopes: Scopes::from(scopes.to_vec()),
        reach: Reach::Project,
        name: "a key".into(),
    }
}

#[tokio::test]
async fn a_key_says_who_calls_and_its_secret_is_nowhere() {
    let w = world();
    let (key, secret) = w.keys.create(new("shop", &[Scope::Read, Scope::Ingest])).await.expect("created");
    assert!(secret.reveal().starts_with("pl_ir_"), "{}", secret.reveal());
    let caller = w.keys.authenticate(secret.reveal()).await.expect("asked").expect("known");
    assert_eq!((&caller.key, &caller.project, caller.reach), (&key.id, &project("shop"), Reach::Project));
    assert!(caller.scopes.allows(Scope::Ingest) && caller.scopes.allows(Scope::Read));
    assert!(!caller.scopes.allows(Scope::Admin));
    let stored = format!("{:?}", w.store.all());
    assert!(!stored.contains(secret.reveal()), "{stored}");
    assert!(!stored.contains(&secret.reveal()[12..]), "beyond the hint nothing of it is stored");
}

#[tokio::test]
async fn a_secret_that_is_almost_right_is_nobodys() {
    let w = world();
    let (_, secret) = w.keys.create(new("shop", &[Scope::Read])).await.expect("created");
    let right = secret.reveal();
    let mut wrong = vec![
        String::new(),
        right[..right.len() - 1].to_owned(),
        format!("{right}x"),
        right.to_uppercase(),
        right.replacen("pl_r_", "pl_a_", 1),
        format!(" {right}"),
        "pl_r_".to_owned(),
        "x".repeat(100_000),
    ];
    let last = if right.ends_with('A') { "B" } else { "A" };
    wrong.push(format!("{}{last}", &right[..right.len() - 1]));
    for secret in wrong {
        // Twice: the second answer comes from memory.
        for _ in 0..2 {
            assert_eq!(w.keys.authenticate(&secret).await.expect("asked"), None);
        }
    }
    assert!(w.keys.authenticate(right).await.expect("asked").is_some());
}

#[tokio::test]
async fn a_revoked_key_stops_here_at_once_and_elsewhere_within_a_minute() {
    let w = world();
    let elsewhere = process(&w.store, &w.clock);
    let (key, secret) = w.keys.create(new("shop", &[Scope::Ingest])).await.expect("created");
    for keys in [&w.keys, &elsewhere] {
        assert!(keys.authenticate(secret.reveal()).await.expect("asked").is_some());
    }
    let revoked = w.keys.revoke(&key.id).await.expect("revoked").expect("there");
    assert_eq!(revoked.revoked_at, Some(w.clock.now()));
    assert_eq!(w.keys.authenticate(secret.reveal()).await.expect("asked"), None);
    assert!(CALLER_AGE_MAX < Duration::from_secs(60));
    w.clock.advance(CALLER_AGE_MAX);
    assert_eq!(elsewhere.authenticate(secret.reveal()).await.expect("asked"), None);

    w.clock.advance(Duration::from_secs(5));
    let again = elsewhere.revoke(&key.id).await.expect("asked").expect("still listed");
    assert_eq!(again.revoked_at, revoked.revoked_at, "revoking twice changes nothing");
    assert_eq!(w.keys.revoke(&KeyId::parse(&"0".repeat(32)).expect("an id")).await.expect("asked"), None);
}

#[tokio::test]
async fn a_list_shows_the_keys_of_its_project_oldest_first_and_forgets_revoked_ones_late() {
    let w = world();
    let mut made = Vec::new();
    for (n, owner) in ["shop", "shop", "other", "shop"].into_iter().enumerate() {
        w.clock.advance(Duration::from_secs(n as u64));
        made.push(w.keys.create(new(owner, &[Scope::Read])).await.expect("created").0);
    }
    w.keys.revoke(&made[1].id).await.expect("revoked");
    let list = async || {
        let first = w.keys.list(&project("shop"), None, 2).await.expect("listed");
        let Some(next) = first.next else { return first.keys };
        let rest = w.keys.list(&project("shop"), Some(&next), 2).await.expect("listed");
        assert_eq!(rest.next, None);
        [first.keys, rest.keys].concat()
    };
    let listed = list().await;
    let ids: Vec<_> = listed.iter().map(|key| &key.id).collect();
    assert_eq!(ids, [&made[0].id, &made[1].id, &made[3].id]);
    assert_eq!(listed[0], made[0]);
    assert!(listed[1].revoked_at.is_some() && listed[2].revoked_at.is_none());
    w.clock.advance(REVOKED_KEPT);
    assert_eq!(list().await.len(), 2);
}

/// As the first release wrote it; the secret is `pl_i_` and 43 times `A`.
#[tokio::test]
async fn stored_keys_still_work() {
    let w = world();
    let secret = format!("pl_i_{}", "A".repeat(43));
    let sha256 = "6ca3a9f9fd75dbe58955855ce19535f980570396080a1471a7d2f851a09657da";
    let stored = json!({"v": 1, "sha256": sha256, "project": "shop", "scopes": ["ingest"], "reach": "installation",
        "name": "old", "hint": "pl_i_AAAAAA", "created_at": 1_763_600_000_000_000_i64, "revoked_at": null});
    let attributes: Attributes = stored.as_object().expect("an object").clone();
    let key = ItemKey::new(format!("key/{}", &sha256[..32]), "key");
    w.store.write(Operation::put(key, attributes)).await.expect("put");
    let caller = w.keys.authenticate(&secret).await.expect("asked").expect("known");
    assert_eq!((caller.project.as_str(), caller.reach), ("shop", Reach::Installation));
}

#[tokio::test]
async fn a_drawn_secret_works_once_it_is_enrolled_and_only_what_stands_is_said_then() {
    let w = world();
    let secret = w.keys.draw(&Scopes::from(vec![Scope::Read]));
    assert_eq!(w.keys.authenticate(secret.reveal()).await.expect("asked"), None);
    let now = w.keys.enroll(new("shop", &[Scope::Read]), &secret).await.expect("enrolled");
    let Enrolled::Now(key) = now else { panic!("{now:?}") };
    // Whoever asked too early remembers that for a moment.
    w.clock.advance(Duration::from_secs(10));
    assert!(w.keys.authenticate(secret.reveal()).await.expect("asked").is_some());

    let other = NewKey { name: "another name".into(), ..new("shop", &[Scope::Read]) };
    assert_eq!(w.keys.enroll(other.clone(), &secret).await.expect("asked"), Enrolled::Before(key.clone()));
    w.keys.revoke(&key.id).await.expect("revoked");
    let Enrolled::Before(stands) = w.keys.enroll(other, &secret).await.expect("asked") else { panic!("made again") };
    assert!(stands.revoked_at.is_some());
    w.clock.advance(CALLER_AGE_MAX);
    assert_eq!(w.keys.authenticate(secret.reveal()).await.expect("asked"), None, "a revoked key stays revoked");
}
