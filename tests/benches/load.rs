//! The load generator: keep-alive connections over loopback, one request at a time on each, all on one thread.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures::future::{join, join_all};
use otlp::Encoding;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::measure::Stopwatch;
use crate::payload::{Body, distinction};
use crate::process::{Usage, Used};

/// A server that does not answer for so long is broken.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// After an answer that asks to come back.
const PAUSE: Duration = Duration::from_millis(100);
/// Bodies up to this are sent in one piece with their head.
const ONE_PIECE_BYTES: usize = 64 << 10;
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Who is sent to.
#[derive(Clone)]
pub(crate) struct Target {
    /// `127.0.0.1:4318`
    pub(crate) address: String,
    /// Empty for who asks for none.
    pub(crate) key: String,
    pub(crate) pid: u32,
    pub(crate) repeats: Repeats,
}

/// What becomes of a body that comes a second time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// It is known and not stored again, so each is made different; a word in the answer would be of trouble.
    Known,
    /// It is taken like any other.
    Taken,
}

impl From<&tests::Binary> for Target {
    fn from(server: &tests::Binary) -> Self {
        Self {
            address: server.keys.otlp_url.trim_start_matches("http://").to_owned(),
            key: server.keys.ingest_key.clone(),
            pid: server.pid(),
            repeats: Repeats::Known,
        }
    }
}

/// When it is enough.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// The bodies again and again, each time made different; what happens in `measure` counts.
    Over { warm_up: Duration, measure: Duration },
    /// Each body once, as it is.
    AllSent,
}

/// What was acknowledged.
pub(crate) struct Acknowledged {
    /// While it was measured.
    pub(crate) records: u64,
    pub(crate) raw_bytes: u64,
    /// Of each request, milliseconds, from its first byte sent to its answer's last.
    pub(crate) latencies_ms: Vec<f64>,
    pub(crate) used: Used,
    /// Requests answered with 429 or 503, or hung up on; sent again.
    pub(crate) refused: u64,
    /// In all, before and after measuring too.
    pub(crate) records_in_all: u64,
}

/// Sends `bodies` in turn.
pub(crate) fn run(target: impl Into<Target>, bodies: &[Body], connections: usize, until: Until) -> Acknowledged {
    let target = target.into();
    let pid = target.pid;
    let load = Load {
        target,
        bodies,
        until,
        next: Cell::new(0),
        phase: Cell::new(Phase::WarmUp),
        usage: RefCell::new(Usage::of(pid)),
        measured: RefCell::default(),
        refused: Cell::new(0),
        records_in_all: Cell::new(0),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let used = runtime.block_on(async {
        let connections = join_all((0..connections).map(|_| load.connection()));
        match until {
            Until::Over { warm_up, measure } => {
                let timer = async {
                    sleep(warm_up).await;
                    load.usage.replace(Usage::of(pid));
                    load.phase.set(Phase::Measure);
                    sleep(measure).await;
                    load.phase.set(Phase::Over);
                    load.usage.borrow().so_far()
                };
                join(timer, connections).await.0
            }
            Until::AllSent => {
                load.phase.set(Phase::Measure);
                connections.await;
                load.usage.borrow().so_far()
            }
        }
    });
    let Measured { records, raw_bytes, latencies_ms } = load.measured.into_inner();
    let (refused, records_in_all) = (load.refused.get(), load.records_in_all.get());
    Acknowledged { records, raw_bytes, latencies_ms, used, refused, records_in_all }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measure,
    Over,
}

#[derive(Default)]
struct Measured {
    records: u64,
    raw_bytes: u64,
    latencies_ms: Vec<f64>,
}

/// What the connections share.
struct Load<'a> {
    target: Target,
    bodies: &'a [Body],
    until: Until,
    next: Cell<usize>,
    phase: Cell<Phase>,
    usage: RefCell<Usage>,
    measured: RefCell<Measured>,
    refused: Cell<u64>,
    records_in_all: Cell<u64>,
}

