//! Projects whose owners bring their own buckets, through a whole server: what is refused until the bucket is connected,
//! what a revoked role does to whom, and that nothing of it is lost.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, SystemClock};
use local::serve::{BucketDoors, Credentials};
use model::{DueRule, Signal};
use serde_json::{Value, json};
use testkit::MemoryBuckets;
use tests::{Binary, Client, Reply, World, eventually};

const BUCKET: &str = "acme-telemetry";
const ROLE: &str = "arn:aws:iam::123456789012:role/plimsoll-byo-acme";
/// A bucket that gets connected, or a role that changes, is seen by every process within 20 s; here a moment.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

/// A server, its owners' buckets, and a project in one of them.
struct Acme {
    world: World,
    buckets: MemoryBuckets,
    client: Client,
    external_id: String,
}

fn acme() -> Acme {
    let buckets = MemoryBuckets::default();
    buckets.make_bucket(BUCKET);
    let doors = BucketDoors { open: Arc::new(buckets.clone()), check: Arc::new(buckets.clone()) };
    let world = World::with_small_files(|config| {
        config.buckets = doors;
        config.compact.due = DueRule::NOW;
    });
    let made = admin(&world, "POST", "/api/v1/projects", &json!({ "id": "acme", "storage": "bucket" }));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let external_id = made["storage"]["external_id"].as_str().expect("an external id").to_owned();
    let parameters = json!({
        "ProjectId": "acme", "ExternalId": external_id, "PlimsollAccountId": MemoryBuckets::ACCOUNT,
        "RoleName": "plimsoll-byo-acme",
    });
    assert_eq!(made["stack"]["parameters"], parameters);
    assert_eq!(made["storage"]["connected"], Value::Null);
    let client = client_of(&world, "acme");
    Acme { world, buckets, client, external_id }
}

impl Acme {
    fn connect(&self, bucket: &str) -> Reply {
        let place = json!({ "bucket": bucket, "region": "eu-central-1", "prefix": "tele/metry", "role_arn": ROLE });
        admin(&self.world, "PUT", "/api/v1/projects/acme/bucket", &place)
    }

    fn connected() -> Self {
        let acme = acme();
        acme.buckets.trust(ROLE, &acme.external_id);
        let answer = acme.connect(BUCKET);
        assert_eq!(answer.status, 200, "{}", answer.text());
        acme
    }

    fn paths(&self) -> Vec<String> {
        self.world.block_on(self.buckets.paths(BUCKET))
    }
}

fn admin(world: &World, method: &str, path: &str, body: &Value) -> Reply {
    world.api(method, path, &world.keys.admin_key, Some(body))
}

/// One that speaks with keys of the project.
fn client_of(world: &World, project: &str) -> Client {
    let key = |scope: &str| {
        let new = json!({ "name": scope, "scopes": [scope] });
        let made = admin(world, "POST", &format!("/api/v1/projects/{project}/keys"), &new);
        made.json()["secret"].as_str().expect("a secret").to_owned()
    };
    Client::new(Credentials {
        project: project.to_owned(),
        ingest_key: key("ingest"),
        read_key: key("read"),
        admin_key: key("admin"),
        ..world.keys.clone()
    })
}

/// One log line.
fn log(client: &Client, text: &str) -> Reply {
    let now = SystemClock.now() * 1_000;
    let record = json!({ "timeUnixNano": now.to_string(), "body": { "stringValue": text } });
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] });
    let headers = [("content-type", "application/json"), ("x-api-key", client.keys.ingest_key.as_str())];
    client.export_as(Signal::Logs, &headers, body.to_string().as_bytes())
}

