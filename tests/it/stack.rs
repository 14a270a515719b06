//! A deployed stack by the operator's command line: its first run, what `doctor` finds, and triggers that were put aside.

mod mover;
mod site;

use std::sync::Arc;

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use aws_sdk_sqs::types::QueueAttributeName;
use meta::keys::KeyId;
use model::ProjectId;
use serde_json::{Value, json};

use site::{Site, set_expiry, set_recovery};

/// Checks that stay as they are in a world without functions: moto's stack has none.
const ALWAYS: [&str; 1] = ["functions"];

/// The names of the checks that are not ok, with what they say.
fn trouble(site: &Site) -> (i32, Vec<(String, String, String)>) {
    let (code, out, err) = site.run(&["doctor", "--json"]);
    let document: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let checks = document["checks"].as_array().expect("checks").iter();
    let bad = checks.filter(|check| check["verdict"] != "ok" && !ALWAYS.contains(&text(&check["check"]).as_str()));
    let bad: Vec<_> = bad.collect();
    assert!(bad.iter().all(|check| !text(&check["advice"]).is_empty()), "each says what to do: {out}");
    (code, bad.iter().map(|c| (text(&c["check"]), text(&c["verdict"]), text(&c["found"]))).collect())
}

#[test]
fn the_first_run_makes_project_and_keys_and_the_second_makes_nothing() {
    let site = Site::deploy();
    let (code, _, err) = site.run(&["query", "SELECT 1"]);
    assert!(code == 1 && err.contains("has no keys yet") && err.contains("plimsoll stack init"), "{err}");

    let first = site.json(&["stack", "init", "--json"]);
    assert_eq!(first["made"], json!(["project `default`", "ingest key", "read key", "admin key"]));
    let project = ProjectId::parse("default").expect("an id");
    let made = site.block_on(site.projects().get(&project)).expect("read").expect("there");
    assert_eq!(made.settings.retention_days_metrics, 14, "as the stack's parameters say");

    let again = site.json(&["stack", "init", "--json"]);
    assert_eq!((&again["made"], &again["not_working"]), (&json!([]), &json!([])));
    assert_eq!(again.get("ingest_key"), None, "keys are shown once");
    let said = site.done(&["stack", "init"]);
    assert!(
        said.contains("nothing was made") && !said.contains(first["ingest_key"].as_str().expect("a key")),
        "{said}"
    );
    let shown = site.done(&["stack", "init", "--show-keys"]);
    for part in [&first["ingest_key"], &first["read_key"], &first["otlp_endpoint"]] {
        assert!(shown.contains(part.as_str().expect("a text")), "{part} in {shown}");
    }
    let keys = site.block_on(site.keys().list(&project, None, 10)).expect("listed");
    assert_eq!(keys.keys.len(), 3);

    // Whatever speaks HTTP now finds the stack by its name.
    let answer = site.json(&["query", "SELECT 42 AS n", "--json"]);
    assert_eq!(answer[0]["n"], 42);
    assert!(site.done(&["project", "list"]).contains("default"));
    let (code, _, err) = site.run(&["status", "--url", "http://127.0.0.1:1"]);
    assert!(code == 2 && err.contains("either --stack"), "a key of one never goes to the other: {err}");
}

