//! Delivers the shop's requests over OTLP/HTTP, as a collector's exporter does: gzip, several at once, waiting when the
//! receiver says so, and stopping with a clear error at anything else.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use aws::Signer;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::{Micros, Signal};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde::Serialize;
use ureq::tls::TlsConfig;

use super::Request;
use crate::signing::{self, SigningError};

/// Where to deliver, and how.
pub struct Sender {
    agent: ureq::Agent,
    /// Without a path: `http://127.0.0.1:4318`.
    url: String,
    key: String,
    /// Of a function URL that asks for signatures.
    signer: Option<Arc<Signer>>,
}

/// What was delivered of one signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    pub requests: u64,
    pub records: u64,
    /// Records that the receiver has taken.
    pub acknowledged: u64,
    /// Records that it refused for good (`partial_success`).
    pub rejected: u64,
    /// Bytes of the requests, and of what went over the wire.
    pub bytes: u64,
    pub wire_bytes: u64,
    /// Times that the receiver asked to wait.
    pub waits: u64,
}

/// What was delivered, by signal; and the last thing the receiver warned of.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub traces: Delivered,
    pub logs: Delivered,
    pub metrics: Delivered,
    pub warning: Option<String>,
    /// All requests up to here were handed to a sender.
    pub until: Micros,
}

