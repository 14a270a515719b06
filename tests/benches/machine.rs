//! What the numbers were measured on.

use std::fs;
use std::io::Write;
use std::process::Command;

use clock::{Clock, SystemClock};
use model::rfc3339;

use crate::measure::{Stopwatch, median};
use crate::report::{Report, Row};
use crate::{Bench, process};

const FSYNCS: usize = 50;
const QUIET: f64 = 0.1;

pub(crate) fn describe(bench: &Bench, report: &mut Report) {
    let of = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches([':', ' ', '\t']).trim().to_owned()
    };
    let memory_kib: f64 = of("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let busy = cores_in_use();
    let facts = Row::default()
        .text("at", rfc3339(SystemClock.now()))
        .text("cpu", of("/proc/cpuinfo", "model name"))
        .count("cores", cores as u64)
        .number("memory_gib", memory_kib / f64::from(1 << 20), 1)
        .text("kernel", said("uname", &["-r"]))
        .text("rustc", said("rustc", &["--version"]))
        .text("profile", profile())
        .text("commit", said("git", &["rev-parse", "--short", "HEAD"]))
        .number("fsync_of_4_kib_ms", fsync_ms(bench), 2)
        .number("cores_busy_before", busy, 2);
    report.facts("machine", facts);
    if busy > QUIET {
        println!("  others use this machine: expect noise (`other cores` below says how much during each measurement)");
    }
}

/// As `Cargo.toml` has it; told by the folder that cargo built into and by what it was told to check.
fn profile() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let folder = path.ancestors().nth(2).and_then(|folder| folder.file_name()).unwrap_or_default();
    match folder.to_str() {
        Some("debug") if cfg!(debug_assertions) => {
            "dev: crates that touch every byte or row at opt-level 3, warm ones at 1, the rest at 0, debug assertions and \
             overflow checks on"
                .to_owned()
        }
        Some(other) => other.to_owned(),
        None => "unknown".to_owned(),
    }
}

/// The cores that others keep busy while we wait.
fn cores_in_use() -> f64 {
    let usage = process::Usage::of(std::process::id());
    std::thread::sleep(std::time::Duration::from_millis(500));
    usage.so_far().other_cores
}

/// What a durable write costs where the data will lie, at the median.
fn fsync_ms(bench: &Bench) -> f64 {
    let mut file = tempfile::tempfile_in(&bench.folder).expect("a temporary file");
    let took = (0..FSYNCS).map(|_| {
        let watch = Stopwatch::start();
        file.write_all(&[7; 4_096]).and_then(|()| file.sync_all()).expect("the disk takes 4 KiB");
        watch.elapsed().as_secs_f64() * 1e3
    });
    median(&took.collect::<Vec<_>>())
}

fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
