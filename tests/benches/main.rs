//! `make bench`: what this build does on this machine, as a table for people and as JSON lines.
//!
//! Everything runs over loopback on a data folder of its own, ends by itself and takes its data with it. Numbers are
//! reported, never asserted; but each section checks that what it measured was done (rows counted, answers not empty).
//!
//! - `payload`, `spans`: request bodies, generated once from a seed, kept in files
//! - `start`, `decode`, `ingest`, `beside`, `compaction`, `queries`, `lookup`, `functions`, `suite`, `suite::layout`: one section each
//! - `load`: the load generator; `server`: a server that compacts only when asked; `process`: what `/proc` tells
//! - `measure`: clock, medians, percentiles; `machine`: what it ran on; `report`: tables and JSON lines

mod beside;
mod compaction;
mod decode;
mod functions;
mod ingest;
mod load;
mod lookup;
mod machine;
mod measure;
mod payload;
mod process;
mod queries;
mod report;
mod server;
mod spans;
mod start;
mod suite;

use std::path::{Path, PathBuf};

use report::Report;

/// As in `plimsoll`, which this program is for a while.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// In their order; arguments choose among them.
const SECTIONS: [(&str, fn(&Bench, &mut Report)); 9] = [
    ("start", start::run),
    ("decode", decode::run),
    ("ingest", ingest::run),
    ("beside", beside::run),
    ("tables", compaction::run),
    ("lookup", lookup::run),
    ("functions", functions::run),
    ("suite", suite::run),
    ("layout", suite::layout::run),
];

/// An experiment that changes nothing of what users see: it runs when it is named.
const ON_REQUEST: &str = "layout";

/// What every section needs.
struct Bench {
    /// Payload files, and data folders while they are in use.
    folder: PathBuf,
    /// Where the programs of `tests/bench-peers` are.
    peers: PathBuf,
    /// In the names of all cases that are measured.
    only: String,
}

impl Bench {
    fn is_chosen(&self, case: &str) -> bool {
        case.contains(&self.only)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, data] = arguments.as_slice()
        && command == server::COMMAND
    {
        return server::serve(Path::new(data));
    }
    let Some((sections, only)) = chosen(&arguments) else {
        let known: Vec<&str> = SECTIONS.iter().map(|(section, _)| *section).collect();
        eprintln!("usage: tests/bench [SECTION ...] [--only TEXT], with the sections {}", known.join(", "));
        std::process::exit(2);
    };
    let path = |name: &str| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("tests/bench sets {name}")));
    let (folder, peers) = (path("PLIMSOLL_BENCH_FOLDER"), path("PLIMSOLL_BENCH_PEERS"));
    std::fs::create_dir_all(&folder).expect("the bench folder can be made");
    let bench = Bench { folder, peers, only };
    let mut report = Report::create(&bench.folder);
    machine::describe(&bench, &mut report);
    for (section, run) in SECTIONS {
        let is_named = sections.iter().any(|name| name == section);
        if is_named || sections.is_empty() && section != ON_REQUEST {
            run(&bench, &mut report);
        }
    }
    report.finish();
}

/// The sections, none for all, and the text after `--only`; none if there is something else.
fn chosen(arguments: &[String]) -> Option<(&[String], String)> {
    let (sections, only) = match arguments.iter().position(|argument| argument == "--only") {
        Some(at) => (&arguments[..at], arguments.get(at + 1)?.clone()),
        None => (arguments, String::new()),
    };
    let is_known = |name: &String| SECTIONS.iter().any(|(section, _)| section == name);
    sections.iter().all(is_known).then_some((sections, only))
}
