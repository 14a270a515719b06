//! Records acknowledged over HTTP: durable, recorded and queryable at each 200.

use std::time::Duration;

use otlp::Encoding::{self, Gzip, Identity, Zstd};

use crate::load::{self, Until};
use crate::measure::percentile;
use crate::payload::Content::{self, Logs8192, Metrics8192, Traces64, Traces8192};
use crate::report::{Report, Row};
use crate::server::{Measured, rows_stored};
use crate::{Bench, process};

const UNTIL: Until = Until::Over { warm_up: Duration::from_millis(700), measure: Duration::from_secs(4) };

const CASES: [(Content, Encoding, usize); 17] = [
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
    let rows: Vec<Row> = CASES.iter().map(|case| measure(bench, *case)).collect();
    report.section(
        "ingest over loopback HTTP",
        "Records acknowledged per second (each durable on the disk, recorded and queryable), keep-alive, one request at a time \
         on each connection, every body different; the load generator runs beside the server on the same cores, and the \
         server compacts in the background as it always does. CPU: seconds of the server per million records, compaction \
         included. Each case has a fresh server; afterwards the rows stored are counted against those acknowledged.",
        &rows,
    );
}

fn measure(bench: &Bench, (content, encoding, connections): (Content, Encoding, usize)) -> Row {
    let bodies = bench.payload(content, encoding);
    let measured = Measured::plimsoll(bench);
    let server = &measured.server;
    let got = load::run(server, &bodies, connections, UNTIL);
    let peak = process::memory(server.pid()).peak;
    if got.refused == 0 {
        assert_eq!(rows_stored(server), got.records_in_all, "rows stored are those acknowledged");
    }
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
        .mib("peak_mib", peak)
        .count("refused", got.refused)
}
