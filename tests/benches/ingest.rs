//! Records acknowledged over HTTP: durable, recorded and queryable at each 200.

use std::time::Duration;

use otlp::Encoding::{self, Gzip, Identity, Zstd};
use tempfile::TempDir;

use crate::load::{self, Until};
use crate::measure::percentile;
use crate::payload::Content::{self, Logs8192, Metrics8192, Traces64, Traces8192};
use crate::report::{Report, Row};
use crate::server::{Measured, stored};
use crate::{Bench, process};

const UNTIL: Until = Until::Over { warm_up: Duration::from_millis(700), measure: Duration::from_secs(4) };

/// The last is the number of connections.
type Case = (Content, Encoding, usize);

const CASES: [Case; 17] = [
    (Traces8192, Identity, 1),
    (Traces8192, Identity, 16),
    (Traces8192, Identity, 128),
    (Traces8192, Gzip, 1),
    (Traces8192, Gzip, 16),
    (Traces8192, Gzip, 128),
    (Traces8192, Zstd, 1),
    (Traces8192, Zstd, 16),
    (Traces8192, Zstd, 128),
    (Traces64, Identity, 1),
    (Traces64, Identity, 16),
    (Traces64, Identity, 128),
    (Traces64, Gzip, 1),
    (Traces64, Gzip, 16),
    (Traces64, Gzip, 128),
    (Logs8192, Gzip, 16),
    (Metrics8192, Gzip, 16),
];

pub(crate) fn run(bench: &Bench, report: &mut Report) {
    let chosen = CASES.iter().filter(|case| bench.is_chosen(&name(case)));
    let mut done = Vec::new();
    let rows: Vec<Row> = chosen.map(|case| measure(bench, *case, &mut done)).collect();
    report.section(
        "ingest over loopback HTTP",
        "Records acknowledged per second (each durable on the disk, recorded and queryable), keep-alive, one request at a time \
         on each connection, every body different; the load generator runs beside the server on the same cores, and the \
         server compacts in the background as it always does. CPU: seconds of the server per million records, compaction \
         included; `in files` is how much of what was acknowledged compaction had put into Parquet by the end. Each case has a \
         fresh server; afterwards the rows stored are counted against those acknowledged. Refused: answered 503 or hung up on, and sent again.",
        &rows,
    );
}

/// `traces-64 gzip 16`
fn name((content, encoding, connections): &Case) -> String {
    format!("{} {} {connections}", content.name(), encoding.as_str())
}

/// Data folders are kept in `done`: a file system that tidies up makes the next case slower.
fn measure(bench: &Bench, (content, encoding, connections): Case, done: &mut Vec<TempDir>) -> Row {
    let bodies = bench.payload(content, encoding);
    let measured = Measured::plimsoll(bench);
    let server = &measured.server;
    let got = load::run(server, &bodies, connections, UNTIL);
    let peak = process::memory(server.pid()).peak;
    let stored = stored(server);
    // What was refused may still have been stored: its sender sends it again, and it counts once.
    assert_eq!(stored.in_files + stored.live, got.records_in_all, "rows stored are those acknowledged");
    done.push(measured.stop());
    let seconds = got.used.wall.as_secs_f64();
    let millions = got.records as f64 / 1e6;
    Row::default()
        .text("payload", content.name())
        .text("encoding", encoding.as_str())
        .count("connections", connections as u64)
        .rate("records_per_s", got.records as f64 / seconds)
        .number("raw_mb_per_s", got.raw_bytes as f64 / 1e6 / seconds, 1)
        .rate("requests_per_s", got.latencies_ms.len() as f64 / seconds)
        .number("p50_ms", percentile(&got.latencies_ms, 50.0), 1)
        .number("p95_ms", percentile(&got.latencies_ms, 95.0), 1)
        .number("p99_ms", percentile(&got.latencies_ms, 99.0), 1)
        .number("cpu_s_per_million", got.used.cpu.as_secs_f64() / millions, 2)
        .number("server_cores", got.used.cpu.as_secs_f64() / seconds, 2)
        .number("load_cores", got.used.ours.as_secs_f64() / seconds, 2)
        .number("other_cores", got.used.other_cores, 2)
        .number("in_files_%", stored.in_files as f64 * 100.0 / got.records_in_all as f64, 0)
        .mib("peak_mib", peak)
        .count("refused", got.refused)
}
