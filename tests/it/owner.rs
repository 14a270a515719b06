//! Whose a root is: two installations never work on the same objects, and who has lost a ledger goes on with the data only by
//! saying so.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws::S3Root;
use clock::{Clock, RandomIds, SystemClock};
use local::serve::{Aws, BucketDoors, Root, ServeConfig, Server};
use meta::{ItemKey, ItemStore, Operation};
use model::{InstallationId, Signal};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use prost::Message;
use serde_json::{Value, json};
use testkit::telemetry::{self, Sample};
use testkit::{MemoryBuckets, MemoryItems};
use tests::cloud::Emulators;
use tests::{Binary, Reply, World, eventually};
use tokio::runtime::Runtime;

const SPANS: usize = 40;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(local::STACK_BYTES)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A bucket of its own for each test.
fn fresh_root() -> S3Root {
    let bucket = runtime().block_on(Emulators::shared().bucket());
    format!("s3://{bucket}/data").parse().expect("a root")
}

fn set(config: &mut ServeConfig, root: &S3Root) {
    config.root = Root::S3(root.clone());
    config.aws = Aws::given(Emulators::shared().cloud());
    config.buckets = config.aws.clone().into();
}

fn on(data: &std::path::Path, root: &S3Root) -> ServeConfig {
    let any_port = "127.0.0.1:0".parse().expect("an address");
    let mut config = ServeConfig { otlp_listen: any_port, listen: any_port, ..ServeConfig::new(data) };
    set(&mut config, root);
    config
}

async fn start(config: ServeConfig) -> Result<(), String> {
    let server = Server::start(config).await.map_err(|error| error.to_string())?;
    server.stop().await;
    Ok(())
}

/// Exit code and output of `plimsoll doctor`.
fn doctor(data: &std::path::Path) -> (Option<i32>, String) {
    let mut plimsoll = Command::new(Binary::path());
    plimsoll.args(["doctor", "--data"]).arg(data).envs(Emulators::shared().variables());
    let output = plimsoll.output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn doctor_looks_whose_the_root_of_a_data_folder_is() {
    let (runtime, root) = (runtime(), fresh_root());
    let (first, second) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    runtime.block_on(start(on(first.path(), &root))).expect("nobody's until now");
    let (code, said) = doctor(first.path());
    assert!(code == Some(0) && said.contains("this data folder"), "{said}");

    let base = Emulators::shared().cloud().root_store(&root).expect("a store");
    let mark = Path::from("_plimsoll/owner.json");
    runtime.block_on(base.delete(&mark)).expect("deleted");
    let (code, said) = doctor(first.path());
    assert!(code == Some(1) && said.contains("does not bear the mark") && said.contains("plimsoll repair"), "{said}");

    runtime.block_on(start(on(second.path(), &root))).expect("nobody's again");
    let (code, said) = doctor(first.path());
    assert_eq!(code, Some(1), "{said}");
    for word in ["belongs to another Plimsoll", "--take-over", &second.path().display().to_string()] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// The id that stands behind `--take-over` in a refusal.
fn owner_in(refusal: &str) -> InstallationId {
    let (_, id) = refusal.split_once("--take-over ").unwrap_or_else(|| panic!("{refusal}"));
    InstallationId::parse(&id[..32]).expect("an id")
}

#[test]
fn a_second_data_folder_on_the_same_root_is_turned_away_and_told_whose_it_is() {
    let (runtime, root) = (runtime(), fresh_root());
    let (first, second) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    runtime.block_on(start(on(first.path(), &root))).expect("nobody's until now");
    let refused = runtime.block_on(start(on(second.path(), &root))).expect_err("the first one's");
    let folder = first.path().canonicalize().expect("it is there").display().to_string();
    for word in [folder.as_str(), &root.to_string(), "since 20", "another/prefix", "plimsoll repair"] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    runtime.block_on(start(on(first.path(), &root))).expect("still its own");
    let beside: S3Root = format!("s3://{}/another", root.bucket()).parse().expect("a root");
    runtime.block_on(start(on(second.path(), &beside))).expect("a prefix of its own");
}

#[test]
fn a_data_folder_restored_from_a_backup_is_let_in() {
    let (runtime, root) = (runtime(), fresh_root());
    let (first, backup) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    runtime.block_on(start(on(first.path(), &root))).expect("nobody's until now");
    for name in ["metadata.db", "credentials.json"] {
        std::fs::copy(first.path().join(name), backup.path().join(name)).expect("copied");
    }
    drop(first);
    runtime.block_on(start(on(backup.path(), &root))).expect("the same ledger");
}

#[test]
fn of_two_first_starts_at_once_one_wins() {
    let (runtime, root) = (runtime(), fresh_root());
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().expect("a folder")).collect();
    let starts = folders.iter().map(|folder| runtime.spawn(start(on(folder.path(), &root)))).collect::<Vec<_>>();
    let ended = starts.into_iter().map(|start| runtime.block_on(start).expect("no panic"));
    let (won, lost): (Vec<_>, Vec<_>) = ended.partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 3), "{lost:?}");
    let owners: Vec<_> = lost.into_iter().map(|lost| owner_in(&lost.expect_err("it lost"))).collect();
    assert!(owners.iter().all(|owner| *owner == owners[0]), "all are told of the same one");
}

