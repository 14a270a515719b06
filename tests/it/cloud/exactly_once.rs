//! Each record exactly once, at every moment, whatever SQS and Lambda do to compaction.

use std::sync::Arc;
use std::time::Duration;

use model::Signal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tests::cloud::dev::Settings;
use tests::cloud::invocation::InvokeError;
use tests::cloud::mapping::Trouble;
use tests::eventually;

use super::world::{Book, cloud, drain, invoked, live_segments, operate};

/// Messages that a compact function was given by the queue, over all its invocations.
fn delivered(invocations: &[tests::cloud::invocation::Invoked]) -> u64 {
    invocations.iter().filter_map(|invoked| invoked.what.strip_prefix("sqs ")?.parse::<u64>().ok()).sum()
}

#[test]
fn triggers_that_come_twice_and_out_of_order_add_and_lose_nothing() {
    let cloud = cloud(Settings::default());
    cloud.trouble(Trouble { seed: 4, duplicates_percent: 40, held_back_percent: 40 });
    let book = Book::default();
    for _ in 0..3 {
        book.send_many(&cloud, 30, || book.check(&cloud));
        // Some of each round is in files before the next comes.
        cloud.fire("sweep");
        book.check(&cloud);
    }
    book.check_drained(&cloud);
    assert!(delivered(&invoked(&cloud, "compact")) > 0, "no trigger came to compact");
    let failed = invoked(&cloud, "compact").into_iter().find_map(|invoked| invoked.result.err());
    assert!(failed.is_none(), "{failed:?}");
}

#[test]
fn a_compact_process_that_is_killed_at_any_point_adds_and_loses_nothing() {
    const KILLS: usize = 8;
    let cloud = cloud(Settings::default());
    let seed = clock::Clock::now(&clock::SystemClock).unsigned_abs();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let book = Book::default();
    let n_killed = || {
        let killed = InvokeError::Failed {
            error_type: "Runtime.ExitError".to_owned(),
            message: "Runtime exited with error: signal: killed".to_owned(),
        };
        invoked(&cloud, "compact").iter().filter(|invoked| invoked.result.as_ref().err() == Some(&killed)).count()
    };
    eventually("compact was killed often enough", Duration::from_secs(90), || {
        book.send_many(&cloud, 6, || book.check(&cloud));
        // Beside the queue's own deliveries: whoever comes first is killed, early in its work or late.
        cloud.lambda().kill_next(cloud.function("compact"), Duration::from_millis(dice.random_range(1..400)));
        cloud.fire("sweep");
        book.check(&cloud);
        n_killed() >= KILLS
    });
    book.check_drained(&cloud);
}

#[test]
fn compactors_at_once_add_and_lose_nothing() {
    let cloud = cloud(Settings::default());
    let book = Book::default();
    let table = json!({ "act": "sweep" }).to_string();
    for _ in 0..4 {
        book.send_many(&cloud, 20, || book.check(&cloud));
        let compact = |_| {
            let (lambda, function, event) =
                (Arc::clone(cloud.lambda()), cloud.function("compact").to_owned(), table.clone());
            cloud.runtime().spawn(async move { lambda.invoke(&function, "one of several", event.into()).await })
        };
        let all: Vec<_> = (0..3).map(compact).collect();
        book.check(&cloud);
        for one in cloud.runtime().block_on(futures::future::join_all(all)) {
            let answer = one.unwrap();
            assert!(matches!(answer, Ok(_) | Err(InvokeError::Throttled)), "{answer:?}");
        }
        book.check(&cloud);
    }
    book.check_drained(&cloud);
    let several = invoked(&cloud, "compact");
    let several = several.iter().filter(|invoked| invoked.what == "one of several" && invoked.result.is_ok());
    assert!(several.count() > 4, "too few of them were at work");
}

#[test]
fn a_trigger_whose_function_dies_each_time_is_put_aside_its_rows_are_read_and_redriven_it_compacts_them() {
    let cloud = cloud(Settings { visibility: Some(Duration::from_secs(1)), ..Settings::default() });
    for _ in 0..100 {
        cloud.lambda().kill_next(cloud.function("compact"), Duration::ZERO);
    }
    let book = Book::default();
    book.send(&cloud);
    let outputs = cloud.stack().template.outputs();
    let sqs = aws_sdk_sqs::Client::new(&cloud.aws().config(aws::Service::Sqs));
    let dead = || {
        let asked = sqs
            .get_queue_attributes()
            .queue_url(&outputs["DeadLetterQueueUrl"])
            .attribute_names(aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages)
            .send();
        let answer = cloud.runtime().block_on(asked).unwrap();
        answer.attributes().unwrap().values().next().unwrap().parse::<u32>().unwrap()
    };
    eventually("the trigger is put aside", Duration::from_secs(60), || dead() > 0);
    book.check(&cloud);
    // Not once a delivery: a message that SQS hands out to a poller whose answer is late counts as received, too.
    let died = invoked(&cloud, "compact");
    assert!(died.len() > 1 && died.iter().all(|invoked| invoked.result.is_err()), "{died:?}");

    // moto cannot move messages itself, so the command line does: by hand.
    cloud.describe();
    cloud.lambda().kill_no_more(cloud.function("compact"));
    let redrive = |args: &[&str]| -> serde_json::Value {
        let (code, out, err) = operate(&cloud, &[&["redrive", "--json"], args].concat());
        assert_eq!(code, 0, "{out}\n{err}");
        serde_json::from_str(&out).unwrap()
    };
    let found = redrive(&["--dry-run"])["found"].as_u64().unwrap();
    assert!(found > 0 && live_segments(&cloud) > 0);
    assert!(redrive(&[])["moved"].as_u64().unwrap() >= found);
    // No sweep is fired: the triggers alone do it.
    eventually("what was put aside is compacted", Duration::from_secs(60), || live_segments(&cloud) == 0);
    assert_eq!(dead(), 0);
    book.check(&cloud);
}

#[test]
fn metrics_and_logs_go_the_same_way() {
    let cloud = cloud(Settings::default());
    let sample = testkit::telemetry::Sample {
        seed: 1,
        n: 30,
        start_unix_nano: clock::Clock::now(&clock::SystemClock) as u64 * 1_000,
    };
    let logs = prost::Message::encode_to_vec(&testkit::telemetry::logs(&sample));
    let metrics = prost::Message::encode_to_vec(&testkit::telemetry::metrics(&sample));
    for _ in 0..2 {
        assert_eq!(cloud.export(Signal::Logs, &logs).status, 200);
        assert_eq!(cloud.export(Signal::Metrics, &metrics).status, 200);
    }
    let counts = || (cloud.count("otel_logs_and_spans"), cloud.count("otel_metrics"));
    let before = counts();
    assert!(before.0 == 30 && before.1 > 0, "{before:?}");
    drain(&cloud);
    assert_eq!(counts(), before);
}
