//! How the binary starts, stops and meets trouble: one clear line, and nothing acknowledged is lost.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use clock::{Clock, SystemClock};
use model::Signal;
use prost::Message;
use tempfile::TempDir;
use testkit::telemetry::{self, Sample};
use tests::disk::SmallDisk;
use tests::{Binary, eventually};

/// Spans of one request.
const SPANS: usize = 500;

fn body(seed: u64) -> Vec<u8> {
    let start_unix_nano = SystemClock.now() as u64 * 1_000;
    telemetry::traces(&Sample { seed, n: SPANS, start_unix_nano }).encode_to_vec()
}

/// Runs a start that must fail; its exit code and the last line it says.
fn failing(mut command: Command) -> (i32, String) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("not killed"), said.trim_end().lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_changes_it() {
    let data = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = Command::new(Binary::path());
    command.args(["serve", "--listen", &address, "--otlp-listen", "127.0.0.1:0", "--data"]).arg(data.path());
    let (code, said) = failing(command);
    assert_eq!(code, 1);
    assert!(said.contains(&address) && said.contains("in use") && said.contains("--listen"), "{said}");
}

#[test]
fn a_folder_that_cannot_be_written_or_is_in_use_is_named() {
    let data = TempDir::new().unwrap();
    let file = data.path().join("a-file");
    std::fs::write(&file, "x").unwrap();
    let (code, said) = failing(Binary::command(&file.join("below"), &[]));
    assert_eq!(code, 1);
    assert!(said.contains("a-file/below") && said.contains("Not a directory"), "{said}");

    let running = Binary::serve(data.path(), &[]);
    let (code, said) = failing(Binary::command(data.path(), &[]));
    assert_eq!(code, 1);
    assert!(said.contains("metadata.db") && said.contains(&running.pid().to_string()), "{said}");
}

#[test]
fn sigterm_finishes_what_is_under_way_and_stops_within_seconds() {
    let data = TempDir::new().unwrap();
    let server = Binary::serve(data.path(), &[]);
    for seed in 0..5 {
        assert_eq!(server.export(Signal::Traces, &body(seed)).status, 200);
    }
    let before = SystemClock.uptime();
    assert_eq!(server.terminate(), Some(0));
    assert!(SystemClock.uptime() - before < Duration::from_secs(8));
    let server = Binary::serve(data.path(), &[]);
    assert_eq!(server.count("otel_logs_and_spans"), 5 * SPANS as u64);
}

#[test]
fn a_full_disk_is_a_503_and_what_was_acknowledged_is_there_when_there_is_room_again() {
    let disk = SmallDisk::mount(24 << 20);
    let data = disk.path().join("data");
    let server = Binary::start(disk.enter(&Binary::command(&data, &["--compact-after", "1h"])), &data);
    assert_eq!(server.export(Signal::Traces, &body(1)).status, 200);
    disk.fill(0);
    let refused = server.export(Signal::Traces, &body(2));
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(server.count("otel_logs_and_spans"), SPANS as u64, "queries go on");
    disk.free();
    let again = body(3);
    eventually("it takes requests again", Duration::from_secs(20), || {
        server.export(Signal::Traces, &again).status == 200
    });
    assert_eq!(server.count("otel_logs_and_spans"), 2 * SPANS as u64);
    server.compact();
    assert_eq!(server.count("otel_logs_and_spans"), 2 * SPANS as u64);
}

#[test]
fn credentials_are_for_their_owner_only_and_keys_are_shown_once() {
    use std::os::unix::fs::PermissionsExt;
    let data = TempDir::new().unwrap();
    drop(Binary::serve(data.path(), &[]));
    let mode = std::fs::metadata(data.path().join("credentials.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let stored = std::fs::read_to_string(data.path().join("credentials.json")).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    let secret = stored["ingest_key"].as_str().unwrap().as_bytes().to_vec();
    for file in ["metadata.db", "metadata.db-wal"] {
        let bytes = std::fs::read(data.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "the secret is not stored in {file}");
    }
}
