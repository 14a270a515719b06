//! `make soak`: see [`tests::soak`]. Called with `serve`, it is the server whose disk can be slow.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clock::{Clock, SystemClock};
use tests::soak::{Soak, server};

/// As in `plimsoll`, which this program is for a while.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SERVE: &str = "serve";
const RECORDS_PER_SECOND: f64 = 2_500.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [SERVE, data, slowness] = arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        server::serve(Path::new(data), Path::new(slowness));
        return ExitCode::SUCCESS;
    }
    let folder = PathBuf::from(std::env::var_os("PLIMSOLL_SOAK_FOLDER").expect("tests/soak sets it"));
    let seed = variable("SEED").unwrap_or(SystemClock.now().unsigned_abs() % 1_000_000);
    let minutes = variable("MINUTES").unwrap_or(10);
    println!("{minutes} minutes; again with SEED={seed} MINUTES={minutes}; the servers log to {}", folder.display());
    let length = Duration::from_secs(minutes * 60);
    let summary = Soak { seed, length, records_per_second: RECORDS_PER_SECOND, folder, slow_server }.run();
    println!("{}\n{}", summary.table(), summary.json());
    if summary.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// This program again.
fn slow_server(data: &Path, slowness: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.arg(SERVE).arg(data).arg(slowness);
    command
}

fn variable(name: &str) -> Option<u64> {
    let set = std::env::var(name).ok()?;
    Some(set.parse().unwrap_or_else(|_| panic!("{name}={set} is no whole number")))
}
