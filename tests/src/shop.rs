//! The demo shop's last days in a server, and what does not change however often its tables are rewritten.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clock::{Clock, SystemClock};
use local::demo::send::{Sender, Totals};
use local::demo::{Request, Scale, Shop};
use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, Signal, TimeRange, day_of, rfc3339};
use serde_json::{Value, json};

use crate::{Client, eventually};

const DRAINED_WITHIN: Duration = Duration::from_secs(120);
const METRICS_EVERY_S: u32 = 300;
/// One batch of requests covers so much, so that a small shop sends many.
const WINDOW: Micros = 3 * MICROS_PER_HOUR;

/// Some days of the shop, up to now.
#[derive(Clone, Copy, Debug)]
pub struct Days {
    pub range: TimeRange,
    pub spans_per_day: f64,
}

impl Days {
    pub fn last(days: i64, spans_per_day: f64) -> Self {
        let now = SystemClock.now();
        Self { range: TimeRange::new(now - days * MICROS_PER_DAY, now), spans_per_day }
    }

    /// Whole UTC days up to the last midnight: what each holds does not depend on the time of day.
    pub fn whole(days: i64, spans_per_day: f64) -> Self {
        let midnight = Micros::from(day_of(SystemClock.now())) * MICROS_PER_DAY;
        Self { range: TimeRange::new(midnight - days * MICROS_PER_DAY, midnight), spans_per_day }
    }

    /// The same shop in another stretch of time.
    pub fn within(self, range: TimeRange) -> Self {
        Self { range, ..self }
    }

    /// As the demo sends them, but in more and smaller requests.
    pub fn requests(self) -> impl Iterator<Item = Request> {
        let Self { range, spans_per_day } = self;
        let deployed_at = range.start + (range.end - range.start) / 2;
        let shop =
            Shop::new(1, Scale::SpansPerDay(spans_per_day)).deployed_at(deployed_at).metrics_every(METRICS_EVERY_S);
        let windows = (0..).map(move |n| range.start + n * WINDOW).take_while(move |start| *start < range.end);
        windows.flat_map(move |start| shop.requests(TimeRange::new(start, (start + WINDOW).min(range.end))))
    }

    /// Sends them; all must be taken.
    pub fn send(self, client: &Client) -> Totals {
        let sender = Sender::new(&client.keys.otlp_url, &client.keys.ingest_key);
        let (totals, sent) = sender.send_all(self.requests(), 4, &AtomicBool::new(false), |_| {});
        sent.expect("everything is delivered");
        for signal in Signal::ALL {
            let delivered = totals.of(signal);
            assert!(delivered.acknowledged > 0, "{signal:?}");
            assert_eq!((delivered.rejected, delivered.acknowledged), (0, delivered.records), "{signal:?}");
        }
        totals
    }
}

/// Waits if the UTC day is about to end, for tests that count days.
pub fn not_at_midnight() {
    const NEAR: Micros = 3 * 60_000_000;
    let is_near = || SystemClock.now().rem_euclid(MICROS_PER_DAY) > MICROS_PER_DAY - NEAR;
    eventually("the day is over", Duration::from_secs(240), || !is_near());
}

/// The dates that are over.
pub fn is_over(date: &str) -> bool {
    date < &rfc3339(SystemClock.now())[..10]
}

/// The date so many days ago.
pub fn days_ago(days: i64) -> String {
    rfc3339(Micros::from(day_of(SystemClock.now())) * MICROS_PER_DAY - days * MICROS_PER_DAY)[..10].to_owned()
}

