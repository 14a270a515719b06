//! What requests cost: every AWS call is counted on the emulators, with DynamoDB's own count of capacity units, and priced.
//! Prints a table (`--nocapture`) and writes it as JSON into the target folder.

use tests::cloud::cost::Bill;

use super::handlers::{World, body, compact_now, count, logs_of, project, send, soon};

const SMALL_REQUESTS: u64 = 20;
const LARGE_REQUESTS: u64 = 5;
const QUERIES: u64 = 10;
/// Records of a small body, and of one of a megabyte.
const SMALL_RECORDS: usize = 1;
const MEGABYTE: usize = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_requests_cost() {
    let world = World::metered().await;
    let shop = project("shop");
    world.process("api").projects.create(&shop, "The shop").await.unwrap();
    let key = world.key(&shop).await;
    let (ingest, compact, query) = (world.ingest(), world.compact(), world.query());
    let journal = world.proxy.journal();
    let bill = |of: &str, n: u64, mark: usize| Bill::new(of, n, &journal.since(mark));
    let mut bills = Vec::new();

    let mark = journal.len();
    assert_eq!(send(&ingest, &key, &body(0, SMALL_RECORDS)).await, 200);
    bills.push(bill("ingest, the first request of a process", 1, mark).with_edge(small_bytes()));

    let mark = journal.len();
    for seed in 1..=SMALL_REQUESTS {
        assert_eq!(send(&ingest, &key, &body(seed, SMALL_RECORDS)).await, 200);
    }
    bills.push(bill("ingest, a small body", SMALL_REQUESTS, mark).with_edge(small_bytes()));

    let records = records_of(MEGABYTE);
    let bytes = body(0, records).len() as u64;
    let mark = journal.len();
    for seed in 100..100 + LARGE_REQUESTS {
        assert_eq!(send(&ingest, &key, &body(seed, records)).await, 200);
    }
    bills.push(bill("ingest, a body of 1 MB", LARGE_REQUESTS, mark).with_edge(bytes));

    let mark = journal.len();
    compact_now(&compact, &logs_of(&shop)).await;
    bills.push(bill("compaction, the first commit of a table", 1, mark).with_invocations(1));
    for seed in 200..200 + SMALL_REQUESTS {
        assert_eq!(send(&ingest, &key, &body(seed, SMALL_RECORDS)).await, 200);
    }
    let mark = journal.len();
    compact_now(&compact, &logs_of(&shop)).await;
    bills.push(bill("compaction, a commit of 20 segments", 1, mark).with_invocations(1));

    let all = 1 + 2 * SMALL_REQUESTS + LARGE_REQUESTS * records as u64;
    let mark = journal.len();
    assert_eq!(count(&query, &key).await, all);
    bills.push(bill("query, the first of a process", 1, mark).with_edge(small_bytes()));
    let mark = journal.len();
    for _ in 0..QUERIES {
        assert_eq!(count(&query, &key).await, all);
    }
    bills.push(bill("query, a further one", QUERIES, mark).with_edge(small_bytes()));

    let mark = journal.len();
    compact::sweep(&compact, soon()).await.unwrap();
    bills.push(bill("sweep, nothing to do", 1, mark).with_invocations(1));

    for bill in &bills {
        println!("{bill}");
    }
    let a_gigabyte = bills[2].dollars_per_million() / bytes as f64 * 1e3;
    println!("$ for 1 GB of OTLP in requests of {bytes} bytes, ingest alone: {a_gigabyte:.4}");
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("cost.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&bills).unwrap()).unwrap();
    println!("as JSON: {}", file.display());

    // What a request must not cost more than; a call more is a decision.
    for bill in &bills[1..3] {
        let n = |call: &str| bill.charges.get(call).map_or(0, |charge| charge.n_calls);
        assert_eq!(n("s3 PutObject"), bill.n_requests, "one object each\n{bill}");
        assert_eq!(n("dynamodb TransactWriteItems"), bill.n_requests, "one transaction each\n{bill}");
        assert!(n("sqs SendMessageBatch") + n("sqs SendMessage") <= bill.n_requests, "one trigger each\n{bill}");
    }
}

fn small_bytes() -> u64 {
    body(0, SMALL_RECORDS).len() as u64
}

/// How many records make a body of about so many bytes.
fn records_of(bytes: usize) -> usize {
    let sample = 200;
    bytes * sample / body(0, sample).len()
}