#[test]
fn a_first_run_that_broke_off_is_repeated_and_no_key_is_lost() {
    for steps in 0..4 {
        let site = Site::deploy();
        // As an earlier run left it: keys are drawn and kept, and some of them work.
        let keys = site.keys();
        let draw = |scope| keys.draw(&vec![scope].into()).reveal().to_owned();
        let drawn = [model::Scope::Ingest, model::Scope::Read, model::Scope::Admin].map(draw);
        let kept = json!({ "v": 1, "project": "default", "ingest_key": drawn[0], "read_key": drawn[1],
            "admin_key": drawn[2], "enrolled": false });
        site.block_on(site.cloud().secrets().put(&site.secret, &kept.to_string())).expect("kept");
        if steps > 0 {
            let project = ProjectId::parse("default").expect("an id");
            site.block_on(site.projects().create(&project, "Default")).expect("created");
            for (secret, scope) in drawn.iter().zip([model::Scope::Ingest, model::Scope::Read]).take(steps - 1) {
                let new = meta::keys::NewKey {
                    project: project.clone(),
                    scopes: vec![scope].into(),
                    reach: meta::keys::Reach::Project,
                    name: "by a run that broke off".to_owned(),
                };
                let secret = meta::keys::Secret::parse(secret).expect("a secret");
                site.block_on(keys.enroll(new, &secret)).expect("enrolled");
            }
        }
        let done = site.json(&["stack", "init", "--json"]);
        assert_eq!(done["made"].as_array().expect("a list").len(), 4 - steps, "{done}");
        assert_eq!(json!([done["admin_key"]]), json!([drawn[2]]));
        for secret in &drawn {
            assert!(site.block_on(site.keys().authenticate(secret)).expect("asked").is_some());
        }
        assert_eq!(site.json(&["stack", "init", "--json"])["made"], json!([]));
    }
}

#[test]
fn a_revoked_key_is_not_brought_back() {
    let site = Site::deploy();
    let first = site.json(&["stack", "init", "--json"]);
    let project = ProjectId::parse("default").expect("an id");
    let listed = site.block_on(site.keys().list(&project, None, 10)).expect("listed").keys;
    let read: &KeyId = &listed.iter().find(|key| key.name.contains("read key")).expect("listed").id;
    site.block_on(site.keys().revoke(read)).expect("revoked");
    let (code, out, err) = site.run(&["stack", "init", "--json"]);
    let again: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &again["made"], &again["not_working"]), (1, &json!([]), &json!(["read key"])));
    assert!(err.contains("does not work any more"), "{err}");
    let secret = first["read_key"].as_str().expect("a key");
    assert_eq!(site.block_on(site.keys().authenticate(secret)).expect("asked"), None);
}

#[test]
fn new_keys_take_the_place_of_the_old_ones_which_work_until_they_are_revoked() {
    let site = Site::deploy();
    let first = site.json(&["stack", "init", "--json"]);
    let project = ProjectId::parse("default").expect("an id");
    let changed =
        site.block_on(site.projects().update(&project, |project| project.settings.retention_days_metrics = 3));
    changed.expect("changed");
    let second = site.json(&["stack", "init", "--new-keys", "--json"]);
    assert_eq!(second["made"], json!(["ingest key", "read key", "admin key"]));
    for key in ["ingest_key", "read_key", "admin_key"] {
        assert_ne!(first[key], second[key]);
        for secret in [&first[key], &second[key]] {
            let known = site.block_on(site.keys().authenticate(secret.as_str().expect("a key"))).expect("asked");
            assert!(known.is_some(), "{key}");
        }
    }
    assert!(site.done(&["key", "list"]).contains("first admin key"));
    let made = site.block_on(site.projects().get(&project)).expect("read").expect("there");
    assert_eq!(made.settings.retention_days_metrics, 3, "what was set since stays");
}

