//! `plimsoll project` and `key`.

use axum::http::Method;
use serde_json::{Value, json};

use super::Fake;

#[test]
fn lists_are_read_to_the_last_page() {
    let fake = Fake::answering(&[
        (200, json!({ "projects": [{ "id": "a", "name": "A" }], "next_cursor": "a b" })),
        (200, json!({ "projects": [{ "id": "b", "name": "B" }], "next_cursor": null })),
    ]);
    let (code, out, _) = fake.run(&["project", "list"]);
    assert_eq!((code, out.lines().count()), (0, 4));
    assert_eq!(fake.asked()[1].1, "/api/v1/projects?cursor=a%20b");
}

#[test]
fn settings_are_changed_only_where_they_are_given() {
    let project = json!({ "id": "shop", "name": "Shop", "settings": { "retention_days_metrics": 3 } });
    let fake = Fake::answering(&[(200, project)]);
    let (code, out, _) = fake.run(&["project", "settings", "shop"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "id                      shop\nname                    Shop\nretention days metrics  3\n")
    );
    fake.run(&["project", "settings", "shop", "--retention-days-metrics", "3", "--name", "S"]);
    let asked = fake.asked();
    assert_eq!((&asked[0].0, asked[0].1.as_str()), (&Method::GET, "/api/v1/projects/shop"));
    assert_eq!(asked[1].0, Method::PATCH);
    let body: Value = serde_json::from_slice(&asked[1].3).expect("JSON");
    assert_eq!(body, json!({ "settings": { "retention_days_metrics": 3 }, "name": "S" }));
}

#[test]
fn a_new_key_is_printed_alone_so_that_a_script_can_take_it() {
    let fake = Fake::answering(&[(201, json!({ "key": { "id": "1" }, "secret": "pl_i_secret" })), (200, json!({}))]);
    let (code, out, _) = fake.run(&["key", "create", "--scope", "ingest,read", "--project", "shop", "--name", "n"]);
    assert_eq!((code, out.as_str()), (0, "pl_i_secret\n"));
    let asked = fake.asked().remove(0);
    assert_eq!(asked.1, "/api/v1/projects/shop/keys");
    let body: Value = serde_json::from_slice(&asked.3).expect("JSON");
    assert_eq!(body, json!({ "name": "n", "scopes": ["ingest", "read"], "reach": "project" }));
    assert_eq!(fake.run(&["key", "revoke", "1"]).0, 0);
    assert_eq!((&fake.asked()[1].0, fake.asked()[1].1.as_str()), (&Method::DELETE, "/api/v1/keys/1"));
}

#[test]
fn projects_are_told_in_words_with_the_place_of_their_data() {
    let project = |id: &str, storage: Value| {
        json!({
            "id": id, "name": "N", "created_at": "2026-11-20T09:15:59.000000Z", "storage": storage,
            "settings": {
                "retention_days_logs_and_spans": 1, "retention_days_metrics": 90, "requests_per_second_max": 2000,
                "bytes_per_day_max": 1_000_000_000_000_u64,
            },
        })
    };
    let connected = json!({ "bucket": "acme", "prefix": "tele/metry", "region": "eu-central-1", "role_arn": "arn:r",
        "kms_key_arn": null, "connected_at": "2026" });
    let projects = [
        project("own", json!({ "kind": "own" })),
        project("new", json!({ "kind": "bucket", "external_id": "x" })),
        project("acme", json!({ "kind": "bucket", "external_id": "x", "connected": connected })),
    ];
    let mut shown = projects[2].clone();
    shown["stack"] =
        json!({ "template": "infra/b.yaml", "parameters": { "ProjectId": "acme", "PlimsollAccountId": null } });
    let fake = Fake::answering(&[(200, json!({ "projects": projects })), (200, shown)]);
    let (_, out, _) = fake.run_within(Some(40), &["project", "list"]);
    let lines: Vec<&str> = out.lines().skip(2).collect();
    for (line, place) in lines.iter().zip(["own storage", "a bucket, not connected yet", "s3://acme/tele/metry"]) {
        assert!(
            line.contains(place) && line.ends_with("1 day  90 days       2,000  1.0 TB  2026-11-20 09:15"),
            "{out}"
        );
    }
    let (_, out, _) = fake.run(&["project", "settings", "acme"]);
    for line in [
        "data in                        s3://acme/tele/metry",
        "role arn                       arn:r",
        "external id                    x",
        "stack parameters               ProjectId=acme PlimsollAccountId=<unknown>",
        "retention days metrics         90",
    ] {
        assert!(out.lines().any(|one| one == line), "{line} is not in {out}");
    }
    assert!(!out.contains('{'), "{out}");
}

#[test]
fn keys_are_listed_whole_and_none_says_how_to_make_one() {
    let key = json!({
        "id": "f157e132b4dc9a2d650145682bec211b", "project": "shop", "name": "first", "scopes": ["ingest", "read"],
        "reach": "project", "hint": "pl_ir_ciqjMO", "created_at": "2026-11-20T09:15:59.000000Z", "revoked_at": null,
    });
    let fake =
        Fake::answering(&[(200, json!({ "keys": [key] })), (200, json!({ "keys": [] })), (200, json!({ "keys": [] }))]);
    let (_, out, _) = fake.run_within(Some(40), &["key", "list", "--project", "shop"]);
    let line = out.lines().nth(2).expect("a key");
    assert_eq!(line, "f157e132b4dc9a2d650145682bec211b  first  ingest, read  project  pl_ir_ciqjMO  2026-11-20 09:15");
    let (code, out, _) = fake.run(&["key", "list", "--project", "shop"]);
    assert_eq!(code, 0);
    assert!(out.contains("`shop` has no keys") && out.contains("plimsoll key create --project shop"), "{out}");
    assert_eq!(fake.run(&["key", "list", "--project", "shop", "--json"]).1, "[]\n");
}

#[test]
fn a_key_without_a_project_asks_for_the_project_and_not_for_a_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("utf-8");
    let fake = Fake::answering(&[(200, json!({}))]);
    let (code, _, err) = fake.run(&["key", "list", "--data", data]);
    assert_eq!(code, 2);
    assert!(err.contains("--project") && !err.contains("no API key"), "{err}");
    assert!(fake.asked().is_empty());
}