fn send(world: &World, seed: u64) {
    let sample = Sample { seed, n: SPANS, start_unix_nano: SystemClock.now() as u64 * 1_000 };
    let reply = world.export(Signal::Traces, &telemetry::traces(&sample).encode_to_vec());
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn who_has_lost_the_ledger_takes_the_data_over_and_finds_all_of_it_after_a_repair() {
    let (runtime, root) = (runtime(), fresh_root());
    let lost = World::with_small_files(|config| set(config, &root));
    (0..3).for_each(|seed| send(&lost, seed));
    lost.compact();
    eventually("compacted", Duration::from_secs(60), || lost.status()["tables"][0]["live_segments"] == 0);
    // Known to the ledger alone.
    (3..5).for_each(|seed| send(&lost, seed));
    let before = lost.count("otel_logs_and_spans");
    assert_eq!(before, 5 * SPANS as u64);
    drop(lost);

    let folder = tempfile::tempdir().expect("a folder");
    let refused = runtime.block_on(start(on(folder.path(), &root))).expect_err("another ledger");
    let owner = owner_in(&refused);
    let other = InstallationId::from_random(&[7; 32]);
    let wrong = ServeConfig { take_over: Some(other), ..on(folder.path(), &root) };
    assert_eq!(owner_in(&runtime.block_on(start(wrong)).expect_err("not the one that was named")), owner);

    let mut world = World::with_small_files(|config| {
        set(config, &root);
        config.take_over = Some(owner.clone());
    });
    let repaired = world.api("POST", "/api/v1/repair", &world.keys.admin_key, Some(&json!({})));
    assert_eq!(repaired.status, 200, "{}", repaired.text());
    assert_eq!(world.count("otel_logs_and_spans"), before, "{}", repaired.text());
    send(&world, 9);
    world.compact();
    assert_eq!(world.count("otel_logs_and_spans"), before + SPANS as u64);
    // The argument that is left in a script does nothing any more.
    world.restart();
    let late = ServeConfig { take_over: Some(owner), ..on(folder.path(), &root) };
    runtime.block_on(start(late)).expect_err("it has another owner by now");
}

const BUCKET: &str = "acme-telemetry";

/// An installation, with project `acme` in a bucket to come.
fn installation(buckets: &MemoryBuckets) -> (World, String) {
    let doors = BucketDoors { open: Arc::new(buckets.clone()), check: Arc::new(buckets.clone()) };
    let world = World::with_small_files(|config| config.buckets = doors);
    let made = admin(&world, "POST", "/api/v1/projects", &json!({ "id": "acme", "storage": "bucket" }));
    assert_eq!(made.status, 201, "{}", made.text());
    let external_id = made.json()["storage"]["external_id"].as_str().expect("an external id").to_owned();
    (world, external_id)
}

fn admin(world: &World, method: &str, path: &str, body: &Value) -> Reply {
    world.api(method, path, &world.keys.admin_key, Some(body))
}

fn connect(world: &World, place: &Value) -> Reply {
    admin(world, "PUT", "/api/v1/projects/acme/bucket", place)
}

fn place(prefix: &str, role: &str) -> Value {
    let role_arn = format!("arn:aws:iam::123456789012:role/plimsoll-byo-{role}");
    json!({ "bucket": BUCKET, "region": "eu-central-1", "prefix": prefix, "role_arn": role_arn })
}

#[test]
fn a_customers_folder_belongs_to_the_installation_that_connected_it_first() {
    let buckets = MemoryBuckets::default();
    buckets.make_bucket(BUCKET);
    let (first, second) = (installation(&buckets), installation(&buckets));
    for ((_, external_id), role) in [(&first, "first"), (&second, "second")] {
        buckets.trust(place("", role)["role_arn"].as_str().expect("text"), external_id);
    }
    let taken = connect(&first.0, &place("tele/metry", "first"));
    assert_eq!(taken.status, 200, "{}", taken.text());
    assert_eq!(first.0.block_on(buckets.paths(BUCKET)), ["tele/metry/acme/_plimsoll/owner.json"]);

    let refused = connect(&second.0, &place("tele/metry", "second"));
    assert_eq!(refused.status, 400, "{}", refused.text());
    for word in ["belongs to another Plimsoll", "since 20", "--prefix", "--take-over", "data folder"] {
        assert!(refused.text().contains(word), "{word}: {}", refused.text());
    }
    let beside = connect(&second.0, &place("another", "second"));
    assert_eq!(beside.status, 200, "{}", beside.text());
    let check = admin(&first.0, "POST", "/api/v1/projects/acme/bucket/check", &json!({}));
    let owner = check.json()["checks"].as_array().expect("checks").iter().find(|c| c["check"] == "owner").cloned();
    assert_eq!(owner.expect("the owner is looked at")["found"], "this installation");
}

#[test]
fn a_customers_folder_is_taken_over_by_naming_whose_it_was() {
    let buckets = MemoryBuckets::default();
    buckets.make_bucket(BUCKET);
    let (first, second) = (installation(&buckets), installation(&buckets));
    for ((world, external_id), role) in [(&first, "first"), (&second, "second")] {
        let place = place("tele/metry", role);
        buckets.trust(place["role_arn"].as_str().expect("text"), external_id);
        let connected = connect(world, &place);
        if role == "first" {
            assert_eq!(connected.status, 200, "{}", connected.text());
            continue;
        }
        let owner = owner_in(&connected.text());
        for (taken_from, status) in [("nonsense".to_owned(), 400), ("0".repeat(32), 400), (owner.to_string(), 200)] {
            let mut place = place.clone();
            place["take_over"] = json!(taken_from);
            let answer = connect(world, &place);
            assert_eq!(answer.status, status, "{taken_from}: {}", answer.text());
        }
    }
    let check = admin(&first.0, "POST", "/api/v1/projects/acme/bucket/check", &json!({}));
    assert_eq!(check.json()["ok"], false, "the first one is told: {}", check.text());
}

/// Its objects would lie among those of projects without a bucket, and its owner's role would reach them.
#[test]
fn the_installations_own_bucket_is_no_customers_to_bring() {
    let root = fresh_root();
    let world = World::with_small_files(|config| set(config, &root));
    let made = admin(&world, "POST", "/api/v1/projects", &json!({ "id": "acme", "storage": "bucket" }));
    assert_eq!(made.status, 201, "{}", made.text());
    let mut place = place("elsewhere", "acme");
    place["bucket"] = json!(root.bucket());
    let refused = connect(&world, &place);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("this installation's own"), "{}", refused.text());
}

/// A process that is warm would claim buckets under the id of a ledger that is gone.
#[tokio::test]
async fn a_ledger_that_was_emptied_has_another_id_for_processes_that_went_on() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let items: Arc<dyn ItemStore> = Arc::new(MemoryItems::new(Arc::clone(&clock)));
    let process = || meta::Installation::new(Arc::clone(&items), Arc::clone(&clock), Arc::new(RandomIds));
    let (warm, another) = (process(), process());
    let before = warm.id().await.expect("an id");
    assert_eq!(another.id().await.expect("the same id"), before);
    items.write(Operation::delete(ItemKey::new(meta::installation::PARTITION, "id"))).await.expect("emptied");
    let after = another.id().await.expect("another id");
    assert_ne!(after, before);
    assert_eq!(warm.id().await.expect("that of the ledger"), after);
}