/// Why delivery stopped.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("cannot reach {url}: {source}")]
    Unreachable {
        url: String,
        #[source]
        source: Box<ureq::Error>,
    },
    #[error("{url} answered {status}: {message}")]
    Refused { url: String, status: u16, message: String },
    #[error(
        "{url} answered {status} and wants to be left alone for {wait_s} s more, after {waited_s} s of waiting: {message}"
    )]
    StillBusy { url: String, status: u16, waited_s: u64, wait_s: u64, message: String },
    #[error("cannot compress a request: {0}")]
    Compress(#[source] std::io::Error),
    #[error("a request is not signed: {0}")]
    Sign(#[from] SigningError),
}

const TIMEOUT: Duration = Duration::from_secs(60);
/// Waits this long when told to wait, but not how long; and at least this long, whatever it was told.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MIN: Duration = Duration::from_millis(50);
/// Gives up on a request that takes more waiting.
const PATIENCE: Duration = Duration::from_secs(180);
/// How soon a sleeper sees that it should stop.
const NAP: Duration = Duration::from_millis(100);
const MESSAGE_BYTES_MAX: u64 = 64 * 1024;

impl Sender {
    /// With the public authorities for HTTPS.
    pub fn new(url: &str, key: &str) -> Self {
        Self::trusting(TlsConfig::default(), url, key)
    }

    pub fn trusting(tls: TlsConfig, url: &str, key: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .tls_config(tls)
            .user_agent(concat!("plimsoll-demo/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), url: url.trim_end_matches('/').to_owned(), key: key.to_owned(), signer: None }
    }

    /// From now on every request is signed.
    pub fn signed(self, signer: Option<Arc<Signer>>) -> Self {
        Self { signer, ..self }
    }

    /// Delivers all `requests` by `n_senders` threads, or until `stop`. `watch` sees the totals after each delivery.
    pub fn send_all(
        &self,
        requests: impl Iterator<Item = Request>,
        n_senders: usize,
        stop: &AtomicBool,
        watch: impl Fn(&Totals) + Sync,
    ) -> (Totals, Result<(), SendError>) {
        let totals = Mutex::new(Totals::default());
        let failure = Mutex::new(None);
        let failed = AtomicBool::new(false);
        let stopping = || stop.load(Ordering::Relaxed) || failed.load(Ordering::Relaxed);
        let (queue, taker) = mpsc::sync_channel::<Request>(n_senders);
        let taker = Mutex::new(taker);
        thread::scope(|scope| {
            for _ in 0..n_senders {
                scope.spawn(|| {
                    while let Some(request) = next(&taker) {
                        match self.deliver(&request, stopping) {
                            Ok(Some(answer)) => {
                                let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
                                totals.add(&request, answer);
                                watch(&totals);
                            }
                            Ok(None) => {}
                            Err(error) => {
                                failed.store(true, Ordering::Relaxed);
                                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            }
                        }
                    }
                });
            }
            for request in requests {
                if stopping() || queue.send(request).is_err() {
                    break;
                }
            }
            drop(queue);
        });
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        (totals.into_inner().unwrap_or_else(PoisonError::into_inner), failure.map_or(Ok(()), Err))
    }

    /// None: told to stop before it was acknowledged.
    fn deliver(&self, request: &Request, stopping: impl Fn() -> bool) -> Result<Option<Answer>, SendError> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let body = encoder.write_all(&request.body).and_then(|()| encoder.finish()).map_err(SendError::Compress)?;
        let url = format!("{}{}", self.url, request.signal.path());
        let (mut waited, mut waits, mut reconnected) = (Duration::ZERO, 0, false);
        loop {
            if stopping() {
                return Ok(None);
            }
            let response = match self.post(&url, &self.entry(&url, &body)?, &body) {
                Ok(response) => response,
                // A kept connection may have been closed meanwhile. Sending again is safe: a body is known by its hash.
                Err(source) if !reconnected && !is_connection_refused(&source) => {
                    reconnected = true;
                    continue;
                }
                Err(source) => return Err(SendError::Unreachable { url, source: Box::new(source) }),
            };
            let status = response.status().as_u16();
            let wait = retry_after(&response).unwrap_or(WAIT).max(WAIT_MIN);
            let answer = read(response)
                .map_err(|source| SendError::Unreachable { url: url.clone(), source: Box::new(source) })?;
            match status {
                200 => return Ok(Some(Answer::parse(&answer, body.len() as u64, waits))),
                429 | 502 | 503 | 504 if waited + wait <= PATIENCE => {
                    waits += 1;
                    waited += wait;
                    nap(wait, &stopping);
                }
                429 | 502 | 503 | 504 => {
                    let message = status_message(&answer);
                    let (waited_s, wait_s) = (waited.as_secs(), wait.as_secs());
                    return Err(SendError::StillBusy { url, status, waited_s, wait_s, message });
                }
                _ => return Err(SendError::Refused { url, status, message: status_message(&answer) }),
            }
        }
    }

    /// The headers that let a request in.
    fn entry(&self, url: &str, body: &[u8]) -> Result<Vec<(String, String)>, SendError> {
        match &self.signer {
            None => Ok(vec![("authorization".to_owned(), format!("Bearer {}", self.key))]),
            Some(signer) => Ok(signing::headers(signer, "POST", url, Some(&self.key), body)?),
        }
    }

    fn post(
        &self,
        url: &str,
        entry: &[(String, String)],
        body: &[u8],
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let request = self.agent.post(url).header("content-type", "application/x-protobuf");
        let request = request.header("content-encoding", "gzip");
        entry.iter().fold(request, |request, (name, value)| request.header(name, value)).send(body)
    }
}

impl Totals {
    pub fn of(&self, signal: Signal) -> &Delivered {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Logs => &self.logs,
            Signal::Metrics => &self.metrics,
        }
    }

    fn add(&mut self, request: &Request, answer: Answer) {
        let delivered = match request.signal {
            Signal::Traces => &mut self.traces,
            Signal::Logs => &mut self.logs,
            Signal::Metrics => &mut self.metrics,
        };
        let records = request.records as u64;
        delivered.requests += 1;
        delivered.records += records;
        delivered.rejected += answer.rejected;
        delivered.acknowledged += records.saturating_sub(answer.rejected);
        delivered.bytes += request.body.len() as u64;
        delivered.wire_bytes += answer.wire_bytes;
        delivered.waits += answer.waits;
        self.until = self.until.max(request.until);
        self.warning = answer.warning.or(self.warning.take());
    }
}

/// A 200.
struct Answer {
    rejected: u64,
    warning: Option<String>,
    wire_bytes: u64,
    waits: u64,
}

impl Answer {
    fn parse(body: &[u8], wire_bytes: u64, waits: u64) -> Self {
        // The three responses number their fields alike. A 200 is an acknowledgement whatever its body.
        let partial = ExportTraceServiceResponse::decode(body).unwrap_or_default().partial_success.unwrap_or_default();
        let warning = Some(partial.error_message).filter(|message| !message.is_empty());
        Self { rejected: u64::try_from(partial.rejected_spans).unwrap_or(0), warning, wire_bytes, waits }
    }
}

/// google.rpc.Status, of which only the message matters here.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn status_message(body: &[u8]) -> String {
    match Status::decode(body) {
        Ok(status) if !status.message.is_empty() => status.message,
        _ => String::from_utf8_lossy(body).chars().take(300).collect(),
    }
}

fn next(taker: &Mutex<mpsc::Receiver<Request>>) -> Option<Request> {
    taker.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn read(mut response: http::Response<ureq::Body>) -> Result<Vec<u8>, ureq::Error> {
    response.body_mut().with_config().limit(MESSAGE_BYTES_MAX).read_to_vec()
}

/// In seconds; dates are not understood.
fn retry_after(response: &http::Response<ureq::Body>) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Sleeps, but wakes soon after it is told to stop.
pub fn nap(length: Duration, stopping: impl Fn() -> bool) {
    let mut left = length;
    while !left.is_zero() && !stopping() {
        let piece = left.min(NAP);
        thread::sleep(piece);
        left -= piece;
    }
}

fn is_connection_refused(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::ConnectionFailed)
        || matches!(error, ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused)
}
