//! Objects on S3, by an emulator: a whole server with its objects in a bucket, and buckets of projects' owners by AssumeRole.

use std::sync::Arc;
use std::time::Duration;

use aws::{Cloud, S3BucketCheck, S3Root};
use clock::{Clock, SystemClock};
use futures::TryStreamExt;
use local::serve::{Aws, Root, ServeConfig, Server};
use meta::projects::Projects;
use model::storage::{BucketName, BucketPrefix, Connected, ExternalId, Region, RoleArn};
use model::{InstallationId, ProjectId, Signal};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use objects::{CheckBucket, Claim, Entrance, RootError, Roots, Unmarked};
use prost::Message;
use serde_json::json;
use testkit::MemoryItems;
use testkit::telemetry::{self, Sample};
use tests::cloud::{Emulators, REGION};
use tests::{World, eventually};

fn root_in(bucket: &str) -> S3Root {
    format!("s3://{bucket}/data").parse().expect("a root")
}

fn id(text: &str) -> ProjectId {
    ProjectId::parse(text).expect("an id")
}

fn entrance(project: &str, bucket: &str, region: &str) -> Entrance {
    Entrance {
        project: id(project),
        external_id: ExternalId::from_random(&[7; 32]),
        at: Connected {
            bucket: BucketName::parse(bucket).expect("a name"),
            region: Region::parse(region).expect("a region"),
            prefix: BucketPrefix::parse("tele/metry").expect("a prefix"),
            role_arn: RoleArn::parse("arn:aws:iam::123456789012:role/plimsoll-byo-acme").expect("a role"),
            kms_key_arn: None,
            connected_at: 0,
            marked_by: None,
        },
    }
}

fn claim() -> Claim {
    Claim {
        installation: InstallationId::from_random(&[1; 32]),
        ledger: "tests".to_owned(),
        claimed_at: 0,
        unmarked: Unmarked::Take,
        in_place_of: None,
    }
}

/// An installation's own bucket, and project `acme` in a bucket of its owner's.
async fn roots(cloud: &Cloud, own: &str, theirs: &str) -> Roots {
    let clock = Arc::new(SystemClock);
    let projects = Projects::new(Arc::new(MemoryItems::new(clock.clone())), clock);
    projects.create(&id("ours"), "ours").await.expect("created");
    let Entrance { project, external_id, at } = entrance("acme", theirs, REGION);
    projects.create_for_bucket(&project, "acme", external_id.clone()).await.expect("created");
    projects.connect(&project, &external_id, &at).await.expect("connected");
    cloud.roots(&root_in(own), Arc::new(projects)).expect("roots")
}

