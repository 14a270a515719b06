//! kill -9 under load, restart: everything acknowledged is there exactly once, and a retry adds nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use clock::{Clock, SystemClock};
use model::Signal;
use prost::Message;
use tempfile::TempDir;
use testkit::telemetry::{self, Sample, attribute, text};
use tests::{Binary, Client, eventually};

const ROUNDS: u64 = 4;
const SENDERS: u64 = 6;
const SPANS: usize = 40;
/// Requests acknowledged in a round before the kill.
const ACKNOWLEDGED_BEFORE_KILL: u64 = 60;

/// The body of request `n`: `SPANS` spans whose resource says which request they came in.
fn body(n: u64) -> Vec<u8> {
    static START: LazyLock<u64> = LazyLock::new(|| SystemClock.now() as u64 * 1_000);
    let mut request = telemetry::traces(&Sample { seed: n, n: SPANS, start_unix_nano: *START });
    for spans in &mut request.resource_spans {
        let resource = spans.resource.get_or_insert_default();
        resource.attributes.push(attribute("testkit.request", text(n.to_string())));
    }
    request.encode_to_vec()
}

/// Sends until the server is gone; what was acknowledged goes into `acknowledged`, what got no answer into `unknown`.
fn send_until_killed(
    client: &Client,
    next: &AtomicU64,
    stop: &AtomicBool,
    acknowledged: &Mutex<Vec<u64>>,
    unknown: &Mutex<Vec<u64>>,
) {
    while !stop.load(Ordering::SeqCst) {
        let n = next.fetch_add(1, Ordering::SeqCst);
        let headers = [("content-type", "application/x-protobuf"), ("x-api-key", client.keys.ingest_key.as_str())];
        let url = format!("{}{}", client.keys.otlp_url, Signal::Traces.path());
        match client.try_send("POST", &url, &headers, &body(n)) {
            Some(reply) if reply.status == 200 => acknowledged.lock().unwrap().push(n),
            _ => unknown.lock().unwrap().push(n),
        }
    }
}

/// How often each request's spans are in the table: by its place in the resource attribute `testkit.request`.
fn found(client: &Client) -> HashMap<u64, u64> {
    client
        .sql("SELECT resource ->> 'testkit.request' AS n, count(*) FROM otel_logs_and_spans GROUP BY 1")
        .into_iter()
        .map(|row| (row[0].as_str().unwrap().parse().unwrap(), row[1].as_u64().unwrap()))
        .collect()
}

#[test]
fn what_was_acknowledged_survives_kill_9_exactly_once() {
    let data = TempDir::new().unwrap();
    let next = Arc::new(AtomicU64::new(0));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for round in 0..ROUNDS {
        let server = Binary::serve(data.path(), &["--compact-after", "1s", "--sweep-every", "1s"]);
        let unknown = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let before = acknowledged.lock().unwrap().len() as u64;
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let (client, next, stop) = (Client::clone(&server), next.clone(), stop.clone());
                let (acknowledged, unknown) = (acknowledged.clone(), unknown.clone());
                std::thread::spawn(move || send_until_killed(&client, &next, &stop, &acknowledged, &unknown))
            })
            .collect();
        eventually("requests are acknowledged", Duration::from_secs(60), || {
            acknowledged.lock().unwrap().len() as u64 >= before + ACKNOWLEDGED_BEFORE_KILL * (1 + round % 2)
        });
        server.kill();
        stop.store(true, Ordering::SeqCst);
        senders.into_iter().for_each(|sender| sender.join().unwrap());

        let server = Binary::serve(data.path(), &["--compact-after", "1s", "--sweep-every", "1s"]);
        let there = found(&server);
        let known = acknowledged.lock().unwrap().clone();
        for n in &known {
            assert_eq!(there.get(n), Some(&(SPANS as u64)), "round {round}: request {n} was acknowledged");
        }
        // An exporter that got no answer sends again; one that did may too.
        let again: Vec<u64> =
            unknown.lock().unwrap().iter().copied().chain(known.iter().rev().take(10).copied()).collect();
        for n in again {
            assert_eq!(server.export(Signal::Traces, &body(n)).status, 200);
            let mut known = acknowledged.lock().unwrap();
            if !known.contains(&n) {
                known.push(n);
            }
        }
        let all = acknowledged.lock().unwrap().len();
        let there = found(&server);
        assert_eq!(there.len(), all, "round {round}");
        assert!(there.values().all(|rows| *rows == SPANS as u64), "round {round}: {there:?}");
        server.kill();
    }
    let server = Binary::serve(data.path(), &[]);
    server.compact();
    let live: u64 =
        server.status()["tables"].as_array().unwrap().iter().map(|t| t["live_segments"].as_u64().unwrap()).sum();
    assert_eq!(live, 0, "everything was compacted");
    let there = found(&server);
    assert_eq!(there.len(), acknowledged.lock().unwrap().len());
    assert!(there.values().all(|rows| *rows == SPANS as u64), "{there:?}");
    assert_eq!(server.terminate(), Some(0));
}
