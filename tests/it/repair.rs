//! The metadata of a whole Plimsoll is put back by an hour: the table is stopped and says what to do, everything else goes
//! on, and `plimsoll repair` mends it.

use std::path::Path;
use std::process::Command;

use clock::{Clock, SystemClock};
use model::Signal;
use prost::Message;
use tempfile::TempDir;
use testkit::telemetry::{self, Sample};
use tests::Binary;

/// Spans of one request.
const SPANS: usize = 50;
/// Nothing is compacted but by hand.
const BY_HAND: [&str; 4] = ["--compact-after", "1h", "--sweep-every", "1h"];
/// The files of the metadata store.
const METADATA: [&str; 3] = ["metadata.db", "metadata.db-wal", "metadata.db-shm"];

fn body(seed: u64, start_unix_nano: u64) -> Vec<u8> {
    telemetry::traces(&Sample { seed, n: SPANS, start_unix_nano }).encode_to_vec()
}

/// `plimsoll repair` as an operator runs it: whether it is content, and what it says.
fn repair(server: &Binary, more: &[&str]) -> (bool, String) {
    let mut command = Command::new(Binary::path());
    command.arg("repair").args(more);
    command.env("PLIMSOLL_URL", &server.keys.api_url).env("PLIMSOLL_KEY", &server.keys.admin_key);
    let output = command.output().expect("it runs");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    (output.status.success(), said.concat())
}

fn copy_metadata(from: &Path, to: &Path) {
    for name in METADATA {
        // Put back whole: what is not in the copy must not be there.
        let _absent = std::fs::remove_file(to.join(name));
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

#[test]
fn metadata_put_back_in_time_is_repaired_and_every_count_is_exact() {
    let (data, backup) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let start = SystemClock.now() as u64 * 1_000;
    let send = |server: &Binary, seeds: std::ops::Range<u64>| {
        for seed in seeds {
            assert_eq!(server.export(Signal::Traces, &body(seed, start)).status, 200, "request {seed}");
        }
    };
    let server = Binary::serve(data.path(), &BY_HAND);
    send(&server, 0..4);
    server.compact();
    send(&server, 4..8);
    assert_eq!(server.terminate(), Some(0));
    copy_metadata(data.path(), backup.path());

    let server = Binary::serve(data.path(), &BY_HAND);
    server.compact();
    send(&server, 8..12);
    server.compact();
    send(&server, 12..16);
    assert_eq!(server.count("otel_logs_and_spans"), 16 * SPANS as u64);
    assert_eq!(server.terminate(), Some(0));
    copy_metadata(backup.path(), data.path());

    let server = Binary::serve(data.path(), &BY_HAND);
    let compacted = server.compact().to_string();
    assert!(compacted.contains("stopped") && compacted.contains("run `plimsoll repair`"), "{compacted}");
    let status = server.status().to_string();
    assert!(status.contains("run `plimsoll repair`"), "{status}");
    // New requests, and retries of what was forgotten, are taken; queries are answered.
    send(&server, 10..20);
    assert!(server.count("otel_logs_and_spans") > 0);
    let (content, said) = repair(&server, &[]);
    assert!(content && said.contains("default/otel_logs_and_spans: repaired"), "{said}");
    assert!(said.contains("default/otel_metrics: nothing was wrong"), "{said}");
    assert_eq!(server.count("otel_logs_and_spans"), 20 * SPANS as u64, "{said}");
    send(&server, 0..20);
    assert_eq!(server.count("otel_logs_and_spans"), 20 * SPANS as u64, "retries add nothing");
    server.compact();
    assert_eq!(server.count("otel_logs_and_spans"), 20 * SPANS as u64, "after compaction");
    let distinct = "SELECT count(distinct concat(id, context___trace_id)) FROM otel_logs_and_spans";
    assert_eq!(server.scalar(distinct), 20 * SPANS as u64);
    assert!(!server.status().to_string().contains("repair"), "no longer stopped");
    let (content, said) = repair(&server, &["otel_logs_and_spans"]);
    assert!(content && said.contains("nothing was wrong"), "{said}");
}
