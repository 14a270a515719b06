//! OTLP bytes to Arrow, one thread: our decoder next to other people's, on the same bodies, in turn.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use model::{BodyHash, Micros, ProjectId, Signal, TimeRange};
use otlp::Encoding;
use rows::{BodyContext, Decoder};

use crate::Bench;
use crate::measure::{median, spread_percent, thread_cpu};
use crate::payload::{Body, Content};
use crate::report::{Report, Row};

/// On the system's allocator, and on ours.
const PEERS: [&str; 2] = ["bench-peers", "bench-peers-jemalloc"];
const ROUNDS: usize = 31;
/// Records of one measurement, at least: shorter ones measure the clock.
const RECORDS_AT_LEAST: u64 = 8_192;

pub(crate) fn run(bench: &Bench, report: &mut Report) {
    let cases = [
        (Content::Traces8192, Signal::Traces),
        (Content::Traces64, Signal::Traces),
        (Content::Logs8192, Signal::Logs),
        (Content::Metrics8192, Signal::Metrics),
        (Content::ShopHour, Signal::Traces),
        (Content::ShopHour, Signal::Logs),
        (Content::ShopHour, Signal::Metrics),
    ];
    let chosen = cases.iter().filter(|(content, signal)| bench.is_chosen(&name(*content, *signal)));
    let rows: Vec<Row> = chosen.map(|(content, signal)| compare(bench, *content, *signal)).collect();
    report.section(
        "decode to Arrow",
        "One thread, records per second of its CPU time, medians of interleaved rounds; the ratio is the median of the rounds' ratios. \
         otlp2records fills 16 to 28 columns and keeps attributes as JSON, ours fills the promoted columns, fingerprints and \
         JSON for the rest; prost makes structs and no Arrow at all. The peers are built in release, ours as described above. otlp2records runs on the system's \
         allocator and on jemalloc, which plimsoll has; prost on jemalloc. \
         Rows: of one round, ours and theirs (otlp2records leaves summaries out). ± is half the distance of the quartiles.",
        &rows,
    );
}

/// `shop-hour logs`
fn name(content: Content, signal: Signal) -> String {
    format!("{} {}", content.name(), signal.as_str())
}

fn compare(bench: &Bench, content: Content, signal: Signal) -> Row {
    let bodies: Vec<Body> =
        bench.payload(content, Encoding::Identity).into_iter().filter(|body| body.signal == signal).collect();
    let file = bench.payload_file(content, Encoding::Identity);
    let [mut plain, mut jemalloc] = PEERS.map(|program| Peer::start(&bench.peers.join(program), &file, signal));
    let records_each = bodies.iter().map(|body| body.records).sum::<u64>() / bodies.len() as u64;
    let count = RECORDS_AT_LEAST.div_ceil(records_each.max(1)) as usize;
    let (mut ours, mut theirs, mut theirs_jemalloc, mut structs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut our_rows, mut their_rows) = (0, 0);
    for round in 0..=ROUNDS {
        let first = round * count % bodies.len();
        let taken = || bodies.iter().cycle().skip(first).take(count);
        let records = taken().map(|body| body.records).sum::<u64>() as f64;
        let (our_seconds, rows) = decode(taken());
        let (their_seconds, peer_rows) = plain.decode("otlp2records", first, count);
        let (their_jemalloc_seconds, _) = jemalloc.decode("otlp2records", first, count);
        let (struct_seconds, _) = jemalloc.decode("prost", first, count);
        // The first round warms up.
        if round > 0 {
            ours.push(records / our_seconds);
            theirs.push(records / their_seconds);
            theirs_jemalloc.push(records / their_jemalloc_seconds);
            structs.push(records / struct_seconds);
            (our_rows, their_rows) = (rows, peer_rows);
        }
    }
    let ratios = |other: &[f64]| median(&ours.iter().zip(other).map(|(our, their)| our / their).collect::<Vec<_>>());
    let bytes: u64 = bodies.iter().map(|body| body.raw_bytes).sum();
    let records: u64 = bodies.iter().map(|body| body.records).sum();
    Row::default()
        .text("payload", name(content, signal))
        .count("bytes_per_record", bytes / records)
        .rate("ours_per_s", median(&ours))
        .number("±%", spread_percent(&ours), 1)
        .rate("otlp2records_per_s", median(&theirs))
        .number("their_±%", spread_percent(&theirs), 1)
        .number("ratio", ratios(&theirs), 2)
        .rate("theirs_on_jemalloc_per_s", median(&theirs_jemalloc))
        .number("ratio_on_jemalloc", ratios(&theirs_jemalloc), 2)
        .rate("prost_per_s", median(&structs))
        .number("ratio_to_prost", ratios(&structs), 2)
        .count("our_rows", our_rows as u64)
        .count("their_rows", their_rows as u64)
}

/// Seconds of CPU, and rows that came out.
fn decode<'a>(bodies: impl Iterator<Item = &'a Body>) -> (f64, usize) {
    let project = ProjectId::parse("default").expect("a project id");
    let began = thread_cpu();
    let mut rows = 0;
    for body in bodies {
        let context = BodyContext {
            signal: body.signal,
            project: &project,
            hash: BodyHash::from_bytes([7; 16]),
            arrived_at: 0,
            accepted: TimeRange::new(0, Micros::MAX),
            records_max: usize::MAX,
        };
        let mut decoder = Decoder::new(body.signal.table());
        let outcome = decoder.push(&context, &body.bytes).expect("payloads are OTLP");
        assert_eq!((outcome.rows as u64, outcome.rejected), (body.records, 0), "{}", outcome.rejected_message);
        rows += black_box(decoder.finish()).num_rows();
    }
    ((thread_cpu() - began).as_secs_f64(), rows)
}

/// A program of `tests/bench-peers`, waiting for its turn.
struct Peer {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(program: &Path, payload: &Path, signal: Signal) -> Self {
        let mut child = Command::new(program)
            .arg(payload)
            .arg(signal.as_str())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let asks = child.stdin.take().expect("piped above");
        let answers = BufReader::new(child.stdout.take().expect("piped above"));
        Self { child, asks, answers }
    }

    /// As [`decode`].
    fn decode(&mut self, decoder: &str, first: usize, count: usize) -> (f64, usize) {
        writeln!(self.asks, "{decoder} {first} {count}").expect("the peer listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peer answers");
        let (nanos, rows) = line.trim().split_once(' ').expect("`NANOS ROWS`");
        let nanos: f64 = nanos.parse().expect("a number");
        (nanos / 1e9, rows.parse().expect("a number"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