fn taken(client: &Client, text: &str) {
    let reply = log(client, text);
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn logs_of(client: &Client) -> Vec<String> {
    let rows = client.sql("SELECT body FROM otel_logs_and_spans ORDER BY body");
    rows.into_iter().map(|row| row[0].as_str().expect("text").to_owned()).collect()
}

/// Waits until the project's table has taken in everything, by the background alone.
fn drained(acme: &Acme) -> bool {
    let status = acme.client.status();
    let table = status["tables"].as_array().into_iter().flatten().find(|t| t["table"] == "otel_logs_and_spans");
    table.is_some_and(|table| table["live_segments"] == 0 && table["files"].as_u64() > Some(0))
}

#[test]
fn until_its_bucket_is_connected_a_project_is_refused_and_told_what_to_do() {
    let acme = acme();
    let refused = log(&acme.client, "too early");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert!(refused.text().contains("plimsoll bucket connect --project acme"), "{}", refused.text());
    let query = acme.client.query(&json!({ "sql": "SELECT 1 FROM otel_logs_and_spans" }));
    assert_eq!(query.status, 503, "{}", query.text());
    assert!(query.text().contains("plimsoll bucket connect --project acme"), "{}", query.text());

    let wrong = acme.connect(BUCKET);
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(wrong.text().contains("role") && wrong.text().contains("AccessDenied"), "{}", wrong.text());

    acme.buckets.trust(ROLE, &acme.external_id);
    let right = acme.connect(BUCKET);
    assert_eq!(right.status, 200, "{}", right.text());
    eventually("the bucket is used", SEEN_WITHIN, || log(&acme.client, "in time").status == 200);
    assert_eq!(logs_of(&acme.client), ["in time"]);
    let paths = acme.paths();
    let is_ours =
        |path: &String| path.starts_with("tele/metry/acme/landing/") || path.ends_with("/_plimsoll/owner.json");
    assert!(paths.iter().all(is_ours), "{paths:?}");
}

#[test]
fn a_project_out_of_reach_is_told_by_every_command_and_fails_none() {
    let acme = acme();
    taken(&acme.world, "our own");
    let keys = &acme.world.keys;
    for command in ["status", "compact", "repair"] {
        let mut plimsoll = Command::new(Binary::path());
        plimsoll.arg(command).env("PLIMSOLL_URL", &keys.api_url).env("PLIMSOLL_KEY", &keys.admin_key);
        let output = plimsoll.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{command}: {said}");
        // Compaction has nothing to do there, and does not go there.
        let told = usize::from(command != "compact");
        assert_eq!(
            said.matches("OUT OF REACH acme: the bucket of project `acme` is not connected").count(),
            told,
            "{said}"
        );
        assert!(!said.contains("file:///") || !said.contains("objects/acme"), "a place where it does not lie: {said}");
    }
    let told = acme.world.api("GET", "/metrics", &keys.admin_key, None).text();
    for (name, project, value) in
        [("unreadable", "acme", 0), ("out_of_reach", "acme", 1), ("out_of_reach", acme.world.keys.project.as_str(), 0)]
    {
        let sample = format!("plimsoll_table_{name}{{project=\"{project}\",table=\"otel_metrics\"}} {value}\n");
        assert!(told.contains(&sample), "{sample} is not in {told}");
    }
}

#[test]
fn what_a_project_keeps_lies_in_its_bucket_and_nowhere_else() {
    let acme = Acme::connected();
    for n in 0..3 {
        taken(&acme.client, &format!("acme {n}"));
    }
    taken(&acme.world, "our own");
    eventually("compacted", SEEN_WITHIN, || drained(&acme));
    assert_eq!(logs_of(&acme.client), ["acme 0", "acme 1", "acme 2"]);
    assert_eq!(logs_of(&acme.world), ["our own"]);
    let paths = acme.paths();
    assert!(paths.iter().any(|path| path.ends_with(".parquet")), "{paths:?}");
    assert!(paths.iter().all(|path| path.starts_with("tele/metry/acme/")), "{paths:?}");
    assert!(!acme.world.data().join("objects/acme").exists(), "nothing of it in our own root");
    let calls = acme.buckets.calls();
    assert!(calls.iter().all(|(project, bucket, path)| {
        project == "acme" && bucket == BUCKET && path.starts_with("tele/metry/acme")
    }));
    let status = acme.client.status();
    let uri = status["tables"][0]["uri"].as_str().expect("a URI");
    assert_eq!(uri, "s3://acme-telemetry/tele/metry/acme/otel_logs_and_spans/");
}

#[test]
fn a_revoked_role_is_refused_even_what_the_server_still_keeps() {
    let acme = Acme::connected();
    taken(&acme.client, "in a file");
    eventually("compacted", SEEN_WITHIN, || drained(&acme));
    let ask = || acme.client.query(&json!({ "sql": "SELECT body FROM otel_logs_and_spans" }));
    ask();
    let kept = ask();
    assert_eq!(kept.status, 200, "{}", kept.text());
    assert_eq!(kept.json()["statistics"]["bytes_scanned"], json!(0), "all of it is kept");
    acme.buckets.revoke(ROLE);
    let refused = ask();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("plimsoll bucket check --project acme"), "{}", refused.text());
    acme.buckets.trust(ROLE, &acme.external_id);
    eventually("it is let in again", SEEN_WITHIN, || ask().status == 200);
}