async fn texts(cloud: &Cloud, bucket: &str, key: &str) -> Option<String> {
    let whole = cloud.root_store(&format!("s3://{bucket}").parse().expect("a root")).expect("a store");
    match whole.get(&Path::from(key)).await {
        Ok(found) => Some(String::from_utf8(found.bytes().await.expect("bytes").to_vec()).expect("text")),
        Err(Error::NotFound { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_project_has_its_objects_in_its_own_place() {
    let emulators = Emulators::shared();
    let (cloud, own, theirs) = (emulators.cloud(), emulators.bucket().await, emulators.bucket().await);
    let roots = roots(&cloud, &own, &theirs).await;
    let path = Path::from("landing/a");
    roots.open(&id("ours")).store.put(&path, "ours".into()).await.expect("put");
    roots.open(&id("acme")).store.put(&path, "theirs".into()).await.expect("put");
    assert_eq!(texts(&cloud, &own, "data/ours/landing/a").await.as_deref(), Some("ours"));
    assert_eq!(texts(&cloud, &theirs, "tele/metry/acme/landing/a").await.as_deref(), Some("theirs"));
    assert_eq!(roots.uri(&id("ours")).await.expect("known").as_str(), format!("s3://{own}/data/ours/"));
    assert_eq!(roots.uri(&id("acme")).await.expect("known").as_str(), format!("s3://{theirs}/tele/metry/acme/"));
    for project in ["ours", "acme"] {
        let links = roots.open(&id(project)).links.expect("S3 makes links");
        let link = links.to_read(&path, Duration::from_secs(60)).await.expect("signed");
        let mut answer = ureq::get(link.as_str()).call().expect("answered without a key");
        assert_eq!(
            answer.body_mut().read_to_string().expect("text"),
            if project == "ours" { "ours" } else { "theirs" }
        );
    }
    let unknown = roots.open(&id("unknown")).store.get(&path).await.expect_err("there is no such project");
    assert!(matches!(unknown, Error::Generic { .. }), "{unknown:?}");
}

/// S3 answers 404 for it, as for an object: segments would be taken for lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_gone_is_no_word_on_any_object() {
    let cloud = Emulators::shared().cloud();
    let store = cloud.root_store(&root_in("plimsoll-no-such-bucket")).expect("a store");
    let path = Path::from("landing/a");
    for error in [
        store.get(&path).await.map(drop).expect_err("no bucket"),
        store.head(&path).await.map(drop).expect_err("no bucket"),
        store.put(&path, "x".into()).await.map(drop).expect_err("no bucket"),
        store.list_with_delimiter(None).await.map(drop).expect_err("no bucket"),
    ] {
        assert!(matches!(&error, Error::Generic { .. }) && error.to_string().contains("NoSuchBucket"), "{error:?}");
    }
    let own = Emulators::shared().bucket().await;
    let roots = roots(&cloud, &own, "plimsoll-no-such-bucket").await;
    let gone = roots.open(&id("acme")).store.get(&path).await.expect_err("no bucket");
    let gone = RootError::behind(&gone).expect("its owner is told");
    assert!(gone.is_the_owners() && gone.to_string().contains("`plimsoll-no-such-bucket`"), "{gone}");
    let there = Emulators::shared().bucket().await;
    let store = cloud.root_store(&root_in(&there)).expect("a store");
    let absent = store.head(&path).await.expect_err("no such object");
    assert!(matches!(absent, Error::NotFound { .. }), "{absent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_tells_a_good_bucket_from_one_that_is_not_there() {
    let emulators = Emulators::shared();
    let (cloud, bucket) = (emulators.cloud(), emulators.bucket().await);
    let check = S3BucketCheck::new(&cloud);
    assert_eq!(check.account().await.expect("known").len(), 12);
    let good = check.preflight(&entrance("acme", &bucket, REGION), &claim()).await;
    assert!(good.is_passed(), "{good:?}");
    let names: Vec<_> = good.checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        ["role", "region", "encryption", "absent key", "put", "list", "get", "conditional put", "delete", "owner"]
    );
    let whole = cloud.root_store(&format!("s3://{bucket}").parse().expect("a root")).expect("a store");
    let left: Vec<_> = whole.list(None).try_collect().await.expect("listed");
    let left: Vec<_> = left.iter().map(|meta| meta.location.as_ref()).collect();
    assert_eq!(left, ["tele/metry/acme/_plimsoll/owner.json"], "nothing else is left behind");
    let region = good.checks[1].found.as_ref().expect("a PUT was taken");
    assert!(!region.contains("the bucket is in"), "no more than was seen: {region}");

    let bad = check.preflight(&entrance("acme", "plimsoll-no-such-bucket", REGION), &claim()).await;
    let trouble = bad.checks.last().expect("a check").found.as_ref().expect_err("no bucket");
    assert!(trouble.what.contains("NoSuchBucket"), "{trouble:?}");
}

#[test]
fn a_server_with_its_objects_in_a_bucket_answers_like_any_other() {
    let emulators = Emulators::shared();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let bucket = runtime.block_on(emulators.bucket());
    let cloud = emulators.cloud();
    let mut world = World::with_small_files(|config| {
        config.root = Root::S3(root_in(&bucket));
        config.aws = Aws::given(cloud.clone());
    });
    for n in 0..4 {
        let sample = Sample { seed: n, n: 40, start_unix_nano: SystemClock.now() as u64 * 1_000 };
        let body = telemetry::traces(&sample).encode_to_vec();
        let reply = world.export(Signal::Traces, &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let before = world.count("otel_logs_and_spans");
    assert!(before > 0);
    world.compact();
    eventually("compacted", Duration::from_secs(60), || {
        let status = world.status();
        let table = &status["tables"][0];
        table["live_segments"] == 0 && table["files"].as_u64() > Some(0)
    });
    let uri = world.status()["tables"][0]["uri"].as_str().expect("a URI").to_owned();
    assert_eq!(uri, format!("s3://{bucket}/data/{}/otel_logs_and_spans/", world.keys.project));
    assert_eq!(world.count("otel_logs_and_spans"), before);
    world.restart();
    assert_eq!(world.count("otel_logs_and_spans"), before);
    assert!(!world.data().join("objects").exists(), "nothing on the disk");
    let ready = world.send("GET", &format!("{}/ready", world.keys.api_url), &[], &[]);
    assert_eq!((ready.status, &ready.json()["objects"]), (200, &json!("ok")));
}

/// The ledger would name objects that are not there.
#[test]
fn a_data_folder_keeps_the_root_it_was_first_served_with() {
    let emulators = Emulators::shared();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(local::STACK_BYTES)
        .enable_all()
        .build()
        .expect("a runtime");
    let (first, second) = runtime.block_on(async { (emulators.bucket().await, emulators.bucket().await) });
    let start = |data: &std::path::Path, root: Root| {
        let any_port = "127.0.0.1:0".parse().expect("an address");
        let config = ServeConfig {
            otlp_listen: any_port,
            listen: any_port,
            root,
            aws: Aws::given(emulators.cloud()),
            ..ServeConfig::new(data)
        };
        runtime.block_on(async {
            let server = Server::start(config).await.map_err(|error| error.to_string())?;
            server.stop().await;
            Ok::<_, String>(())
        })
    };
    let s3 = |bucket: &str| Root::S3(root_in(bucket));

    let in_bucket = tempfile::tempdir().expect("a folder");
    start(in_bucket.path(), s3(&first)).expect("starts");
    start(in_bucket.path(), s3(&first)).expect("starts again");
    for other in [s3(&second), Root::Folder] {
        let refused = start(in_bucket.path(), other).expect_err("another root");
        assert!(refused.contains(&format!("--root s3://{first}/data")), "{refused}");
    }
    let in_folder = tempfile::tempdir().expect("a folder");
    start(in_folder.path(), Root::Folder).expect("starts");
    let refused = start(in_folder.path(), s3(&first)).expect_err("another root");
    assert!(refused.contains("its own folder"), "{refused}");
    let nowhere = tempfile::tempdir().expect("a folder");
    let refused = start(nowhere.path(), s3("plimsoll-no-such-bucket")).expect_err("no bucket");
    assert!(
        refused.contains("there is no such bucket") && refused.contains("s3://plimsoll-no-such-bucket"),
        "{refused}"
    );
}
