//! Request bodies: made once from a seed, kept in files, the same for every run and for the peers.
//!
//! A file is bodies one after the other: signal (0 traces, 1 logs, 2 metrics), records, length before compression and
//! length (u32 each, little endian), then the bytes. A file that is there is whole: it gets its name last.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use bytes::{Buf, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use local::demo::{Scale, Shop};
use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, Signal, TimeRange};
use otlp::Encoding;
use prost::Message;
use testkit::telemetry::{self, Sample};

use crate::{Bench, spans};

/// Changes with what is made, so that old files are not taken for new ones.
const VERSION: &str = "v2";
/// 2026-11-16T00:00:00Z, a Monday. Fixed, so that the bytes are; the servers are told to keep data long enough.
pub(crate) const MONDAY: Micros = 20_773 * MICROS_PER_DAY;
/// Days that the shop is followed from [`MONDAY`] on.
pub(crate) const SHOP_DAYS: i64 = 2;
const SHOP_SPANS_PER_DAY: f64 = 600_000.0;
const SHOP_METRICS_EVERY_S: u32 = 30;
/// What SDKs and the Collector use unless told otherwise.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Spans of 10 attributes, in batches as a collector sends them.
    Traces8192,
    /// The same in batches as an SDK sends them.
    Traces64,
    /// Log records with each kind of attribute value and of body.
    Logs8192,
    /// Points of all five metric types, with exemplars.
    Metrics8192,
    /// Two days of the demo shop.
    Shop,
    /// A busy hour of it.
    ShopHour,
}

/// A body as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) signal: Signal,
    pub(crate) encoding: Encoding,
    pub(crate) records: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) bytes: Bytes,
}

impl Content {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Content::Traces8192 => "traces-8192",
            Content::Traces64 => "traces-64",
            Content::Logs8192 => "logs-8192",
            Content::Metrics8192 => "metrics-8192",
            Content::Shop => "shop",
            Content::ShopHour => "shop-hour",
        }
    }

    /// One body after the other.
    fn make(self) -> Box<dyn Iterator<Item = (Signal, usize, Vec<u8>)>> {
        let sample = |n: usize| move |seed: u64| Sample { seed, n, start_unix_nano: start_of(seed, n) };
        let shop = |from: Micros, to: Micros| {
            let shop = Shop::new(1, Scale::SpansPerDay(SHOP_SPANS_PER_DAY))
                .deployed_at(MONDAY + MICROS_PER_DAY)
                .metrics_every(SHOP_METRICS_EVERY_S);
            let requests = shop.requests(TimeRange::new(from, to));
            Box::new(requests.map(|request| (request.signal, request.records, request.body)))
        };
        match self {
            Content::Traces8192 => Box::new((0..32).map(sample(8_192)).map(traces)),
            Content::Traces64 => Box::new((0..2_048).map(sample(64)).map(traces)),
            Content::Logs8192 => {
                Box::new((0..16).map(sample(8_192)).map(|s| (Signal::Logs, s.n, telemetry::logs(&s).encode_to_vec())))
            }
            Content::Metrics8192 => Box::new(
                (0..16).map(sample(8_192)).map(|s| (Signal::Metrics, s.n, telemetry::metrics(&s).encode_to_vec())),
            ),
            Content::Shop => shop(MONDAY, MONDAY + SHOP_DAYS * MICROS_PER_DAY),
            Content::ShopHour => shop(MONDAY + 15 * MICROS_PER_HOUR, MONDAY + 16 * MICROS_PER_HOUR),
        }
    }
}

fn traces(sample: Sample) -> (Signal, usize, Vec<u8>) {
    (Signal::Traces, sample.n, spans::spans(&sample).encode_to_vec())
}

/// Each sample goes on where the one before ended.
fn start_of(seed: u64, n: usize) -> u64 {
    let millis = MONDAY.unsigned_abs() / 1_000 + seed * n as u64;
    millis * 1_000_000
}

impl Bench {
    /// Where the file is; it is made if it is not there.
    pub(crate) fn payload_file(&self, content: Content, encoding: Encoding) -> PathBuf {
        let path = self.folder.join(format!("{VERSION}-{}.{}.bodies", content.name(), encoding.as_str()));
        if !path.exists() {
            eprintln!("making {} ...", path.display());
            let new = path.with_extension("new");
            let mut file = std::io::BufWriter::new(fs::File::create(&new).expect("the bench folder takes files"));
            for (signal, records, raw) in content.make() {
                let sent = compressed(encoding, &raw);
                for number in [signal as usize, records, raw.len(), sent.len()] {
                    let number = u32::try_from(number).expect("bodies are below 4 GiB");
                    file.write_all(&number.to_le_bytes()).expect("the disk takes payloads");
                }
                file.write_all(&sent).expect("the disk takes payloads");
            }
            file.flush().expect("the disk takes payloads");
            fs::rename(new, &path).expect("it was written there");
        }
        path
    }

    pub(crate) fn payload(&self, content: Content, encoding: Encoding) -> Vec<Body> {
        let path = self.payload_file(content, encoding);
        let mut file = Bytes::from(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        let mut bodies = Vec::new();
        while file.has_remaining() {
            let [signal, records, raw_bytes, length] = [(); 4].map(|()| file.get_u32_le());
            bodies.push(Body {
                signal: Signal::ALL[signal as usize],
                encoding,
                records: records.into(),
                raw_bytes: raw_bytes.into(),
                bytes: file.split_to(length as usize),
            });
        }
        bodies
    }
}

/// Bytes that, put in front of a body, make it another one with the same records: a field that no receiver knows.
pub(crate) fn distinction(encoding: Encoding, n: u64) -> Vec<u8> {
    // Field 15, eight bytes of fixed width.
    let mut field = vec![(15 << 3) | 1];
    field.extend_from_slice(&n.to_le_bytes());
    // gzip may have several members, zstd several frames.
    compressed(encoding, &field)
}

fn compressed(encoding: Encoding, raw: &[u8]) -> Vec<u8> {
    match encoding {
        Encoding::Identity => raw.to_vec(),
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
            encoder.write_all(raw).and_then(|()| encoder.finish()).expect("memory takes it")
        }
        Encoding::Zstd => zstd::encode_all(raw, ZSTD_LEVEL).expect("memory takes it"),
        Encoding::Deflate => unreachable!("no payload is deflated"),
    }
}