#[test]
fn a_revoked_role_stops_its_project_alone_and_loses_nothing() {
    let acme = Acme::connected();
    taken(&acme.client, "before");
    acme.buckets.revoke(ROLE);

    let refused = log(&acme.client, "meanwhile");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert!(refused.text().contains(ROLE) && refused.text().contains("acme"), "{}", refused.text());
    let query = acme.client.query(&json!({ "sql": "SELECT * FROM otel_logs_and_spans" }));
    assert_eq!(query.status, 503, "{}", query.text());
    assert!(query.text().contains("plimsoll bucket check --project acme"), "{}", query.text());
    let check =
        acme.client.api("POST", "/api/v1/projects/acme/bucket/check", &acme.client.keys.admin_key, Some(&json!({})));
    assert_eq!((check.status, &check.json()["ok"]), (200, &json!(false)), "{}", check.text());

    // Everybody else goes on, compaction included.
    for n in 0..5 {
        taken(&acme.world, &format!("ours {n}"));
    }
    eventually("ours is compacted", SEEN_WITHIN, || {
        let status = acme.world.status();
        let tables = status["tables"].as_array().cloned().unwrap_or_default();
        tables.iter().any(|table| {
            table["project"] == acme.world.keys.project.as_str()
                && table["table"] == "otel_logs_and_spans"
                && table["live_segments"] == 0
                && table["files"].as_u64() > Some(0)
        })
    });
    assert_eq!(logs_of(&acme.world).len(), 5);
    let status = acme.client.status();
    let said = status["tables"][0]["error"].as_str().expect("an error");
    assert!(said.contains(ROLE), "{said}");

    acme.buckets.trust(ROLE, &acme.external_id);
    eventually("taken again", SEEN_WITHIN, || log(&acme.client, "after").status == 200);
    assert_eq!(logs_of(&acme.client), ["after", "before"]);
    eventually("compacted", Duration::from_secs(60), || drained(&acme));
    assert_eq!(logs_of(&acme.client), ["after", "before"]);
    let status = acme.client.status();
    assert_eq!(status["tables"][0]["quarantined"], 0);
}

/// Exit code, and what stdout and stderr say.
fn cli(world: &World, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(Binary::path());
    let keys = &world.keys;
    command.args(args).env("PLIMSOLL_URL", &keys.api_url).env("PLIMSOLL_KEY", &keys.admin_key);
    let output = command.output().expect("it runs");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    (output.status.code(), said.concat())
}

