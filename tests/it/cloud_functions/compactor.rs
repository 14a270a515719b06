//! `compact`: messages, ticks and operators' requests.

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, RandomIds};
use compact::cloud::{Compactor, Tick};
use compact::{App, Settings};
use lambda::{Event, Function};
use meta::Trigger;
use meta::projects::Projects;
use object_store::ObjectStoreExt;
use serde_json::{Value, json};
use tests::tables::{Tables, project};

use super::{MINUTE, admin_key, body_of, call, create, http, invoke, land, logs_and_spans, sample, shop};

const CALL: Duration = Duration::from_secs(600);

/// Every live segment is due.
fn compactor(tables: &Tables) -> Compactor {
    let mut settings = Settings::default();
    settings.due.age = 0;
    settings.mark_delay = Duration::ZERO;
    let clock = tables.clock.clone() as Arc<dyn Clock>;
    let app = App::new(
        tables.ledger.clone(),
        tables.roots.clone(),
        Arc::new(tables.logs.clone()),
        Arc::new(Projects::new(Arc::clone(&tables.items), clock.clone())),
        clock,
        Arc::new(RandomIds),
        settings,
    );
    Compactor::new(Arc::new(app), Arc::clone(&tables.keys), &[])
}

/// Live segments that are in no batch.
async fn waiting(tables: &Tables) -> usize {
    tables.ledger.read(&logs_and_spans(&shop())).await.expect("the ledger").unlisted().len()
}

async fn turns(tables: &Tables) -> u64 {
    tables.ledger.read_lease(&logs_and_spans(&shop())).await.expect("read").map_or(0, |lease| lease.fence)
}

