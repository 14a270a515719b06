//! `plimsoll demo`.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Fake, run};

#[test]
fn demo_counts_what_was_taken_and_waits_when_told_to() {
    // partial_success { rejected_spans: 3, error_message: "old" }
    let partial = String::from_utf8(vec![0x0a, 7, 0x08, 3, 0x12, 3, b'o', b'l', b'd']).expect("utf-8");
    let fake = Fake::answering_text(&[(503, String::new()), (200, partial), (200, String::new())]);
    let (code, out, err) =
        run(None, &["demo", "--backfill", "2h", "--senders", "1", "--json", "--otlp-url", &fake.url, "--key", "k"]);
    assert_eq!(code, 0, "{err}");
    let sent: Value = serde_json::from_str(&out).expect("JSON");
    let total = |field: &str| {
        ["traces", "logs", "metrics"].iter().map(|s| sent["signals"][s][field].as_u64().expect("a count")).sum::<u64>()
    };
    assert_eq!(total("records"), total("acknowledged") + 3);
    assert_eq!((total("rejected"), total("waits")), (3, 1));
    assert_eq!(total("requests"), fake.asked().len() as u64 - 1);
    assert_eq!(sent["warning"], "old");
    assert!(
        fake.asked()
            .iter()
            .all(|(method, path, key, _)| { *method == Method::POST && path.starts_with("/v1/") && key == "Bearer k" })
    );
}

#[test]
fn demo_stops_at_an_error_that_waiting_does_not_mend() {
    // google.rpc.Status { message: "no such key" }
    let status = String::from_utf8([&[0x12, 11][..], b"no such key"].concat()).expect("utf-8");
    let fake = Fake::answering_text(&[(401, status)]);
    let (code, _, err) = run(None, &["demo", "--backfill", "7d", "--otlp-url", &fake.url, "--key", "wrong"]);
    assert_eq!(code, 1);
    assert!(err.contains("answered 401: no such key"), "{err}");
    assert!(fake.asked().len() <= 4, "no more than one request a sender");
}

#[test]
fn demo_does_not_wait_for_hours() {
    let fake = Fake::answering_text(&[(429, String::new())]);
    let (code, _, err) = run(None, &["demo", "--backfill", "1h", "--otlp-url", &fake.url, "--key", "k"]);
    assert_eq!(code, 1);
    assert!(err.contains("answered 429 and wants to be left alone for 7200 s more"), "{err}");
}

#[test]
fn demo_says_before_it_starts_that_a_part_is_too_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("utf-8");
    let credentials = json!({
        "project": "p", "ingest_key": "i", "read_key": "r", "admin_key": "a", "otlp_url": "http://o", "api_url": "http://a",
    });
    std::fs::write(folder.path().join("credentials.json"), credentials.to_string()).expect("written");
    let project = json!({ "settings": { "retention_days_logs_and_spans": 1, "retention_days_metrics": 30 } });
    let fake = Fake::answering_text(&[(200, project.to_string()), (200, String::new())]);
    let demo = ["demo", "--backfill", "2d", "--spans-per-day", "100", "--data", data];
    let (code, _, err) = run(None, &[&demo[..], &["--url", &fake.url, "--otlp-url", &fake.url]].concat());
    assert_eq!(code, 0, "{err}");
    assert_eq!((fake.asked()[0].1.as_str(), fake.asked()[0].2.as_str()), ("/api/v1/projects/p", "Bearer a"));
    assert!(err.contains("(logs and spans 1d)") && !err.contains("metrics 30d"), "{err}");
}
