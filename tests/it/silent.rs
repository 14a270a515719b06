//! An S3 that takes connections and says nothing: who waits for it is answered in time, and nothing is lost or stored twice.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use aws::{Cloud, Endpoints, S3BucketCheck, S3Root, Service};
use aws_credential_types::Credentials;
use clock::{Clock, SystemClock};
use local::serve::{Aws, Root};
use model::storage::{BucketName, BucketPrefix, Connected, ExternalId, Region, RoleArn};
use model::{InstallationId, ProjectId, Signal};
use object_store::ObjectStoreExt;
use objects::{CheckBucket, Claim, Entrance, Trouble, Unmarked};
use prost::Message;
use testkit::telemetry::{self, Sample};
use tests::cloud::Emulators;
use tests::{Binary, World, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

const REGION: &str = "eu-central-1";
const SPANS: usize = 40;
/// What a test adds to a limit of the product on a busy machine.
const SLACK: Duration = Duration::from_millis(1_500);

fn keys() -> Credentials {
    Credentials::new("AKIAPLIMSOLLTESTS000", "of-no-account-anywhere", None, None, "tests")
}

/// Before an emulator: what comes goes on to it, and its answers come back unless it is told to be silent.
struct Gate {
    address: SocketAddr,
    speaks: watch::Sender<bool>,
}

impl Gate {
    async fn before(upstream: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (speaks, hears) = watch::channel(true);
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.expect("the emulator listens");
                let (caller_reads, caller_writes) = caller.into_split();
                let (server_reads, server_writes) = server.into_split();
                tokio::spawn(pass(caller_reads, server_writes, watch::channel(true).1));
                tokio::spawn(pass(server_reads, caller_writes, hears.clone()));
            }
        });
        Self { address, speaks }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut may: watch::Receiver<bool>) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(n) = from.read(&mut bytes).await {
        // A gate that is gone passes everything on.
        let _ = may.wait_for(|speaks| *speaks).await;
        if n == 0 || to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

fn body(seed: u64) -> Vec<u8> {
    let sample = Sample { seed, n: SPANS, start_unix_nano: SystemClock.now() as u64 * 1_000 };
    telemetry::traces(&sample).encode_to_vec()
}

#[test]
fn while_s3_is_silent_senders_are_told_to_come_back_and_what_they_send_is_stored_once() {
    let emulators = Emulators::shared();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (bucket, gate) =
        runtime.block_on(async { (emulators.bucket().await, Gate::before(emulators.moto_url()).await) });
    let endpoints = emulators.endpoints().with(Service::S3, format!("http://{}", gate.address));
    let world = World::with_small_files(|config| {
        config.root = Root::S3(format!("s3://{bucket}/data").parse().expect("a root"));
        config.aws = Aws::given(Cloud::with_keys(REGION, keys(), endpoints));
    });
    let (first, second) = (body(1), body(2));
    assert_eq!(world.export(Signal::Traces, &first).status, 200);

    gate.speaks.send(false).expect("the gate listens");
    let started = SystemClock.uptime();
    let refused = world.export(Signal::Traces, &second);
    let took = SystemClock.uptime() - started;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some(), "exporters send it again");
    assert!(took < ingest::LAND_WITHIN + SLACK, "answered after {took:?}");
    let started = SystemClock.uptime();
    let ready = world.send("GET", &format!("{}/ready", world.keys.api_url), &[], &[]);
    let took = SystemClock.uptime() - started;
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(ready.text().contains("no answer within 2 s") && took < Duration::from_secs(2) + SLACK, "{took:?}");

    // Nor does an operator wait for all that is tried again by itself.
    for (verb, path, within_s) in
        [("GET", "/api/v1/status", 10), ("POST", "/api/v1/compact", 20), ("POST", "/api/v1/repair", 20)]
    {
        let started = SystemClock.uptime();
        let answer = world.api(verb, path, &world.keys.admin_key, None);
        let took = SystemClock.uptime() - started;
        assert!(answer.status == 200 && took < Duration::from_secs(within_s) + SLACK, "{path}: {took:?}");
        let answer = answer.json();
        for table in answer["tables"].as_array().expect("tables") {
            let error = table["error"].as_str().unwrap_or_else(|| panic!("{path}: {table}"));
            assert!(error.starts_with("storage did not answer within "), "{path}: {table}");
            assert!(path != "/api/v1/compact" || table["outcome"] == "unavailable", "{table}");
        }
        assert_eq!(answer["tables"].as_array().map(Vec::len), Some(2), "{path}: {answer}");
    }

    gate.speaks.send(true).expect("the gate listens");
    for body in [&first, &second, &second] {
        eventually("it is taken", Duration::from_secs(30), || world.export(Signal::Traces, body).status == 200);
    }
    assert_eq!(world.count("otel_logs_and_spans"), 2 * SPANS as u64);
    world.compact();
    assert_eq!(world.count("otel_logs_and_spans"), 2 * SPANS as u64);
}