fn again(answer: &Value) -> Vec<&str> {
    let failures = answer["batchItemFailures"].as_array().expect("a list");
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().expect("an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_of_messages_is_seen_to_and_each_table_once() {
    let tables = Tables::new();
    create(&tables, &shop()).await;
    let function = compactor(&tables);
    for (n, name) in ["sqs-one", "sqs-many", "sqs-duplicate", "sqs-s3-test"].into_iter().enumerate() {
        land(&tables, &shop(), 10).await;
        let answer = invoke(&function, sample(&format!("compact/{name}.json")), &call(&tables, CALL)).await;
        assert_eq!(again(&answer), Vec::<&str>::new(), "{name}");
        let (waiting, turns) = (waiting(&tables).await, turns(&tables).await);
        let expected = if name == "sqs-s3-test" { (1, n as u64) } else { (0, n as u64 + 1) };
        assert_eq!((waiting, turns), expected, "{name}");
        tables.clock.advance(MINUTE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_messages_that_may_be_done_later_come_again() {
    let tables = Tables::new();
    create(&tables, &shop()).await;
    land(&tables, &shop(), 10).await;
    let function = compactor(&tables);
    let event = sample("compact/sqs-no-trigger.json");
    let newer = event["Records"].as_array().expect("messages").iter();
    let newer = newer.filter(|message| message["body"].as_str().is_some_and(|body| body.contains("\"v\": 2")));
    let newer: Vec<&str> = newer.map(|message| message["messageId"].as_str().expect("an id")).collect();
    let answer = invoke(&function, event.clone(), &call(&tables, CALL)).await;
    assert_eq!((again(&answer), newer.len()), (newer, 1), "a newer version reads what it wrote");
    assert_eq!(waiting(&tables).await, 0, "the trigger among them was seen to");

    // Its landing object cannot be told from one that a store does not show yet.
    let lost = land(&tables, &shop(), 10).await;
    tables.roots.open(&shop()).store.delete(&lost.key.as_str().into()).await.expect("deleted");
    let answer = invoke(&function, sample("compact/sqs-one.json"), &call(&tables, CALL)).await;
    assert_eq!(again(&answer), Vec::<&str>::new(), "it is quarantined, and that is no reason to come again");
}

#[tokio::test(flavor = "multi_thread")]
async fn near_the_deadline_nothing_is_begun_and_the_sweeper_finds_it() {
    let tables = Tables::new();
    create(&tables, &shop()).await;
    land(&tables, &shop(), 10).await;
    let function = compactor(&tables);
    for seconds in [0, 7, 20] {
        let call = call(&tables, Duration::from_secs(seconds));
        let answer = invoke(&function, sample("compact/sqs-one.json"), &call).await;
        assert_eq!((again(&answer), waiting(&tables).await), (vec![], 1), "{seconds}");
        tables.clock.advance(2 * MINUTE);
    }
    let swept = invoke(&function, sample("compact/schedule-sweep.json"), &call(&tables, CALL)).await;
    assert_eq!((swept, waiting(&tables).await), (json!({"tables": 1, "need_attention": 0}), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_of_schedules_say_what_they_did() {
    let tables = Tables::new();
    create(&tables, &shop()).await;
    create(&tables, &project("stock")).await;
    land(&tables, &shop(), 10).await;
    let function = compactor(&tables);
    for (name, expected) in [
        ("schedule-sweep", json!({"tables": 1, "need_attention": 0})),
        ("schedule-maintenance", json!({"projects": 2, "failed": 0, "left": 0})),
        ("schedule-retention", json!({"projects": 2, "failed": 0, "left": 0})),
        ("repair", json!({"tables": 4, "incomplete": 0, "out_of_reach": 0})),
        ("s3-test", json!({})),
    ] {
        let answer = invoke(&function, sample(&format!("compact/{name}.json")), &call(&tables, CALL)).await;
        assert_eq!(answer, expected, "{name}");
        tables.clock.advance(2 * MINUTE);
    }
    let left = invoke(&function, json!({"act": "maintenance"}), &call(&tables, Duration::from_secs(20))).await;
    assert_eq!(left, json!({"projects": 2, "failed": 0, "left": 2}));
    for unknown in [json!({"act": "dance"}), json!({"act": "sweep", "now": true}), json!({}), json!(7)] {
        assert!(serde_json::from_value::<Event<Tick>>(unknown.clone()).is_err(), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_answered_by_the_same_routes_as_on_a_laptop() {
    let tables = Tables::new();
    create(&tables, &shop()).await;
    land(&tables, &shop(), 10).await;
    let (function, key) = (compactor(&tables), admin_key(&tables).await);
    let ask = async |event: Value, time: Duration| invoke(&function, event, &call(&tables, time)).await;

    let status = body_of(&ask(http("compact/http-api-status.json", &key, None), CALL).await, 200);
    assert_eq!((&status["tables"][0]["live_segments"], &status["tables"][0]["live_rows"]), (&json!(1), &json!(10)));

    // With no time the answer says so, and nothing was done.
    let late = ask(http("compact/http-api-compact.json", &key, None), Duration::from_secs(3)).await;
    let outcomes = |answer: &Value| {
        let rows = answer["tables"].as_array().expect("tables").clone();
        rows.iter().map(|row| row["outcome"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((outcomes(&body_of(&late, 200)), waiting(&tables).await), (vec!["later".into(), "later".into()], 1));
    let late = ask(http("compact/http-api-compact.json", &key, None), Duration::from_secs(15)).await;
    assert_eq!((outcomes(&body_of(&late, 200))[0].as_str(), waiting(&tables).await), ("later", 1), "too late to begin");

    let done = body_of(&ask(http("compact/http-api-compact.json", &key, None), CALL).await, 200);
    assert_eq!((outcomes(&done)[0].as_str(), &done["tables"][0]["rows"]), ("done", &json!(10)));
    assert_eq!(waiting(&tables).await, 0);

    let mut repair = http("compact/http-api-compact.json", &key, Some(json!({"table": "otel_logs_and_spans"})));
    repair["rawPath"] = "/api/v1/repair".into();
    let repaired = body_of(&ask(repair.clone(), CALL).await, 200);
    assert_eq!(repaired["tables"].as_array().map(Vec::len), Some(1));
    let late = body_of(&ask(repair, Duration::from_secs(2)).await, 200);
    assert!(late["tables"][0]["error"].as_str().is_some_and(|error| error.contains("the time was up")), "{late}");

    let stranger = ask(http("compact/http-api-status.json", "pl_a_nobody", None), CALL).await;
    assert_eq!(body_of(&stranger, 401)["error"]["code"], "unauthorized");
    let mut nowhere = http("compact/http-api-status.json", &key, None);
    nowhere["rawPath"] = "/metrics".into();
    assert_eq!(body_of(&ask(nowhere, CALL).await, 404)["error"]["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_a_dead_invocation_left_is_taken_over_when_it_has_run_out() {
    let tables = Tables::new();
    create(&tables, &shop()).await;
    land(&tables, &shop(), 10).await;
    tables.ledger.take_lease(&logs_and_spans(&shop())).await.expect("taken");
    let function = compactor(&tables);
    let message = serde_json::to_string(&Trigger::new(logs_and_spans(&shop()))).expect("a trigger");
    let event = json!({"Records": [{"messageId": "m", "body": message, "eventSource": "aws:sqs"}]});
    let answer = invoke(&function, event.clone(), &call(&tables, CALL)).await;
    assert_eq!((again(&answer), waiting(&tables).await), (vec![], 1), "busy: the holder and the sweeper see to it");
    tables.clock.advance(MINUTE);
    invoke(&function, event, &call(&tables, CALL)).await;
    assert_eq!((waiting(&tables).await, turns(&tables).await), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_no_business_of_a_function_that_got_no_body() {
    let tables = Tables::new();
    let function = compactor(&tables);
    let event = json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs"}]});
    let event: Event<Tick> = serde_json::from_value(event).expect("an event");
    assert!(function.handle(event, &call(&tables, CALL)).await.is_ok());
}
