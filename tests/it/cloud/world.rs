//! A dev cloud for a test, requests whose rows can be counted, and what must hold of them at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use clock::{Clock, Ids, RandomIds, SystemClock};
use model::Signal;
use prost::Message;
use testkit::telemetry::{self, Sample, attribute, text};
use tests::cloud::Emulators;
use tests::cloud::dev::{DevCloud, Settings};
use tests::cloud::invocation::Invoked;
use tests::{Binary, Client, eventually};

/// In each request.
const SPANS: u64 = 20;
const DRAINED_WITHIN: Duration = Duration::from_secs(60);
/// Exporters send again for longer than that.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// On the emulators that all tests of this process share, under names of its own.
pub(crate) fn cloud(settings: Settings) -> DevCloud {
    let name = format!("t{}", RandomIds.fresh());
    DevCloud::start(&name, Emulators::shared(), settings)
}

/// The body of request `n`: its spans bear the number.
fn body(n: u64) -> Vec<u8> {
    static START: LazyLock<u64> = LazyLock::new(|| SystemClock.now() as u64 * 1_000);
    let mut request = telemetry::traces(&Sample { seed: n, n: SPANS as usize, start_unix_nano: *START });
    for spans in &mut request.resource_spans {
        let resource = spans.resource.get_or_insert_default();
        resource.attributes.push(attribute("testkit.request", text(n.to_string())));
    }
    request.encode_to_vec()
}

/// What was sent and acknowledged so far.
#[derive(Default)]
pub(crate) struct Book {
    next: AtomicU64,
    acknowledged: Mutex<BTreeSet<u64>>,
}

impl Book {
    /// Sends as an exporter does, again until it is acknowledged or refused for good; every third request twice, as after a
    /// lost answer.
    pub(crate) fn send(&self, client: &Client) {
        let n = self.next.fetch_add(1, Ordering::SeqCst);
        let body = body(n);
        let headers = [("content-type", "application/x-protobuf"), ("x-api-key", client.keys.ingest_key.as_str())];
        let url = format!("{}{}", client.keys.otlp_url, Signal::Traces.path());
        for _ in 0..1 + u64::from(n.is_multiple_of(3)) {
            eventually("a request is acknowledged", ANSWERED_WITHIN, || {
                let reply = client.try_send("POST", &url, &headers, &body);
                let status = reply.as_ref().map_or(0, |reply| reply.status);
                // No answer and 500 are what a function that went away looks like from outside.
                assert!([0, 200, 429, 500, 502, 503, 504].contains(&status), "{:?}", reply.map(|reply| reply.text()));
                status == 200
            });
        }
        self.acknowledged.lock().unwrap().insert(n);
    }

    /// From several senders at once, until `n` requests more are acknowledged; meanwhile `beside` runs again and again.
    pub(crate) fn send_many(&self, client: &Client, n: u64, mut beside: impl FnMut()) {
        const SENDERS: u64 = 3;
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sender = |_| scope.spawn(|| (0..n.div_ceil(SENDERS)).for_each(|_| self.send(client)));
            let senders: Vec<_> = (0..SENDERS).map(sender).collect();
            scope.spawn(|| {
                // Ends also if a sender panics.
                senders
                    .into_iter()
                    .for_each(|sender| _ = sender.join().inspect_err(|_| done.store(true, Ordering::SeqCst)));
                done.store(true, Ordering::SeqCst);
            });
            while !done.load(Ordering::SeqCst) {
                beside();
            }
        });
        assert_eq!(
            self.next.load(Ordering::SeqCst),
            self.acknowledged.lock().unwrap().len() as u64,
            "a sender gave up"
        );
    }

    /// Every acknowledged request is there with all its spans, once; one that is under way is there whole, or not at all.
    pub(crate) fn check(&self, client: &Client) {
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        let sql = "SELECT resource ->> 'testkit.request' AS n, count(*) FROM otel_logs_and_spans GROUP BY 1";
        let rows = client.sql(sql).into_iter();
        let found: BTreeMap<u64, u64> =
            rows.map(|row| (row[0].as_str().unwrap().parse().unwrap(), row[1].as_u64().unwrap())).collect();
        for (n, spans) in &found {
            assert_eq!(*spans, SPANS, "request {n} has {spans} spans in the table");
        }
        for n in &acknowledged {
            assert!(found.contains_key(n), "request {n} was acknowledged and is not in the table");
        }
    }

    /// The same, when nothing is live any more.
    pub(crate) fn check_drained(&self, cloud: &DevCloud) {
        drain(cloud);
        self.check(cloud);
        let rows = cloud.count("otel_logs_and_spans");
        assert_eq!(rows, SPANS * self.acknowledged.lock().unwrap().len() as u64);
    }
}

/// Runs `plimsoll <args>` on a cloud that was described, as its operator would: exit code, stdout, stderr.
pub(crate) fn operate(cloud: &DevCloud, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(Binary::path());
    for name in ["PLIMSOLL_URL", "PLIMSOLL_OTLP_URL", "PLIMSOLL_KEY", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    let stack = cloud.stack().template.stack();
    let output = command.args(args).args(["--stack", stack]).envs(Emulators::shared().variables()).output();
    let output = output.expect("the binary starts");
    let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).expect("utf-8"));
    (output.status.code().expect("it was not killed"), out, err)
}

/// Waits until everything is compacted; schedules find what no trigger names any more.
pub(crate) fn drain(cloud: &DevCloud) {
    eventually("everything is compacted", DRAINED_WITHIN, || {
        cloud.fire("sweep");
        live_segments(cloud) == 0
    });
}

pub(crate) fn live_segments(client: &Client) -> u64 {
    let status = client.status();
    let tables = status["tables"].as_array().unwrap().iter();
    tables.map(|table| table["live_segments"].as_u64().unwrap_or_else(|| panic!("{table}"))).sum()
}

/// The invocations of a function that have ended, so far.
pub(crate) fn invoked(cloud: &DevCloud, program: &str) -> Vec<Invoked> {
    cloud.lambda().journal().invoked(cloud.function(program))
}
