//! The proxy as a server: takes a request, tells it, lets the faults decide, hands it on, writes it down.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clock::{Clock, SystemClock};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::faults::Faults;
use super::pass::Passage;
use super::read::{self, Asked, Reading, Signature};
use super::{Act, Call, Journal, Outcome, Upstreams};

/// A running proxy; it stops when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstreams: Upstreams,
    passage: Passage,
    faults: Faults,
    journal: Journal,
    n_calls: AtomicU64,
    started: Duration,
    metering: Metering,
}

/// Whether DynamoDB is asked what each call costs, which changes its requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metering {
    Off,
    On,
}

/// The caller sees its connection close.
#[derive(Debug)]
struct ConnectionLost;

impl std::fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed by a fault")
    }
}

impl std::error::Error for ConnectionLost {}

impl Proxy {
    pub async fn start(upstreams: Upstreams) -> std::io::Result<Self> {
        Self::start_with(upstreams, Metering::Off).await
    }

    /// A proxy that also asks DynamoDB for the capacity units of each call ([`Outcome::Answered`]): it adds
    /// `ReturnConsumedCapacity` to requests that lack it, so it passes them on less than exactly.
    pub async fn start_metered(upstreams: Upstreams) -> std::io::Result<Self> {
        Self::start_with(upstreams, Metering::On).await
    }

    /// For `AWS_ENDPOINT_URL`: all services behind one address.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    async fn start_with(upstreams: Upstreams, metering: Metering) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstreams,
            passage: Passage::new(),
            faults: Faults::default(),
            journal: Journal::default(),
            n_calls: AtomicU64::new(0),
            started: SystemClock.uptime(),
            metering,
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, listening })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // Out of file handles, say: the next one may go.
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let answer = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.answer(request).await }
    });
    let mut server = http1::Builder::new();
    server.preserve_header_case(true).auto_date_header(false).timer(TokioTimer::new());
    let _ = stream.set_nodelay(true);
    // An error is a caller that went away, or a fault: the journal has it.
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, ConnectionLost> {
        let asked = taken(request).await?;
        let signature = Signature::of(&asked);
        let reading = read::reading(&asked, &signature);
        let mut entry = self.entry(&asked, &signature, &reading);

        let decision = self.faults.decide(&reading, &entry.call.who);
        entry.call.fault = decision.told();
        if !decision.delay.is_zero() {
            SystemClock.sleep(decision.delay).await;
        }
        match decision.act {
            Some(Act::Drop) => return Err(ConnectionLost),
            Some(Act::Refuse(refusal)) => return Ok(entry.answered(refusal.reply(&reading), 0.0)),
            Some(Act::LoseReply | Act::Misreport(_) | Act::Delay(_)) | None => {}
        }

        let reply = self.passed_on(asked, &reading).await;
        if let Ok(reply) = &reply {
            entry.session_issued(reply);
        }
        match (decision.act, reply) {
            (Some(Act::LoseReply), _) => Err(ConnectionLost),
            (Some(Act::Misreport(refusal)), _) => Ok(entry.answered(refusal.reply(&reading), 0.0)),
            (_, Err(error)) => Ok(entry.answered(bad_gateway(&error.0), 0.0)),
            (_, Ok(reply)) => {
                let units = self.capacity_units(&reading, &reply);
                Ok(entry.answered(reply.map(Full::new), units))
            }
        }
    }

    async fn passed_on(&self, asked: Asked, reading: &Reading) -> Result<Response<Bytes>, super::pass::NoAnswer> {
        let asked = if self.meters(reading) { with_metering(asked) } else { asked };
        self.passage.ask(self.upstreams.of(&reading.service), &asked).await
    }

    fn entry<'a>(&'a self, asked: &Asked, signature: &Signature, reading: &Reading) -> Entry<'a> {
        let began = SystemClock.uptime();
        let call = Call {
            n: self.n_calls.fetch_add(1, Ordering::Relaxed),
            at_ms: (began - self.started).as_millis() as u64,
            who: self.journal.who(signature.access_key.as_deref()),
            access_key: signature.access_key.clone(),
            service: reading.service.clone(),
            operation: reading.operation.clone(),
            needs: reading.needs.clone(),
            consistent: reading.consistent,
            assumed: reading.assumed.clone(),
            request_bytes: asked.body.len() as u64,
            fault: None,
            outcome: Outcome::Lost,
            took_us: 0,
        };
        Entry { journal: &self.journal, call, began }
    }

    fn meters(&self, reading: &Reading) -> bool {
        self.metering == Metering::On && reading.service == "dynamodb"
    }

    /// As the reading says, else as the emulator: `ConsumedCapacity` is an object, or in answers about many items a list of them.
    fn capacity_units(&self, reading: &Reading, reply: &Response<Bytes>) -> f64 {
        if !self.meters(reading) || !reply.status().is_success() {
            return 0.0;
        }
        if let Some(units) = reading.capacity_units {
            return units;
        }
        let body: serde_json::Value = serde_json::from_slice(reply.body()).unwrap_or_default();
        let units = |of: &serde_json::Value| of["CapacityUnits"].as_f64().unwrap_or(0.0);
        let consumed = &body["ConsumedCapacity"];
        consumed.as_array().map_or_else(|| units(consumed), |tables| tables.iter().map(units).sum())
    }
}

/// A call on its way into the journal: it is written down when this is dropped, lost if nothing was answered by then.
struct Entry<'a> {
    journal: &'a Journal,
    call: Call,
    began: Duration,
}

impl Entry<'_> {
    fn answered(&mut self, reply: Response<Full<Bytes>>, capacity_units: f64) -> Response<Full<Bytes>> {
        let reply_bytes = hyper::body::Body::size_hint(reply.body()).exact().unwrap_or(0);
        self.call.outcome = Outcome::Answered { status: reply.status().as_u16(), reply_bytes, capacity_units };
        reply
    }

    fn session_issued(&mut self, reply: &Response<Bytes>) {
        let Some(assumed) = self.call.assumed.as_mut().filter(|_| reply.status().is_success()) else { return };
        assumed.access_key = read::issued_access_key(reply.body());
        if let Some(access_key) = &assumed.access_key {
            self.journal.session_issued(access_key, &assumed.role, &self.call.who);
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.call.took_us = (SystemClock.uptime() - self.began).as_micros() as u64;
        self.journal.ended(self.call.clone());
    }
}

/// The whole request: bodies are a few megabytes at most, and a fault is decided before any of it goes on.
async fn taken(request: Request<Incoming>) -> Result<Asked, ConnectionLost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| ConnectionLost)?.to_bytes();
    Ok(Asked { head, body })
}

fn with_metering(mut asked: Asked) -> Asked {
    let Ok(serde_json::Value::Object(mut body)) = serde_json::from_slice(&asked.body) else { return asked };
    body.entry("ReturnConsumedCapacity").or_insert_with(|| "TOTAL".into());
    asked.body = Bytes::from(serde_json::Value::Object(body).to_string());
    asked.head.headers.remove(http::header::CONTENT_LENGTH);
    asked
}

/// Not an answer of AWS's: the emulator is gone, or closed the connection within an answer.
fn bad_gateway(why: &str) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(Bytes::from(why.to_owned())));
    *reply.status_mut() = StatusCode::BAD_GATEWAY;
    reply
}