/// It used to count as a failure of the installation's, which named a place of its own where nothing of the project lies.
#[test]
fn a_bucket_that_was_deleted_stops_its_project_alone_and_is_named_by_every_command() {
    let acme = Acme::connected();
    taken(&acme.client, "before");
    eventually("compacted", SEEN_WITHIN, || drained(&acme));
    acme.buckets.delete_bucket(BUCKET);

    let gone = "bucket `acme-telemetry` of project `acme` is not there (NoSuchBucket";
    let refused = log(&acme.client, "meanwhile");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert!(refused.text().contains(gone), "{}", refused.text());
    let query = acme.client.query(&json!({ "sql": "SELECT * FROM otel_logs_and_spans" }));
    assert_eq!(query.status, 503, "{}", query.text());
    assert!(query.text().contains(gone), "{}", query.text());
    let check = admin(&acme.world, "POST", "/api/v1/projects/acme/bucket/check", &json!({}));
    assert_eq!((check.status, &check.json()["ok"]), (200, &json!(false)), "{}", check.text());
    assert!(check.text().contains("there is no such bucket"), "{}", check.text());

    taken(&acme.world, "ours");
    assert_eq!(logs_of(&acme.world), ["ours"]);
    for command in ["status", "compact", "repair"] {
        let (code, said) = cli(&acme.world, &[command]);
        assert_eq!(code, Some(0), "{command}: {said}");
        assert_eq!(said.matches(&format!("OUT OF REACH acme: {gone}")).count(), 1, "{command}: {said}");
        assert!(!said.contains("objects/acme"), "a place where it does not lie: {said}");
        assert!(!said.contains("nothing is lost"), "what was in the bucket is: {said}");
    }
    let told = acme.world.api("GET", "/metrics", &acme.world.keys.admin_key, None).text();
    for (name, value) in [("unreadable", 0), ("out_of_reach", 1)] {
        let sample = format!("plimsoll_table_{name}{{project=\"acme\",table=\"otel_logs_and_spans\"}} {value}\n");
        assert!(told.contains(&sample), "{sample} is not in {told}");
    }
}

/// Its objects are gone, or it is a stranger's: the name is anybody's once the bucket was deleted.
#[test]
fn a_bucket_that_was_made_again_empty_is_not_used_until_it_is_connected_again_and_repair_says_what_is_gone() {
    let mut acme = Acme::connected();
    taken(&acme.client, "in the table");
    eventually("compacted", SEEN_WITHIN, || drained(&acme));
    acme.buckets.delete_bucket(BUCKET);
    assert_eq!(log(&acme.client, "meanwhile").status, 503);
    acme.buckets.make_bucket(BUCKET);
    acme.world.restart();
    acme.client = client_of(&acme.world, "acme");

    let strange = "s3://acme-telemetry/tele/metry/acme is not the folder that was connected for project `acme`";
    let refused = log(&acme.client, "meanwhile");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains(strange), "{}", refused.text());
    let query = acme.client.query(&json!({ "sql": "SELECT * FROM otel_logs_and_spans" }));
    assert!(query.status == 503 && query.text().contains(strange), "{}", query.text());
    for command in ["status", "compact", "repair"] {
        let (code, said) = cli(&acme.world, &[command]);
        assert_eq!(code, Some(0), "{command}: {said}");
        assert_eq!(said.matches(&format!("OUT OF REACH acme: {strange}")).count(), 1, "{command}: {said}");
    }
    let check = admin(&acme.world, "POST", "/api/v1/projects/acme/bucket/check", &json!({}));
    assert_eq!(check.json()["ok"], false, "{}", check.text());
    assert!(check.text().contains("does not bear this installation's mark"), "{}", check.text());
    assert_eq!(acme.paths(), Vec::<String>::new(), "nothing is written into what may be a stranger's");

    let again = acme.connect(BUCKET);
    assert_eq!(again.status, 200, "{}", again.text());
    assert!(again.text().contains("run `plimsoll repair`"), "{}", again.text());
    eventually("taken again", SEEN_WITHIN, || log(&acme.client, "after").status == 200);
    let (code, said) = cli(&acme.world, &["compact"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("put back in time; run `plimsoll repair`"), "{said}");
    // It used to say that all was well again.
    let (code, said) = cli(&acme.world, &["repair"]);
    assert_eq!(code, Some(1), "{said}");
    for what in
        ["repaired, but something may be missing", "there was no table any more", "1 live segment cannot be read"]
    {
        assert!(said.contains(what), "{what}: {said}");
    }
    taken(&acme.client, "later");
    eventually("compacted", SEEN_WITHIN, || drained(&acme));
    assert_eq!(logs_of(&acme.client), ["after", "later"]);
    // Still known by its batch, and gone with the bucket.
    let status = acme.client.status();
    let table = status["tables"].as_array().into_iter().flatten().find(|t| t["table"] == "otel_logs_and_spans");
    assert_eq!(table.expect("it is told of")["quarantined"], 1, "{status}");
}

