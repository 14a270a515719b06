//! A soak of seconds: a kill, a full disk and a slow one under load. `make soak` is the same for minutes and hours.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tests::soak::{Soak, server};

/// Their plan has one spell of each kind and little else.
const SEED: u64 = 1;
const LENGTH: Duration = Duration::from_secs(8);
const RECORDS_PER_SECOND: f64 = 600.0;
/// By which this test binary, started again, is told to be the server.
const DATA: &str = "PLIMSOLL_SOAK_DATA";
const SLOWNESS: &str = "PLIMSOLL_SOAK_SLOWNESS";

#[test]
fn nothing_acknowledged_is_lost_or_doubled_through_a_kill_a_full_disk_and_a_slow_one() {
    let folder = TempDir::new().unwrap();
    let soak = Soak {
        seed: SEED,
        length: LENGTH,
        records_per_second: RECORDS_PER_SECOND,
        folder: folder.path().to_owned(),
        slow_server,
    };
    let summary = soak.run();
    assert!(summary.wrong.is_empty(), "{}", summary.table());
    for name in ["spells_kill", "spells_full_disk", "spells_slow_disk", "acknowledged_records", "counted_batches"] {
        assert!(summary.number(name) > 0, "{name}\n{}", summary.table());
    }
    assert!(summary.number("found_records") >= summary.number("acknowledged_records"), "{}", summary.table());
    assert_eq!(summary.number("found_by_other_engine_records"), summary.number("found_records"));
}

/// The test below, in a process of its own.
fn slow_server(data: &Path, slowness: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test has a path"));
    command.args(["--exact", "soak::is_the_server_of_the_test_above", "--ignored", "--nocapture"]);
    command.env(DATA, data).env(SLOWNESS, slowness);
    command
}

#[test]
#[ignore = "not a test: the test above starts it as a process that can be killed"]
fn is_the_server_of_the_test_above() {
    let path = |name: &str| std::env::var_os(name).unwrap_or_else(|| panic!("{name} is set by the test above"));
    server::serve(Path::new(&path(DATA)), Path::new(&path(SLOWNESS)));
}