impl Load<'_> {
    async fn connection(&self) {
        let mut stream = self.connect().await;
        while let Some((n, body)) = self.take() {
            let front = match (self.until, self.target.repeats) {
                (Until::Over { .. }, Repeats::Known) => distinction(body.encoding, n as u64),
                (Until::AllSent, _) | (_, Repeats::Taken) => Vec::new(),
            };
            let mut watch = Stopwatch::start();
            while let Err(refusal) = self.exchange(&mut stream, &front, body).await {
                if self.refused.replace(self.refused.get() + 1) == 0 {
                    eprintln!("refused: {refusal}");
                }
                sleep(PAUSE).await;
                // Who is refused before the body was read is hung up on.
                stream = self.connect().await;
                watch = Stopwatch::start();
            }
            self.acknowledged(body, watch.elapsed());
        }
    }

    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.target.address).await.expect("the server takes connections");
        stream.set_nodelay(true).expect("TCP");
        stream
    }

    /// An error asks to come back; anything else but a 200 without a word is a failure of the bench.
    async fn exchange(&self, stream: &mut TcpStream, front: &[u8], body: &Body) -> Result<(), String> {
        let answered = timeout(ANSWER_WITHIN, self.send(stream, front, body)).await.expect("the server answers");
        let (status, said) = answered.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&said);
        match status {
            200 if said.is_empty() || self.target.repeats == Repeats::Taken => Ok(()),
            429 | 503 => Err(format!("{status}: {said}")),
            _ => panic!("the server answered {status}: {said}"),
        }
    }

    fn take(&self) -> Option<(usize, &Body)> {
        let n = self.next.replace(self.next.get() + 1);
        let body = match self.until {
            Until::Over { .. } if self.phase.get() == Phase::Over => None,
            Until::Over { .. } => self.bodies.get(n % self.bodies.len()),
            Until::AllSent => self.bodies.get(n),
        };
        body.map(|body| (n, body))
    }

    fn acknowledged(&self, body: &Body, took: Duration) {
        self.records_in_all.set(self.records_in_all.get() + body.records);
        if self.phase.get() == Phase::Measure {
            let mut measured = self.measured.borrow_mut();
            measured.records += body.records;
            measured.raw_bytes += body.raw_bytes;
            measured.latencies_ms.push(took.as_secs_f64() * 1e3);
        }
    }

    /// One request, and its answer's status and body.
    async fn send(&self, stream: &mut TcpStream, front: &[u8], body: &Body) -> std::io::Result<(u16, Vec<u8>)> {
        let encoding = match body.encoding {
            Encoding::Identity => String::new(),
            other => format!("content-encoding: {}\r\n", other.as_str()),
        };
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\ncontent-type: application/x-protobuf\r\n{encoding}content-length: {}\r\n\r\n",
            body.signal.path(),
            self.target.address,
            self.target.key,
            front.len() + body.bytes.len()
        );
        let mut piece = [head.as_bytes(), front].concat();
        if body.bytes.len() <= ONE_PIECE_BYTES {
            piece.extend_from_slice(&body.bytes);
            stream.write_all(&piece).await?;
        } else {
            stream.write_all(&piece).await?;
            stream.write_all(&body.bytes).await?;
        }
        answer(stream).await
    }
}

/// Status and body of an answer that has a content-length, as all of ours have.
async fn answer(stream: &mut TcpStream) -> std::io::Result<(u16, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        assert!(bytes.len() <= ANSWER_BYTES_MAX, "an answer is short");
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text").to_ascii_lowercase();
        let mut words = head.split(' ');
        let status = words.nth(1).and_then(|status| status.parse().ok()).expect("HTTP/1.1 200 OK");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).expect("a content-length");
        let body = bytes.split_off(end + 4);
        if body.len() >= length {
            return Ok((status, body));
        }
        bytes.extend_from_slice(&body);
    }
}