/// Project `landing` in the folder of another would lie where that one's segments land.
#[test]
fn no_projects_folder_lies_within_anothers_whichever_comes_first() {
    let acme = acme();
    let make = |id: &str| {
        let made = admin(&acme.world, "POST", "/api/v1/projects", &json!({ "id": id, "storage": "bucket" })).json();
        let role = format!("arn:aws:iam::123456789012:role/plimsoll-byo-{id}");
        acme.buckets.trust(&role, made["storage"]["external_id"].as_str().expect("an external id"));
    };
    let connect = |id: &str, prefix: &str| {
        let role = format!("arn:aws:iam::123456789012:role/plimsoll-byo-{id}");
        let place = json!({ "bucket": BUCKET, "region": "eu-central-1", "prefix": prefix, "role_arn": role });
        admin(&acme.world, "PUT", &format!("/api/v1/projects/{id}/bucket"), &place)
    };
    ["shop", "landing", "shop-two", "deep", "outer"].into_iter().for_each(make);
    for (id, prefix, status) in [
        ("shop", "a", 200),
        ("landing", "a/shop", 409),
        ("shop-two", "a", 200),
        ("deep", "b/outer/c", 200),
        ("outer", "b", 409),
        // The slashes at its ends are no other place.
        ("shop", "/a/", 200),
        ("landing", "a", 200),
    ] {
        let answer = connect(id, prefix);
        assert_eq!(answer.status, status, "{id} below `{prefix}`: {}", answer.text());
        assert_eq!(answer.text().contains("another project"), status == 409, "{}", answer.text());
    }
    let clients = ["shop", "shop-two", "landing", "deep"].map(|id| (id, client_of(&acme.world, id)));
    clients.iter().for_each(|(id, client)| taken(client, id));
    for (id, client) in &clients {
        assert_eq!(logs_of(client), [*id], "its own and no other's");
    }
}

/// What its log says used to be told of a place in the installation's own root.
#[test]
fn a_damaged_table_in_a_customers_bucket_is_named_by_where_it_lies() {
    let acme = Acme::connected();
    taken(&acme.client, "before");
    eventually("compacted", SEEN_WITHIN, || drained(&acme));
    let entry = "tele/metry/acme/otel_logs_and_spans/_delta_log/00000000000000000001.json";
    acme.world.block_on(acme.buckets.overwrite(BUCKET, entry, b"{"));
    acme.world.block_on(acme.buckets.overwrite(BUCKET, &entry.replace("1.json", "0.json"), b"{"));
    let (code, said) = cli(&acme.world, &["status", "--json"]);
    assert_eq!(code, Some(1), "damage is a failure: {said}");
    assert!(said.contains("in the log of s3://acme-telemetry/tele/metry/acme/otel_logs_and_spans/"), "{said}");
    assert!(!said.contains("objects/acme"), "a place where it does not lie: {said}");
}

#[test]
fn bucket_and_prefix_stay_and_the_role_may_change() {
    let acme = Acme::connected();
    taken(&acme.client, "first");
    acme.buckets.make_bucket("another");
    let moved = acme.connect("another");
    assert_eq!(moved.status, 409, "{}", moved.text());
    assert!(acme.world.block_on(acme.buckets.paths("another")).is_empty());

    let role = "arn:aws:iam::123456789012:role/plimsoll-byo-second";
    acme.buckets.trust(role, &acme.external_id);
    let place = json!({ "bucket": BUCKET, "region": "eu-central-1", "prefix": "tele/metry", "role_arn": role });
    let changed = admin(&acme.world, "PUT", "/api/v1/projects/acme/bucket", &place);
    assert_eq!(changed.status, 200, "{}", changed.text());
    acme.buckets.revoke(ROLE);
    eventually("the new role is used", SEEN_WITHIN, || log(&acme.client, "second").status == 200);
    assert_eq!(logs_of(&acme.client), ["first", "second"]);
}