#[test]
fn another_first_project_is_refused_and_said_how_to_make() {
    let site = Site::deploy();
    assert_eq!(site.json(&["stack", "init", "--project", "shop", "--json"])["project"], "shop");
    for more in [&[][..], &["--new-keys"]] {
        let (code, out, err) = site.run(&[&["stack", "init", "--project", "other"], more].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        let pasted = format!("`plimsoll project create --stack {} other`", site.name);
        assert!(err.contains("its first project already, `shop`") && err.contains(&pasted), "{err}");
    }
    assert_eq!(site.json(&["stack", "init", "--project", "shop", "--json"])["made"], json!([]));
    let said = site.done(&["project", "create", "other"]);
    assert!(said.contains(&format!("plimsoll key create --stack {} --project other", site.name)), "{said}");
}

#[test]
fn doctor_sends_a_record_and_reads_it_back() {
    let site = Site::deploy();
    let (code, bad) = trouble(&site);
    assert_eq!((code, bad.len(), bad[0].0.as_str()), (1, 1, "keys"), "{bad:?}");
    site.done(&["stack", "init"]);
    assert_eq!(trouble(&site), (0, vec![]));
    let out = site.done(&["doctor", "--send"]);
    assert!(out.contains("one record") && out.contains("sent, and read"), "{out}");
    let sql = "SELECT count(*) AS n FROM otel_logs_and_spans WHERE resource___service___name = 'plimsoll-doctor'";
    assert_eq!(site.json(&["query", sql, "--json"])[0]["n"], 1);
}

#[test]
fn doctor_finds_what_is_broken() {
    type Break = fn(&Site);
    let cases: [(&str, Break, &str, &str, &str); 11] = [
        (
            "no expiry",
            |site| site.block_on(set_expiry(&site.dynamodb(), &site.table, false)),
            "table expiry",
            "warn",
            "never expire",
        ),
        (
            "no backups",
            |site| site.block_on(set_recovery(&site.dynamodb(), &site.table, false)),
            "table backups",
            "warn",
            "is off",
        ),
        ("an unprotected table", unprotect, "table deletion", "warn", "nothing bars it"),
        ("a bucket that may be made public", open_bucket, "bucket", "fail", "not blocked"),
        ("a life-cycle rule that deletes", delete_by_age, "bucket life cycle", "fail", "thirty-days"),
        ("a bucket that says nothing of its owner", |site| mark(site, None), "bucket owner", "warn", "whose it is"),
        ("another's bucket", |site| mark(site, Some(ANOTHERS)), "bucket owner", "fail", "another Plimsoll"),
        ("a queue without a way to the dead letters", cut_off, "triggers", "warn", "not put aside"),
        ("dead letters", |site| put_aside(site, 3), "dead letters", "warn", "3 triggers"),
        ("a key that was revoked", revoke_ingest, "ingest", "fail", "unknown or was revoked"),
        ("nobody behind the address", go_away, "query", "fail", "cannot reach"),
    ];
    for (what, break_it, check, verdict, found) in cases {
        let site = Site::deploy();
        site.done(&["stack", "init"]);
        break_it(&site);
        let (code, bad) = trouble(&site);
        let hit = bad.iter().find(|(name, ..)| name == check).unwrap_or_else(|| panic!("{what}: {bad:?}"));
        assert_eq!(hit.1, verdict, "{what}: {bad:?}");
        assert!(hit.2.contains(found), "{what}: {bad:?}");
        assert_eq!(code, i32::from(bad.iter().any(|(_, verdict, _)| verdict == "fail")), "{what}: {bad:?}");
    }
}

/// A new table on the bucket of an old one.
#[test]
fn a_first_run_takes_over_the_bucket_of_a_lost_table_only_when_it_is_named() {
    let site = Site::deploy();
    site.done(&["stack", "init"]);
    mark(&site, Some(ANOTHERS));
    let (code, _, err) = site.run(&["stack", "init"]);
    assert!(code == 1 && err.contains("a table that is gone") && err.contains("--take-over 0123"), "{err}");
    site.done(&["stack", "init", "--take-over", ANOTHER]);
    assert_eq!(trouble(&site), (0, Vec::new()));
}

#[test]
fn a_stack_that_is_not_there_or_not_ours_is_said() {
    let site = Site::deploy();
    for args in [&["stack", "init"][..], &["redrive"], &["status"], &["query", "SELECT 1"]] {
        let (code, _, err) = site.run_on("no-such-stack", args);
        assert!(code == 1 && err.contains("no stack `no-such-stack` in eu-central-1"), "{args:?}: {err}");
    }
    site.block_on(site.describe_with(&[("ApiEndpoint", "http://x")]));
    let (code, _, err) = site.run(&["stack", "init"]);
    assert!(code == 1 && err.contains("lacks the outputs OtlpEndpoint, QueryEndpoint, TableName"), "{err}");
    let (code, bad) = trouble(&site);
    assert_eq!((code, bad[0].0.as_str()), (1, "outputs"));
}

#[test]
fn triggers_that_were_put_aside_go_back() {
    let site = Site::deploy();
    assert_eq!(site.done(&["redrive"]), "There are no dead letters.\n");
    put_aside(&site, 23);
    let looked = site.json(&["redrive", "--dry-run", "--json"]);
    assert_eq!((&looked["found"], &looked["moved"]), (&json!(23), &json!(0)));
    let (code, out, err) = site.run(&["redrive", "--json"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON")["moved"], 23);
    assert!(err.contains("received, sent and deleted here"), "{err}");
    let facts = |url: &str| site.block_on(site.cloud().queue_facts(url)).expect("read");
    assert_eq!(facts(&site.dead_letters_url).waiting, 0);
    assert_eq!(facts(&site.queue_url).waiting, 23);
}

fn put_aside(site: &Site, n: usize) {
    let client = Arc::new(site.sqs());
    for place in 0..n {
        let body = json!({ "v": 1, "project": "default", "table": "otel_metrics", "n": place }).to_string();
        site.block_on(client.send_message().queue_url(&site.dead_letters_url).message_body(body).send()).expect("sent");
    }
}

fn unprotect(site: &Site) {
    let client = site.dynamodb();
    let update = client.update_table().table_name(&site.table).deletion_protection_enabled(false);
    site.block_on(update.send()).expect("updated");
}

fn open_bucket(site: &Site) {
    site.block_on(site.s3().delete_public_access_block().bucket(&site.bucket).send()).expect("deleted");
}

fn delete_by_age(site: &Site) {
    let rule = LifecycleRule::builder()
        .id("thirty-days")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(LifecycleExpiration::builder().days(30).build())
        .build()
        .expect("a rule");
    let rules = BucketLifecycleConfiguration::builder().rules(rule).build().expect("rules");
    let client = site.s3();
    let put = client.put_bucket_lifecycle_configuration().bucket(&site.bucket).lifecycle_configuration(rules);
    site.block_on(put.send()).expect("put");
}

const ANOTHER: &str = "0123456789abcdef0123456789abcdef";
const ANOTHERS: &str = r#"{"v":1,"installation":"0123456789abcdef0123456789abcdef","ledger":"a table that is gone","since":"2026-11-20T18:00:00Z"}"#;

/// Puts another mark in the place of the bucket's; none: takes it away.
fn mark(site: &Site, mark: Option<&'static str>) {
    let client = site.s3();
    let listed = site.block_on(client.list_objects_v2().bucket(&site.bucket).send()).expect("listed");
    let mut keys = listed.contents().iter().filter_map(|object| object.key());
    let key = keys.find(|key| key.ends_with("/_plimsoll/owner.json")).expect("stack init has made it");
    match mark {
        Some(mark) => {
            let put = client.put_object().bucket(&site.bucket).key(key).body(mark.as_bytes().to_vec().into());
            site.block_on(put.send()).map(drop).expect("put");
        }
        None => {
            let delete = client.delete_object().bucket(&site.bucket).key(key);
            site.block_on(delete.send()).map(drop).expect("deleted");
        }
    }
}

fn cut_off(site: &Site) {
    let client = site.sqs();
    let set =
        client.set_queue_attributes().queue_url(&site.queue_url).attributes(QueueAttributeName::RedrivePolicy, "");
    site.block_on(set.send()).expect("set");
}

fn revoke_ingest(site: &Site) {
    let project = ProjectId::parse("default").expect("an id");
    let listed = site.block_on(site.keys().list(&project, None, 10)).expect("listed").keys;
    let key = listed.iter().find(|key| key.name.contains("ingest key")).expect("listed");
    site.block_on(site.keys().revoke(&key.id)).expect("revoked");
}

/// A port that was free a moment ago.
fn go_away(site: &Site) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    site.block_on(site.describe(&url));
}
