//! A producer: sends as exporters do, at least once. What gets no 200 is sent again, the same bytes, until it has one.
//!
//! Some hang up early, some wait long before they try again, some give up, some send again what was acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use clock::{Clock, SystemClock};
use local::serve::Credentials;

use super::body::{BodyOf, ENCODINGS, Media, encoded};
use super::book::Book;
use super::dice::Dice;
use super::subject::Subject;
use super::weather::{Patience, Weather};
use crate::Client;

/// What exporters wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Those in a hurry; their requests are often under way when they hang up.
const HASTY: Duration = Duration::from_millis(5);
/// Bodies that wait to be sent again; with more, no new ones are made.
const WAITING_MAX: usize = 32;
/// Acknowledged bodies that may be sent again.
const KEPT_MAX: usize = 16;
/// Records of a body: mostly few, sometimes many.
const SMALL: (u64, u64) = (1, 60);
const LARGE: (u64, u64) = (200, 3_000);
/// Chances, one in so many.
const IS_LARGE: u64 = 12;
const IS_HASTY: u64 = 10;
const GIVES_UP: u64 = 40;
const WAITS_LONG: u64 = 6;
const SENDS_AGAIN: u64 = 15;
/// A producer that fell behind does not make up for more than this.
const BEHIND_MAX: Duration = Duration::from_secs(2);

pub(super) struct Sender<'a> {
    at: usize,
    book: &'a Book,
    subject: &'a Subject,
    weather: &'a Weather,
    patient: Client,
    hasty: Client,
    dice: Dice,
    records_per_second: f64,
    waiting: VecDeque<Waiting>,
    kept: VecDeque<Body>,
    sent: Sent,
}

/// What one producer did.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) requests: u64,
    /// Requests that repeated what was acknowledged.
    pub(super) repeated: u64,
    pub(super) given_up: u64,
    pub(super) patience: Patience,
}

/// What was made and sent; its bytes never change.
struct Body {
    number: u64,
    n_records: u32,
    start_unix_nano: u64,
    media: Media,
    raw: Vec<u8>,
}

struct Waiting {
    body: Body,
    /// Uptime.
    until: Duration,
}

enum Answer {
    Acknowledged,
    NotNow,
    Refused(String),
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        at: usize,
        (book, subject, weather): (&'a Book, &'a Subject, &'a Weather),
        keys: &Credentials,
        seed: u64,
        records_per_second: f64,
    ) -> Self {
        Self {
            at,
            book,
            subject,
            weather,
            patient: Client::patient_for(ANSWER_WITHIN, keys.clone()),
            hasty: Client::patient_for(HASTY, keys.clone()),
            dice: Dice::new(seed, 1 + at as u64),
            records_per_second,
            waiting: VecDeque::new(),
            kept: VecDeque::new(),
            sent: Sent::default(),
        }
    }

    /// Until the load is over and everything is acknowledged or given up; at most `drain_within` after it is over.
    pub(super) fn run(mut self, drain_within: Duration) -> Sent {
        let mut next_at = SystemClock.uptime();
        while !self.weather.load_is_over() {
            self.send_what_waits();
            if self.waiting.len() < WAITING_MAX {
                let n_records = self.send_new();
                next_at += Duration::from_secs_f64(f64::from(n_records) / self.records_per_second);
            }
            if self.dice.once_in(SENDS_AGAIN) {
                self.send_again();
            }
            let now = SystemClock.uptime();
            next_at = next_at.max(now.saturating_sub(BEHIND_MAX));
            std::thread::sleep(next_at.saturating_sub(now).clamp(Duration::from_millis(1), Duration::from_secs(1)));
        }
        let over_at = SystemClock.uptime();
        while !self.waiting.is_empty() && SystemClock.uptime() - over_at < drain_within {
            self.waiting.iter_mut().for_each(|waiting| waiting.until = waiting.until.min(over_at));
            self.send_what_waits();
            std::thread::sleep(Duration::from_millis(50));
        }
        self.sent
    }

