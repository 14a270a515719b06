//! The programs that take OTLP over HTTP: how each is started, how it ends, and what is found afterwards.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tests::{Binary, eventually};

use crate::Bench;
use crate::load::{self, Repeats, Target, Until};
use crate::payload::Body;
use crate::server::give_room;

const START_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiver {
    /// `plimsoll serve`, of the build that the bench is.
    Plimsoll,
    /// A collector; here with the exporter that throws everything away.
    Rotel,
}

impl Receiver {
    pub(super) const ALL: [Receiver; 2] = [Self::Plimsoll, Self::Rotel];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Receiver::Plimsoll => "plimsoll serve",
            Receiver::Rotel => "rotel",
        }
    }

    pub(super) fn start(self, bench: &Bench) -> Running {
        let data = bench.data();
        let (program, target) = match self {
            Receiver::Plimsoll => {
                let server = Binary::serve(data.path(), &[]);
                give_room(&server);
                let target = Target::from(&server);
                (Program::Plimsoll(Box::new(server)), target)
            }
            Receiver::Rotel => rotel(&[], Stdio::null()),
        };
        Running { program, target, data }
    }
}

/// A program that runs; killed when dropped.
pub(super) struct Running {
    program: Program,
    pub(super) target: Target,
    data: TempDir,
}

enum Program {
    Plimsoll(Box<Binary>),
    Other(Killed),
}

/// Killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// SIGKILL; then the records that are found, None if nothing is stored; and the data, which are there until the folder is
    /// dropped.
    pub(super) fn kill(self) -> (Option<u64>, TempDir) {
        match self.program {
            Program::Plimsoll(server) => {
                server.kill();
                (Some(asked(self.data.path())), self.data)
            }
            Program::Other(child) => {
                drop(child);
                (None, self.data)
            }
        }
    }
}

/// Counted by queries to a server that is started on the data.
fn asked(data: &Path) -> u64 {
    let server = Binary::serve(data, &[]);
    server.count("otel_logs_and_spans") + server.count("otel_metrics")
}

/// The records of `bodies`, sent once, as rotel tells of them.
pub(super) fn counted_by_rotel(bench: &Bench, bodies: &[Body]) -> u64 {
    let folder = bench.data();
    let log = folder.path().join("said.jsonl");
    let signals = ["--debug-log", "traces", "--debug-log", "logs", "--debug-log", "metrics", "--log-format", "json"];
    let (_program, target) = rotel(&signals, File::create(&log).expect("the bench folder takes files").into());
    let sent = load::run(target, bodies, 1, Until::AllSent).records_in_all;
    let counted = || {
        let said = std::fs::read_to_string(&log).expect("it was made above");
        let lines = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines
            .filter_map(|line| line.get(line.get("data_type")?.as_str()?.replace("traces", "spans"))?.as_u64())
            .sum::<u64>()
    };
    eventually("rotel counts what it was sent", START_WITHIN, || counted() >= sent);
    counted()
}

fn rotel(more: &[&str], said: Stdio) -> (Program, Target) {
    let (address, grpc) = (free_address(), free_address());
    let child = Command::new(program("PLIMSOLL_BENCH_ROTEL"))
        .args(["start", "--exporter", "blackhole", "--otlp-http-endpoint", &address, "--otlp-grpc-endpoint", &grpc])
        .args(more)
        .stdout(said)
        .spawn()
        .expect("rotel starts");
    waited_for(child, address)
}

fn waited_for(child: Child, address: String) -> (Program, Target) {
    let child = Killed(child);
    eventually("a peer takes connections", START_WITHIN, || TcpStream::connect(&address).is_ok());
    let target = Target { address, key: String::new(), pid: child.0.id(), repeats: Repeats::Taken };
    (Program::Other(child), target)
}

/// Nobody listens there; somebody else might before we do, which would be seen at once.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it is bound").to_string()
}

fn program(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap_or_else(|| panic!("tests/bench sets {variable}")))
}
