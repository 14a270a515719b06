//! A reader: asks over and over what is there, and has each answer judged. Errors it forgives, wrong numbers never.

use std::time::Duration;

use clock::{Clock, SystemClock};
use local::serve::Credentials;
use model::{Micros, TableName, rfc3339};
use serde_json::{Value, json};

use super::book::{Book, Found, Tally, Window};
use super::dice::Dice;
use super::subject::Subject;
use super::weather::{Patience, Weather};
use crate::Client;

const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The last questions have the disk for themselves.
const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Bodies of a producer that one question is about.
const NUMBERS_MAX: u64 = 5_000;
/// One question in so many is about all times; the others are about the last few minutes, and quicker.
const ABOUT_ALL: u64 = 4;
const RECENT: Micros = 2 * 60 * 1_000_000;
/// Of the reader's time, so much is left to others.
const REST_MIN: Duration = Duration::from_millis(100);
/// More than any answer has.
const ROWS_MAX: u64 = 100_000;

/// How records are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Rows,
    /// Also the different ids among them; takes longer.
    Ids,
}

/// One row a body: producer, number, records, different ids (if asked for), sum of the weights.
pub(super) fn question(table: TableName, condition: &str, count: Count) -> String {
    let ids = match count {
        Count::Rows => "count(*)",
        Count::Ids => "count(DISTINCT attributes___messaging___message___id)",
    };
    format!(
        "SELECT resource___service___name, attributes___thread___id, count(*) AS records, {ids} AS ids, \
         sum(attributes___http___response___body___size) AS weights FROM {table} WHERE {condition} GROUP BY 1, 2"
    )
}

/// Rows of an answer to [`question`].
pub(super) fn found(rows: &[Value]) -> Vec<Found> {
    // Integers beyond 2^53 come as text.
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(u64::MAX);
    let row = |row: &Value| Found {
        producer: row[0].as_str().unwrap_or("(nobody)").to_owned(),
        number: number(&row[1]),
        n_records: number(&row[2]),
        n_ids: number(&row[3]),
        checksum: number(&row[4]),
    };
    rows.iter().map(row).collect()
}

pub(super) struct Reader<'a> {
    project: usize,
    book: &'a Book,
    subject: &'a Subject,
    client: Client,
    pub(super) patience: Patience,
    /// Answers that named damaged data.
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(project: usize, book: &'a Book, subject: &'a Subject, keys: &Credentials) -> Self {
        let client = Client::patient_for(ANSWER_WITHIN, keys.clone());
        Self { project, book, subject, client, patience: Patience::default(), warnings: Vec::new() }
    }

    /// Until all is over.
    pub(super) fn run(mut self, weather: &Weather, seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1_000 + self.project as u64);
        while !weather.is_over() {
            let began = SystemClock.uptime();
            for table in TableName::ALL {
                let window = self.drawn(&mut dice, table);
                match self.ask(window, Count::Rows) {
                    Ok(_) => self.patience.good(),
                    Err(_) => self.patience.failed(weather),
                }
            }
            std::thread::sleep((SystemClock.uptime() - began).clamp(REST_MIN, ANSWER_WITHIN));
        }
        self
    }

    /// Every body of both tables, and the ids of its records; what was found.
    pub(super) fn read_all(&mut self) -> Result<Tally, String> {
        self.client = Client::patient_for(LAST_ANSWER_WITHIN, self.client.keys.clone());
        let mut tally = Tally::default();
        for table in TableName::ALL {
            let n = self.book.numbers(self.project, table);
            // What lies beyond the last number was never sent.
            for from in (0..=n).step_by(NUMBERS_MAX as usize) {
                let to = if from + NUMBERS_MAX > n { u64::MAX } else { from + NUMBERS_MAX };
                let window = Window { numbers: from..to, ..Window::whole(self.project, table) };
                let found = self.ask(window, Count::Ids)?;
                tally.bodies += found.bodies;
                tally.records += found.records;
            }
        }
        Ok(tally)
    }

    fn drawn(&self, dice: &mut Dice, table: TableName) -> Window {
        let whole = Window::whole(self.project, table);
        if !dice.once_in(ABOUT_ALL) {
            return Window { since: SystemClock.now() - RECENT, ..whole };
        }
        let stretches = self.book.numbers(self.project, table) / NUMBERS_MAX;
        let from = dice.within(0..=stretches) * NUMBERS_MAX;
        Window { numbers: from..from + NUMBERS_MAX, ..whole }
    }

    fn ask(&mut self, window: Window, count: Count) -> Result<Tally, String> {
        let address = self.subject.address().ok_or("it is down")?;
        address.point(&mut self.client);
        let mut condition = format!("attributes___thread___id >= {}", window.numbers.start);
        if let Ok(end) = i64::try_from(window.numbers.end) {
            condition.push_str(&format!(" AND attributes___thread___id < {end}"));
        }
        if window.since > 0 {
            condition.push_str(&format!(" AND timestamp >= TIMESTAMP '{}'", rfc3339(window.since)));
        }
        let request =
            json!({ "sql": question(window.table, &condition, count), "limit": ROWS_MAX, "timeout_ms": 120_000 });
        let expected = self.book.expected(window);
        let url = format!("{}/api/v1/query", self.client.keys.api_url);
        let headers = [("x-api-key", self.client.keys.read_key.as_str()), ("content-type", "application/json")];
        let reply = self.client.try_send("POST", &url, &headers, request.to_string().as_bytes());
        let reply = reply.ok_or("no answer")?;
        if reply.status != 200 {
            return Err(format!("{} {}", reply.status, reply.text()));
        }
        let answer = reply.json();
        assert!(answer["truncated"].is_null(), "an answer has less than {ROWS_MAX} rows: {}", answer["truncated"]);
        let warnings = answer["warnings"].as_array().expect("a list");
        self.warnings.extend(warnings.iter().map(Value::to_string));
        Ok(self.book.judge("SQL", &expected, &found(answer["rows"].as_array().expect("a list"))))
    }
}
