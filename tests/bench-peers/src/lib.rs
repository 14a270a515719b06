//! Decodes a payload file with other people's decoders, one measurement at a time, so that the bench can run them in turn
//! with ours: `FILE traces|logs|metrics` reads lines `DECODER FIRST COUNT` and answers each with `NANOS ROWS`,
//! of CPU time.
//!
//! Two programs, since the allocator matters to decoders that make many small things: `bench-peers` with the system's, as
//! any program has it, `bench-peers-jemalloc` with the one that `plimsoll` has.
//!
//! Decoders: `otlp2records` gives Arrow batches; `prost` gives structs and nothing else.

use std::hint::black_box;
use std::io::{BufRead, Write};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use otlp2records::{InputFormat, transform_logs, transform_metrics, transform_traces};
use prost::Message;
use rustix::time::{ClockId, clock_gettime};

/// Why it ended early.
pub type Failure = Box<dyn std::error::Error>;

/// The whole program.
pub fn run() -> Result<(), Failure> {
    let [file, signal] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "usage: FILE SIGNAL")?;
    let file = std::fs::read(file)?;
    let bodies = bodies(&file, &signal)?;
    let mut answers = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [decoder, first, count] =
            line.split(' ').collect::<Vec<_>>().try_into().map_err(|_| "DECODER FIRST COUNT")?;
        let (first, count): (usize, usize) = (first.parse()?, count.parse()?);
        let began = cpu_nanos();
        let mut rows = 0;
        for body in bodies.iter().cycle().skip(first).take(count) {
            rows += decode(decoder, &signal, body)?;
        }
        writeln!(answers, "{} {rows}", cpu_nanos() - began)?;
        answers.flush()?;
    }
    Ok(())
}

/// Of this thread.
fn cpu_nanos() -> i128 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    i128::from(t.tv_sec) * 1_000_000_000 + i128::from(t.tv_nsec)
}

/// Rows that came out; of structs, 0.
fn decode(decoder: &str, signal: &str, body: &[u8]) -> Result<usize, Failure> {
    Ok(match (decoder, signal) {
        ("otlp2records", "traces") => black_box(transform_traces(body, InputFormat::Protobuf)?).num_rows(),
        ("otlp2records", "logs") => black_box(transform_logs(body, InputFormat::Protobuf)?).num_rows(),
        ("otlp2records", "metrics") => {
            let made = black_box(transform_metrics(body, InputFormat::Protobuf)?);
            [made.gauge, made.sum, made.histogram, made.exp_histogram].iter().flatten().map(|b| b.num_rows()).sum()
        }
        ("prost", "traces") => drop_struct(ExportTraceServiceRequest::decode(body)?),
        ("prost", "logs") => drop_struct(ExportLogsServiceRequest::decode(body)?),
        ("prost", "metrics") => drop_struct(ExportMetricsServiceRequest::decode(body)?),
        _ => return Err(format!("no decoder `{decoder}` for `{signal}`").into()),
    })
}

fn drop_struct(decoded: impl Message) -> usize {
    drop(black_box(decoded));
    0
}

/// A payload file is bodies one after the other, each behind four numbers (u32, little endian): signal, records, length
/// before compression, length.
fn bodies<'f>(mut file: &'f [u8], signal: &str) -> Result<Vec<&'f [u8]>, Failure> {
    let wanted = ["traces", "logs", "metrics"].iter().position(|name| *name == signal).ok_or("no such signal")?;
    let mut bodies = Vec::new();
    while let Some((head, rest)) = file.split_first_chunk::<16>() {
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let (body, rest) = rest.split_at_checked(number(12)).ok_or("the payload file is cut off")?;
        if number(0) == wanted {
            bodies.push(body);
        }
        file = rest;
    }
    Ok(bodies)
}