/// Takes connections (the kernel does) and says nothing, until it is dropped.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    (listener, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_a_silent_s3_ends_by_itself_and_is_told_plainly() {
    let (_listener, url) = silent();
    let cloud = Cloud::with_keys(REGION, keys(), Endpoints::everywhere(&url));
    let store = cloud.root_store(&"s3://some-bucket".parse::<S3Root>().expect("a root")).expect("a store");
    let started = SystemClock.uptime();
    let path = object_store::path::Path::from("a");
    let (put, got) = tokio::join!(store.put(&path, "x".into()), store.get(&path));
    let took = SystemClock.uptime() - started;
    assert!(took < Duration::from_secs(30), "{took:?}");
    for error in [put.expect_err("no answer"), got.expect_err("no answer")] {
        let trouble = Trouble::with_bucket(&error).unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!(trouble.what, format!("{url} did not answer in time"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_says_which_step_hangs() {
    let (_listener, url) = silent();
    let emulators = Emulators::shared();
    let entrance = Entrance {
        project: ProjectId::parse("acme").expect("an id"),
        external_id: ExternalId::from_random(&[7; 32]),
        at: Connected {
            bucket: BucketName::parse("some-bucket").expect("a name"),
            region: Region::parse(REGION).expect("a region"),
            prefix: BucketPrefix::default(),
            role_arn: RoleArn::parse("arn:aws:iam::123456789012:role/plimsoll-byo-acme").expect("a role"),
            kms_key_arn: None,
            connected_at: 0,
            marked_by: None,
        },
    };
    let claim = Claim {
        installation: InstallationId::from_random(&[1; 32]),
        ledger: "tests".to_owned(),
        claimed_at: 0,
        unmarked: Unmarked::Take,
        in_place_of: None,
    };
    let of = async |silent: Service| {
        let cloud = Cloud::with_keys(REGION, keys(), emulators.endpoints().with(silent, &url));
        let preflight = S3BucketCheck::new(&cloud).preflight(&entrance, &claim).await;
        let last = preflight.checks.last().expect("a check").clone();
        (last.name, last.found.expect_err("it hangs").what)
    };
    let (sts, s3) = tokio::join!(of(Service::Sts), of(Service::S3));
    for (hung, name) in [(sts, "role"), (s3, "put")] {
        assert_eq!(hung, (name, "no answer within 10 s".to_owned()));
    }
}

/// What `plimsoll serve` says that cannot start on a root; its exit code is 1.
fn refused(data: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = Binary::command(data, &["--root", "s3://plimsoll-no-such-bucket/data"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    // No profile of whoever runs the tests, and no machine that gives credentials.
    let nowhere = data.join("nothing");
    command.envs([("AWS_CONFIG_FILE", &nowhere), ("AWS_SHARED_CREDENTIALS_FILE", &nowhere)]);
    command.env("AWS_EC2_METADATA_DISABLED", "true").envs(variables.iter().copied());
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_start_on_a_root_that_cannot_be_used_says_in_plain_words_why_and_what_to_do() {
    let data = tempfile::tempdir().expect("a folder");
    let moto = Emulators::shared().moto_url().to_owned();
    let closed = silent().1;
    let (_listener, silent) = silent();
    let region = ("AWS_REGION", REGION);
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAPLIMSOLLTESTS000"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    for (endpoint, variables, says) in [
        ("nonsense", vec![region, keys[0], keys[1]], ["AWS_ENDPOINT_URL_S3 is `nonsense`", "http://127.0.0.1:9000"]),
        (&*moto, vec![keys[0], keys[1]], ["no AWS region", "AWS_REGION"]),
        (&*moto, vec![("AWS_REGION", "Frankfurt am Main"), keys[0], keys[1]], ["Frankfurt", "eu-central-1"]),
        (&*moto, vec![region], ["no AWS credentials were found", "AWS_PROFILE"]),
        (&*moto, vec![region, keys[0], keys[1]], ["there is no such bucket", "name is right"]),
        (&*closed, vec![region, keys[0], keys[1]], ["cannot be reached: Connection refused", "AWS_ENDPOINT_URL_S3"]),
        (&*silent, vec![region, keys[0], keys[1]], ["did not answer in time", "try again"]),
    ] {
        let mut variables = variables;
        variables.push(("AWS_ENDPOINT_URL_S3", endpoint));
        let said = refused(data.path(), &variables);
        assert!(says.iter().all(|word| said.contains(word)), "{endpoint}: {said}");
        assert!(!said.contains("Delta") && !said.contains("retry_timeout") && said.lines().count() < 5, "{said}");
    }
}