/// Compacts and maintains until nothing changes any more; the answer of each pass.
pub fn drain(client: &Client) -> Vec<Value> {
    let mut passes = Vec::new();
    eventually("a pass changes nothing", DRAINED_WITHIN, || {
        let pass = client.compact();
        let tables = pass["tables"].as_array().expect("a list");
        // Busy: somebody else is at work; what it leaves is seen by the next pass.
        assert!(tables.iter().all(|table| table["outcome"] == "done" || table["outcome"] == "busy"), "{pass}");
        let is_still = tables.iter().all(|table| {
            let nothing = [("commits", json!(0)), ("merges", json!(0)), ("retired_days", json!([]))];
            table["outcome"] == "done" && nothing.iter().all(|(what, none)| table[what] == *none)
        });
        passes.push(pass);
        is_still
    });
    passes
}

/// Questions whose answers follow from the rows alone, of all that the tables hold.
pub const QUESTIONS: [&str; 12] = [
    "SELECT date, signal, count(*), count(DISTINCT id), min(timestamp), max(timestamp), sum(message_size_bytes) \
     FROM otel_logs_and_spans GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT resource___service___name, kind, count(*), sum(duration), max(duration), sum(time_unix_nano % 1000) \
     FROM otel_logs_and_spans WHERE signal = 'span' GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT name, status_code, attributes___http___response___status_code, count(*) FROM otel_logs_and_spans \
     WHERE signal = 'span' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
    "SELECT level, log_pattern(body), count(*) FROM otel_logs_and_spans WHERE signal = 'log' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
    "SELECT time_bucket('6 hours', timestamp), count(*), count(DISTINCT context___trace_id) FROM otel_logs_and_spans \
     GROUP BY 1 ORDER BY 1",
    "SELECT timestamp, id, signal, name, body, attributes, resource, events FROM otel_logs_and_spans \
     ORDER BY timestamp DESC, id LIMIT 50",
    "SELECT timestamp, id, body, attributes FROM otel_logs_and_spans WHERE level IN ('ERROR', 'FATAL') AND signal = 'log' \
     ORDER BY timestamp, id LIMIT 50",
    "SELECT s.resource___service___name, l.level, count(*) FROM otel_logs_and_spans s JOIN otel_logs_and_spans l \
     ON s.context___trace_id = l.context___trace_id AND s.context___span_id = l.context___span_id \
     WHERE s.signal = 'span' AND l.signal = 'log' GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT attributes ->> 'user_agent.original', attributes ->> 'shop.payment.provider', count(attributes ->> 'shop.order.id'), count(*) FROM otel_logs_and_spans \
     GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2",
    "SELECT h, count(*) FROM (SELECT unnest(hashes) AS h FROM otel_logs_and_spans) GROUP BY 1 ORDER BY 1",
    "SELECT date, metric_name, metric_type, unit, count(*), count(DISTINCT series_id), min(value), max(value), sum(value_int), \
     sum(count), max(sum) FROM otel_metrics GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3",
    "SELECT timestamp, metric_name, series_id, value, bucket_counts, positive_counts, quantile_values, exemplars \
     FROM otel_metrics ORDER BY timestamp DESC, metric_name, series_id LIMIT 50",
];

/// What `PATCH /api/v1/projects/{id}` sets; must be taken.
pub fn set(client: &Client, project: &str, settings: &Value) {
    let change = json!({ "settings": settings });
    let reply = client.api("PATCH", &format!("/api/v1/projects/{project}"), &client.keys.admin_key, Some(&change));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// The answers to [`QUESTIONS`].
pub fn answers(client: &Client) -> Vec<Vec<Vec<Value>>> {
    QUESTIONS.iter().map(|question| client.sql(question)).collect()
}

/// The same answers to each of [`QUESTIONS`].
pub fn assert_same_answers(before: &[Vec<Vec<Value>>], after: &[Vec<Vec<Value>>], when: &str) {
    for ((question, before), after) in QUESTIONS.iter().zip(before).zip(after) {
        // A small shop has days without an exception.
        assert!(!before.is_empty() || question.contains("unnest(hashes)"), "{question}");
        let differs = before.iter().zip(after).find(|(before, after)| before != after);
        assert_eq!(differs, None, "{when}: {question}");
        assert_eq!(before.len(), after.len(), "{when}: {question}");
    }
}