#[test]
fn what_does_not_fit_a_bucket_is_refused_in_plain_words() {
    let acme = acme();
    let put = |path: &str, place: Value| admin(&acme.world, "PUT", path, &place);
    let good = json!({ "bucket": BUCKET, "region": "eu-central-1", "role_arn": ROLE });
    let long = "a".repeat(301);
    for (field, value, says) in [
        ("bucket", "Not A Bucket", "no bucket name"),
        ("bucket", "192.168.0.1", "no bucket name"),
        ("bucket", "acme--eun1-az1--x-s3", "directory bucket"),
        ("region", "Frankfurt", "no AWS region"),
        ("region", "cn-north-1", "partition `aws-cn`"),
        ("prefix", "a/*", "no prefix"),
        ("prefix", "../other", "no prefix"),
        ("prefix", "a//b", "no prefix"),
        ("prefix", "a b", "no prefix"),
        ("prefix", "ünï", "no prefix"),
        ("prefix", "a%2fb", "no prefix"),
        ("prefix", &long, "no prefix"),
        ("role_arn", "arn:aws:iam::123456789012:role/admin", "plimsoll-byo-"),
        ("role_arn", "arn:aws:iam::123456789012:user/plimsoll-byo-acme", "no role"),
        ("role_arn", "arn:aws:sts::123456789012:assumed-role/plimsoll-byo-acme/x", "no role"),
        ("role_arn", "arn:aws-us-gov:iam::123456789012:role/plimsoll-byo-acme", "partition `aws`"),
        ("kms_key_arn", "alias/mine", "no KMS key"),
        ("kms_key_arn", "arn:aws:kms:us-east-1:123456789012:key/0123abcd", "not in eu-central-1"),
    ] {
        let mut place = good.clone();
        place[field] = json!(value);
        let refused = put("/api/v1/projects/acme/bucket", place);
        assert_eq!(refused.status, 400, "{field}: {}", refused.text());
        assert!(refused.text().contains(says), "{field}: {}", refused.text());
    }
    let own = put(&format!("/api/v1/projects/{}/bucket", acme.world.keys.project), good.clone());
    assert_eq!(own.status, 409, "{}", own.text());
    assert_eq!(put("/api/v1/projects/none/bucket", good).status, 404);
    let check = admin(&acme.world, "POST", "/api/v1/projects/acme/bucket/check", &json!({}));
    assert_eq!(check.status, 409, "{}", check.text());
}

#[test]
fn the_command_line_makes_connects_and_checks() {
    let acme = acme();
    let cli = |args: &[&str]| cli(&acme.world, args);
    let (code, said) = cli(&["project", "create", "second", "--bucket"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("RoleName=plimsoll-byo-second") && said.contains("bucket connect --project second"),
        "{said}"
    );

    let connect =
        ["bucket", "connect", "--project", "acme", "--bucket", BUCKET, "--region", "eu-central-1", "--role-arn", ROLE];
    let (code, said) = cli(&connect);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the bucket was not connected") && said.contains("AccessDenied"), "{said}");
    acme.buckets.trust(ROLE, &acme.external_id);
    let (code, said) = cli(&connect);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("conditional put") && said.contains("has its data in bucket"), "{said}");
    assert_eq!(cli(&["bucket", "check", "--project", "acme"]).0, Some(0));
    acme.buckets.revoke(ROLE);
    let (code, said) = cli(&["bucket", "check", "--project", "acme", "--json"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("\"ok\": false"), "{said}");
}
