//! DynamoDB that throttles, S3 that answers 503, answers that are lost: the proxy breaks calls of ingest and compact while both
//! work, and each record is there exactly once, at every moment. (Queries go undisturbed, so that they can watch.)

use std::time::Duration;

use tests::cloud::dev::Settings;
use tests::cloud::proxy::{Act, Refusal, Rule, When};

use super::world::{Book, cloud};

/// Of a thousand calls of ingest, and of compact, each.
const FAULTS: [(&str, Act, u64); 8] = [
    ("dynamodb", Act::Refuse(Refusal::ProvisionedThroughputExceeded), 80),
    ("dynamodb", Act::Refuse(Refusal::Throttled), 40),
    ("dynamodb", Act::LoseReply, 40),
    ("s3", Act::Refuse(Refusal::SlowDown), 80),
    ("s3", Act::LoseReply, 40),
    ("s3", Act::Misreport(Refusal::Unavailable), 40),
    ("sqs", Act::Refuse(Refusal::Unavailable), 100),
    ("s3", Act::Delay(Duration::from_millis(150)), 50),
];

#[test]
fn throttling_and_lost_answers_of_the_stores_add_and_lose_nothing() {
    let cloud = cloud(Settings::default());
    let book = Book::default();
    book.send_many(&cloud, 6, || book.check(&cloud));
    let faults = cloud.proxy().faults();
    let mut rules = Vec::new();
    for (seed, (service, act, per_mille)) in FAULTS.into_iter().enumerate() {
        for function in ["ingest", "compact"] {
            let when = When::Chance { per_mille, seed: seed as u64 };
            let rule = Rule::new(act, when).service(service).by(function);
            rules.push(((service, act, function), faults.add(rule)));
        }
    }
    for _ in 0..3 {
        book.send_many(&cloud, 24, || book.check(&cloud));
        cloud.fire("sweep");
        book.check(&cloud);
    }
    for (what, rule) in &rules {
        // The queue is polled with compact's role.
        println!("{what:?}: {} calls", faults.n_met(*rule));
    }
    let n_met: u64 = rules.iter().map(|(_, rule)| faults.n_met(*rule)).sum();
    assert!(n_met > 30, "only {n_met} calls were broken");
    faults.clear();
    book.check_drained(&cloud);
}
