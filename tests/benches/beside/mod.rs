//! Ingest beside other people's programs that take OTLP over HTTP: the same bodies, the same load, in turn.
//!
//! - `receivers`: the programs, how each is started and ended, and what is found afterwards

mod receivers;

use std::time::Duration;

use otlp::Encoding::{self, Gzip, Identity};
use tempfile::TempDir;

use self::receivers::{Receiver, counted_by_rotel};
use crate::Bench;
use crate::load::{self, Until};
use crate::measure::{median, percentile, spread_percent};
use crate::payload::Body;
use crate::payload::Content::{self, Logs8192, Metrics8192, Traces64, Traces8192};
use crate::process;
use crate::report::{Report, Row};

const ROUNDS: usize = 3;
const UNTIL: Until = Until::Over { warm_up: Duration::from_millis(500), measure: Duration::from_millis(2_500) };
/// Sent to rotel so that it counts them, before anything is measured.
const COUNTED_BODIES: usize = 4;

/// The last is the number of connections.
type Case = (Content, Encoding, usize);

const CASES: [Case; 10] = [
    (Traces8192, Identity, 1),
    (Traces8192, Identity, 16),
    (Traces8192, Identity, 128),
    (Traces8192, Gzip, 16),
    (Traces64, Identity, 1),
    (Traces64, Identity, 16),
    (Traces64, Identity, 128),
    (Traces64, Gzip, 16),
    (Logs8192, Gzip, 16),
    (Metrics8192, Gzip, 16),
];

pub(crate) fn run(bench: &Bench, report: &mut Report) {
    let mut done = Vec::new();
    let chosen = CASES.iter().filter(|case| bench.is_chosen(&name(case)));
    let rows: Vec<Row> = chosen.flat_map(|case| compare(bench, *case, &mut done)).collect();
    report.section(
        "ingest beside others",
        "Records acknowledged per second over loopback HTTP, keep-alive, one request at a time on each connection, the load \
         generator on the same cores; medians of rounds in which the programs take turns, each time fresh, with an empty folder. \
         `plimsoll serve` is the build described above and compacts beside it; rotel is a collector, as it is packed for Python, \
         with the exporter that throws everything away. By this: plimsoll serve divided by the row's, median of the rounds' \
         ratios. Durable: how many of the acknowledged records were found after SIGKILL right behind the last answer, by a query to \
         a server started on the data; they were fsynced besides. rotel stores nothing; that it takes in every record of these \
         bodies it said itself, beforehand.",
        &rows,
    );
}

/// `traces-8192 gzip 16`
fn name((content, encoding, connections): &Case) -> String {
    format!("{} {} {connections}", content.name(), encoding.as_str())
}

/// What was seen of one program, a number a round.
#[derive(Default)]
struct Seen {
    per_second: Vec<f64>,
    cpu_s_per_million: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    peak: Vec<f64>,
    refused: u64,
    /// Percent of those acknowledged.
    durable: Vec<f64>,
}

/// Data folders are kept in `done`: a file system that tidies up makes the next case slower.
fn compare(bench: &Bench, (content, encoding, connections): Case, done: &mut Vec<TempDir>) -> Vec<Row> {
    let bodies = bench.payload(content, encoding);
    let few = &bodies[..COUNTED_BODIES.min(bodies.len())];
    let sent: u64 = few.iter().map(|body| body.records).sum();
    assert_eq!(counted_by_rotel(bench, few), sent, "rotel counts what it was sent");
    let receivers = Receiver::ALL;
    let mut seen: Vec<Seen> = receivers.iter().map(|_| Seen::default()).collect();
    for _ in 0..ROUNDS {
        for (receiver, seen) in receivers.iter().zip(&mut seen) {
            done.push(measure(bench, *receiver, &bodies, connections, seen));
        }
    }
    let ours = receivers.iter().zip(&seen).find(|(receiver, _)| **receiver == Receiver::Plimsoll);
    let ours = ours.map_or(&[][..], |(_, seen)| &seen.per_second);
    let rows = receivers.iter().zip(&seen).map(|(receiver, seen)| {
        let ratios = ours.iter().zip(&seen.per_second).map(|(our, their)| our / their);
        Row::default()
            .text("payload", content.name())
            .text("encoding", encoding.as_str())
            .count("connections", connections as u64)
            .text("program", receiver.as_str())
            .rate("records_per_s", median(&seen.per_second))
            .number("±%", spread_percent(&seen.per_second), 1)
            .number("serve_by_this", median(&ratios.collect::<Vec<_>>()), 2)
            .number("cpu_s_per_million", median(&seen.cpu_s_per_million), 2)
            .mib("peak_mib", median(&seen.peak) as u64)
            .number("p50_ms", median(&seen.p50_ms), 1)
            .number("p99_ms", median(&seen.p99_ms), 1)
            .number("durable_%", median(&seen.durable), 1)
            .count("refused", seen.refused)
    });
    rows.collect()
}

fn measure(bench: &Bench, receiver: Receiver, bodies: &[Body], connections: usize, seen: &mut Seen) -> TempDir {
    let running = receiver.start(bench);
    let got = load::run(running.target.clone(), bodies, connections, UNTIL);
    let peak = process::memory(running.target.pid).peak;
    let (found, data) = running.kill();
    let found = found.unwrap_or_default();
    if receiver == Receiver::Plimsoll {
        assert_eq!(found, got.records_in_all, "rows stored are those acknowledged");
    }
    seen.per_second.push(got.records as f64 / got.used.wall.as_secs_f64());
    seen.cpu_s_per_million.push(got.used.cpu.as_secs_f64() * 1e6 / got.records as f64);
    seen.p50_ms.push(percentile(&got.latencies_ms, 50.0));
    seen.p99_ms.push(percentile(&got.latencies_ms, 99.0));
    seen.peak.push(peak as f64);
    seen.refused += got.refused;
    seen.durable.push(found as f64 * 100.0 / got.records_in_all as f64);
    data
}