    fn send_new(&mut self) -> u32 {
        let (least, most) = if self.dice.once_in(IS_LARGE) { LARGE } else { SMALL };
        let producer = &self.book.producers()[self.at];
        let body = BodyOf {
            producer: &producer.name,
            signal: producer.signal,
            number: self.book.next_number(self.at),
            n_records: self.dice.within(least..=most) as u32,
            start_unix_nano: SystemClock.now() as u64 * 1_000,
        };
        let media = *self.dice.one_of(&[Media::Protobuf, Media::Protobuf, Media::Json]);
        let raw = body.bytes(media);
        self.book.sending(self.at, &body);
        let BodyOf { number, n_records, start_unix_nano, .. } = body;
        self.send(Body { number, n_records, start_unix_nano, media, raw });
        n_records
    }

    fn send_what_waits(&mut self) {
        let now = SystemClock.uptime();
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.pop_front() else { break };
            if waiting.until > now {
                self.waiting.push_back(waiting);
            } else {
                self.send(waiting.body);
            }
        }
    }

    fn send(&mut self, body: Body) {
        match self.request(&body) {
            Answer::Acknowledged => {
                self.book.acknowledged(self.at, body.number);
                self.kept.push_back(body);
                if self.kept.len() > KEPT_MAX {
                    self.kept.pop_front();
                }
            }
            Answer::NotNow if self.dice.once_in(GIVES_UP) => self.sent.given_up += 1,
            Answer::NotNow => {
                let ms = if self.dice.once_in(WAITS_LONG) { 5_000..=20_000 } else { 50..=1_000 };
                let until = SystemClock.uptime() + Duration::from_millis(self.dice.within(ms));
                self.waiting.push_back(Waiting { body, until });
            }
            Answer::Refused(why) => {
                let producer = &self.book.producers()[self.at];
                let Body { number, n_records, start_unix_nano, .. } = body;
                let of =
                    BodyOf { producer: &producer.name, signal: producer.signal, number, n_records, start_unix_nano };
                self.book.refused(&of, &why);
            }
        }
    }

    /// What was acknowledged already; whatever is answered, nothing may change.
    fn send_again(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let at = self.dice.within(0..=self.kept.len() as u64 - 1) as usize;
        let body = self.kept.swap_remove_back(at).expect("a place among them");
        self.sent.repeated += 1;
        self.request(&body);
        self.kept.push_back(body);
    }

    /// The same body may come in another encoding each time.
    fn request(&mut self, body: &Body) -> Answer {
        let encoding = *self.dice.one_of(&ENCODINGS);
        let is_hasty = self.dice.once_in(IS_HASTY);
        let Some(address) = self.subject.address() else {
            self.sent.patience.failed(self.weather);
            return Answer::NotNow;
        };
        let client = if is_hasty { &mut self.hasty } else { &mut self.patient };
        address.point(client);
        let url = format!("{}{}", client.keys.otlp_url, self.book.producers()[self.at].signal.path());
        let mut headers = vec![("content-type", body.media.content_type()), ("x-api-key", &client.keys.ingest_key)];
        headers.extend(encoding.map(|encoding| ("content-encoding", encoding)));
        self.sent.requests += 1;
        let answer = match client.try_send("POST", &url, &headers, &encoded(encoding, &body.raw)) {
            None => Answer::NotNow,
            Some(reply) => match reply.status {
                200 if matches!(reply.body.as_slice(), b"" | b"{}") => Answer::Acknowledged,
                429 | 502..=504 => Answer::NotNow,
                status => Answer::Refused(format!("{status} {}", reply.text())),
            },
        };
        match answer {
            Answer::Acknowledged => self.sent.patience.good(),
            _ if is_hasty => {}
            _ => self.sent.patience.failed(self.weather),
        }
        answer
    }
}
