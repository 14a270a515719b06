//! Every query shape of `tests/fixtures/workload` over a month of the demo shop, beside DuckDB and chDB on the same data files.
//!
//! Nobody compares different questions: before a case is timed, the answers of all engines are compared. Engines take turns
//! within each round, so that what else the machine does hits them alike; all have the same number of threads, and all answer
//! as Arrow. Peers cannot read a Delta log and are handed the active files whose times overlap the question's, which a reader
//! of the log would find out for them.
//!
//! - `data`: the shop's month, made once and kept; copies of it, live segments
//! - `shapes`: the cases
//! - `ours`, `peers`: those who answer
//! - `same`: whether answers are the same
//! - `rounds`: taking turns, warm and in fresh processes
//! - `layout`, `variants`: another section, about the same rows laid out otherwise
//! - `tables`: what people read of it

mod data;
pub(crate) mod layout;
mod ours;
mod peers;
mod rounds;
mod same;
mod shapes;
mod tables;
mod variants;

use std::io::{IsTerminal, Write};

use crate::Bench;
use crate::report::Report;
use rounds::Engines;

/// Each engine's, ours too.
const THREADS: usize = 2;

pub(crate) fn run(bench: &Bench, report: &mut Report) {
    let month = data::month(bench);
    let mut engines = Engines::start(bench, &month);
    tables::what(report, &month, &engines);
    let cases = shapes::cases(&month, &engines.ours.server, |case| bench.is_chosen(case));
    let mut unlike = Vec::new();
    let mut measured = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        progress(&format!("{} of {}: {}", n + 1, cases.len(), case.name()));
        measured.extend(engines.measure(case, &mut unlike));
    }
    progress("fresh processes ...");
    engines.cold(&cases, &mut measured);
    progress("");
    tables::report(report, &measured, &unlike);
}

/// On one line, for whoever watches.
fn progress(what: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        write!(stderr, "\r{what:<60}\r").expect("a terminal takes a line");
    }
}
