//! A store that is away while a query runs is told as that, with a time to try again, and never as the fault of the query.

use std::time::Duration;

use model::Signal;
use prost::Message;
use serde_json::{Value, json};
use testkit::telemetry::{self, Sample};
use tests::cloud::dev::{DevCloud, Settings};
use tests::cloud::proxy::{Act, Refusal, Rule, When};
use tests::eventually;

use super::world::{cloud, drain};

/// Longer than any query here may take.
const HANGS: Act = Act::Delay(Duration::from_secs(40));
const SQL: &str = "SELECT sum(duration), max(name), max(attributes) FROM otel_logs_and_spans";

/// A table that no process has read a byte of: a file, and a live segment beside it.
fn with_new_rows(cloud: &DevCloud, seed: u64) {
    for seed in [2 * seed, 2 * seed + 1] {
        if seed % 2 == 1 {
            drain(cloud);
        }
        let now = clock::Clock::now(&clock::SystemClock) as u64 * 1_000;
        let body = telemetry::traces(&Sample { seed, n: 5, start_unix_nano: now }).encode_to_vec();
        assert_eq!(cloud.export(Signal::Traces, &body).status, 200);
    }
    cloud.lambda().cool_down(cloud.function("query"));
}

#[test]
fn a_store_that_is_away_is_no_fault_of_the_query() {
    // What a test sends last stays live.
    let parameters = vec![("CompactAfter", "3s".to_owned()), ("TriggerBatchWindowSeconds", "1".to_owned())];
    let cloud = cloud(Settings { parameters, ..Settings::default() });
    let refused = Act::Refuse;
    let s3 = |act| Rule::new(act, When::Always).service("s3").by("query");
    let dynamodb = |act| Rule::new(act, When::Always).service("dynamodb").by("query");
    let cases = [
        ("S3 throttles", s3(refused(Refusal::SlowDown))),
        ("S3 answers 503 for segments", s3(refused(Refusal::Unavailable)).at("landing/")),
        ("S3 answers 500 for files", s3(refused(Refusal::Internal)).at(".parquet")),
        ("the role may not read segments any more", s3(refused(Refusal::AccessDenied)).at("landing/")),
        ("the role may not read anything any more", s3(refused(Refusal::AccessDenied))),
        ("the log hangs", s3(HANGS).at("_delta_log")),
        ("segments hang", s3(HANGS).at("landing/")),
        ("files hang", s3(HANGS).at(".parquet")),
        ("connections to S3 break", s3(Act::Drop)),
        ("DynamoDB throttles", dynamodb(refused(Refusal::Throttled)).operation("Query")),
        ("the role may not read the table any more", dynamodb(refused(Refusal::AccessDenied))),
        ("DynamoDB hangs", dynamodb(HANGS).operation("Query")),
    ];
    for (seed, (what, rule)) in cases.into_iter().enumerate() {
        with_new_rows(&cloud, seed as u64);
        let rule = cloud.proxy().faults().add(rule);
        // Enough beside the five seconds after which a store is at fault, on a machine that is busy with other things.
        let reply = cloud.query(&json!({ "sql": SQL, "timeout_ms": 14_000 }));
        assert!(cloud.proxy().faults().n_met(rule) > 0, "{what}: {}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["code"]), (503, &json!("unavailable")), "{what}: {error}");
        assert!(reply.header("retry-after").is_some(), "{what}");
        assert!(error["message"].as_str().unwrap().contains("did not answer"), "{what}: {error}");
        cloud.proxy().faults().clear();
    }
}

#[test]
fn a_query_that_takes_too_long_by_itself_is_told_so_also_if_the_store_is_slow() {
    let cloud = cloud(Settings::default());
    with_new_rows(&cloud, 0);
    let slow = Rule::new(Act::Delay(Duration::from_millis(300)), When::Always).service("s3").by("query");
    cloud.proxy().faults().add(slow);
    let endless = "SELECT sum(a.value * b.value), (SELECT max(name) FROM otel_logs_and_spans) \
                   FROM generate_series(1, 1000) a CROSS JOIN generate_series(1, 100000000) b";
    let reply = cloud.query(&json!({ "sql": endless, "timeout_ms": 8_000 }));
    let error: Value = reply.json()["error"].clone();
    assert_eq!((reply.status, &error["code"]), (422, &json!("query_timeout")), "{error}");
    eventually("the query function answers again", Duration::from_secs(30), || {
        cloud.query(&json!({ "sql": SQL })).status == 200
    });
}
