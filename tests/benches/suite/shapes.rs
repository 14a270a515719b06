//! The cases: every shape of `tests/fixtures/workload`, over each window, in our SQL and in the peers'.
//!
//! The peers' is in `tests/bench-peers`, under the same names: in `duckdb` and `chdb`, or in `both` where one text suits the two;
//! where ours does, there is none. It asks for the same rows in the way that suits the engine: buckets by integers (their
//! `time_bucket` of times with a zone is five times slower), quantiles by the fastest function that is as exact as ours.

use std::collections::BTreeMap;
use std::path::Path;

use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, TimeRange};
use serde_json::{Map, Value, json};
use tests::Client;

use super::data::Month;
use super::peers::PeerName;
use super::same::Same;

/// The folder of our SQL.
const OURS: &str = "fixtures/workload";

/// How far back from the end of the month, and how wide its buckets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) name: &'static str,
    length: Micros,
    bucket: &'static str,
    bucket_s: i64,
}

pub(super) const WINDOWS: [Window; 4] = [
    Window { name: "1h", length: MICROS_PER_HOUR, bucket: "1 minute", bucket_s: 60 },
    Window { name: "24h", length: MICROS_PER_DAY, bucket: "5 minutes", bucket_s: 300 },
    Window { name: "7d", length: 7 * MICROS_PER_DAY, bucket: "1 hour", bucket_s: 3_600 },
    Window { name: "30d", length: 30 * MICROS_PER_DAY, bucket: "6 hours", bucket_s: 21_600 },
];
/// The one in which live segments and fresh processes are looked at.
pub(super) const DAY: &str = "24h";

/// One question about one window.
pub(super) struct Case {
    pub(super) shape: &'static str,
    pub(super) window: &'static str,
    /// The body of `POST /api/v1/query`.
    pub(super) ours: Value,
    /// In the order of [`PeerName::ALL`].
    pub(super) peers: [String; 2],
    /// What files it is about.
    pub(super) span: TimeRange,
    pub(super) same: Same,
}

/// A shape, before it is about a window.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    fixture: &'static str,
    /// What stands in the fixtures in braces.
    with: (&'static str, &'static str),
    /// The column whose value `$value` is.
    needle: &'static str,
    same: Same,
}

const ALL_ROWS: Same = Same { columns: None, first_by: None, about: &[] };
const ROW: Same =
    Same { columns: Some(&["timestamp", "id", "name", "body", "attributes"]), first_by: Some(0), about: &[] };

const fn shape(name: &'static str, fixture: &'static str) -> Shape {
    Shape { name, fixture, with: ("", ""), needle: "", same: ALL_ROWS }
}

impl Shape {
    const fn with(self, braces: &'static str, text: &'static str) -> Self {
        Self { with: (braces, text), ..self }
    }

    const fn needle(self, column: &'static str) -> Self {
        Self { with: ("{needle}", column), needle: column, ..self }
    }

    const fn first_by(self, column: usize) -> Self {
        let same = Same { first_by: Some(column), ..self.same };
        Self { same, ..self }
    }

    const fn about(self, about: &'static [(usize, f64)]) -> Self {
        let same = Same { about, ..self.same };
        Self { same, ..self }
    }

    const fn only(self, same: Same) -> Self {
        Self { same, ..self }
    }
}

const SHAPES: [Shape; 52] = [
    shape("q1 throughput", "q1"),
    shape("q2a by service", "q2a").with("{dim}", "resource___service___name").first_by(0),
    shape("q2a by status", "q2a").with("{dim}", "status_code").first_by(0),
    shape("q2a by kind", "q2a").with("{dim}", "kind").first_by(0),
    shape("q2a by level", "q2a").with("{dim}", "level").first_by(0),
    shape("q2a by method", "q2a").with("{dim}", "attributes___http___request___method").first_by(0),
    shape("q2a by db system", "q2a").with("{dim}", "attributes___db___system___name").first_by(0),
    shape("q2a by name", "q2a").with("{dim}", "name").first_by(0),
    shape("q2b by http status", "q2b").first_by(0),
    shape("q2c by method, path", "q2c").first_by(0),
    shape("q3a p95", "q3a").about(&[(1, 0.1)]),
    shape("q3b quantiles", "q3b").about(&[(2, 0.1)]),
    shape("q3c list of quantiles", "q3c").about(&[(2, 0.1)]),
    shape("q4a error rate", "q4a"),
    shape("q4b errors of spans", "q4b"),
    shape("q5a distinct services", "q5a").with("{x}", "resource___service___name"),
    shape("q5a distinct traces", "q5a").with("{x}", "context___trace_id").about(&[(0, 0.1)]),
    shape("q5a distinct names", "q5a").with("{x}", "name").about(&[(0, 0.1)]),
    shape("q5a distinct users", "q5a").with("{x}", "attributes___user___id").about(&[(0, 0.1)]),
    shape("q5b traces by time", "q5b").with("{x}", "context___trace_id").about(&[(1, 0.1)]),
    shape("q6a services' health", "q6a").about(&[(4, 0.1)]),
    shape("q6b health by name", "q6b").with("{key}", "name").first_by(2).about(&[(4, 0.1)]),
    shape("q6b health by route", "q6b")
        .with("{key}", "attributes___http___request___method || ' ' || attributes___url___path")
        .first_by(2)
        .about(&[(4, 0.1)]),
    shape("q6b health by db", "q6b").with("{key}", "attributes___db___system___name").first_by(2).about(&[(4, 0.1)]),
    shape("q6b health by sql", "q6b")
        .with("{key}", "LEFT(COALESCE(attributes___db___query___summary, attributes___db___query___text), 2000)")
        .first_by(2)
        .about(&[(4, 0.1)]),
    shape("q6c two stages", "q6c"),
    shape("q7 facet service", "q7").with("{field}", "resource___service___name").first_by(1),
    shape("q7 facet name", "q7").with("{field}", "name").first_by(1),
    shape("q7 facet http status", "q7").with("{field}", "attributes___http___response___status_code").first_by(1),
    shape("q8 list", "q8").with("{filters}", "").only(ROW),
    shape("q8 list of errors", "q8")
        .with("{filters}", "AND resource___service___name = 'payment' AND status_code = 'ERROR'")
        .only(ROW),
    shape("q8 list of slow ones", "q8")
        .with("{filters}", "AND (attributes___http___response___status_code >= 500 OR duration > 480000000)")
        .only(ROW),
    shape("q9a by id", "q9a"),
    shape("q9a by id, near", "q9a_near"),
    shape("q9b trace", "q9b").first_by(0),
    shape("q9c orphans", "q9c"),
    shape("q9d span id", "q9d").needle("context___span_id").first_by(0),
    shape("q9d parent id", "q9d").needle("parent_id").first_by(0),
    shape("q9d session id", "q9d").needle("attributes___session___id").first_by(0),
    shape("q9d user id", "q9d").needle("attributes___user___id").first_by(0),
    shape("q9d email, no hit", "q9d").needle("attributes___user___email").first_by(0),
    shape("q10a services", "q10a"),
    shape("q10b names of a service", "q10b"),
    shape("q10c frequent names", "q10c").first_by(1),
    shape("q11 service map", "q11"),
    shape("q12a apdex", "q12a"),
    shape("q12b size", "q12b"),
    shape("q13a shares", "q13a"),
    shape("q13b page and total", "q13b").first_by(0),
    shape("q14 text in bodies", "q14").with("{condition}", "body LIKE '%index rebuilt%'").first_by(0),
    shape("q14 errors", "q14").with("{condition}", "level = 'ERROR'").first_by(0),
    shape("q15 metrics panel", "q15"),
];

/// About one moment, whatever the window: they are asked once.
const OF_A_MOMENT: [&str; 3] = ["q9a", "q9a_near", "q9c"];
const ABOUT_A_MOMENT: [Micros; 3] = [0, 1_000_000, MICROS_PER_DAY];

/// Those whose name has `only` in it.
pub(super) fn cases(month: &Month, client: &Client, is_chosen: impl Fn(&str) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for window in WINDOWS {
        let span = TimeRange::new(month.span.end - window.length, month.span.end);
        let known = Known::of(client, span);
        for shape in SHAPES.iter().filter(|shape| is_chosen(&format!("{} {}", shape.name, window.name))) {
            let moment = OF_A_MOMENT.iter().position(|fixture| *fixture == shape.fixture);
            if moment.is_some() && window.name != DAY {
                continue;
            }
            let about = moment.map(|at| TimeRange::new(known.at - ABOUT_A_MOMENT[at], known.at + ABOUT_A_MOMENT[at]));
            cases.push(shape.over(window, span, about.unwrap_or(span), client, &known));
        }
    }
    cases
}

impl Shape {
    fn over(&self, window: Window, span: TimeRange, files: TimeRange, client: &Client, known: &Known) -> Case {
        let mut params = known.params.clone();
        params.insert("project".into(), client.keys.project.clone().into());
        params.insert("start".into(), written(span.start).into());
        params.insert("end".into(), written(span.end).into());
        if !self.needle.is_empty() {
            let value = known.needles.get(self.needle).cloned().unwrap_or_else(|| json!("nobody@example.com"));
            params.insert("value".into(), value);
        }
        let (braces, text) = self.with;
        let sql = with_bucket(&fixture(OURS, self.fixture).replace(braces, text), window.bucket);
        let used = params.iter().filter(|(name, _)| is_named(&sql, name));
        let used: Map<String, Value> = used.map(|(name, value)| (name.clone(), value.clone())).collect();
        let peers = PeerName::ALL.map(|peer| {
            let sql = fixture(&of_peer(peer, self.fixture), self.fixture).replace(braces, text);
            literal(&sql.replace("{width}", &window.bucket_s.to_string()), &params)
        });
        Case {
            shape: self.name,
            window: window.name,
            ours: json!({"sql": sql, "params": used, "limit": 100_000, "timeout_ms": 30_000}),
            peers,
            span: files,
            same: self.same,
        }
    }
}

/// The folder of a peer's SQL: its own, that of both, or ours.
fn of_peer(peer: PeerName, name: &str) -> String {
    let theirs = [format!("bench-peers/{peer}"), "bench-peers/both".to_owned()];
    let found = theirs.into_iter().find(|folder| Path::new(&path_of(folder, name)).exists());
    found.unwrap_or_else(|| OURS.to_owned())
}

fn path_of(folder: &str, name: &str) -> String {
    format!("{}/{folder}/{name}.sql", env!("CARGO_MANIFEST_DIR"))
}

/// Without the comment at the top.
fn fixture(folder: &str, name: &str) -> String {
    let path = path_of(folder, name);
    let sql = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n")
}

/// The width in each `time_bucket('...', ...)`, however it is spelled, becomes this one.
fn with_bucket(sql: &str, width: &str) -> String {
    let mut parts = sql.split("time_bucket(");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut quoted = part.splitn(3, '\'');
        let (before, _, after) = (quoted.next(), quoted.next(), quoted.next());
        out += &format!("time_bucket({}'{width}'{}", before.unwrap_or_default(), after.expect("a width in quotes"));
    }
    out
}

fn is_named(sql: &str, parameter: &str) -> bool {
    let named = format!("${parameter}");
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    sql.match_indices(&named).any(|(at, _)| ends(&sql[at + named.len()..]))
}

/// Peers get values in the text; the longest names first, since some begin with others.
fn literal(sql: &str, params: &Map<String, Value>) -> String {
    let mut names: Vec<&String> = params.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.into_iter().fold(sql.to_owned(), |sql, name| match &params[name] {
        Value::String(text) => sql.replace(&format!("${name}"), &format!("'{text}'")),
        _ => sql,
    })
}

/// A time as all engines read it.
fn written(at: Micros) -> String {
    model::rfc3339(at).replace('T', " ").replace('Z', "")
}

/// Values that occur in the middle of a window.
struct Known {
    at: Micros,
    params: Map<String, Value>,
    needles: BTreeMap<&'static str, Value>,
}

impl Known {
    fn of(client: &Client, span: TimeRange) -> Self {
        let middle = span.start + (span.end - span.start) / 2;
        let first = |what: &str, on: &str| {
            let sql = format!(
                "SELECT {what} FROM otel_logs_and_spans WHERE timestamp BETWEEN '{}' AND '{}' AND {on} IS NOT NULL \
                 ORDER BY timestamp LIMIT 40",
                written(middle),
                written(middle + MICROS_PER_HOUR / 4),
            );
            client.sql(&sql)
        };
        let rows = first("extract(epoch from timestamp)::text, id, context___trace_id", "parent_id");
        let row = rows.first().expect("the shop is never idle for long");
        let seconds: f64 = row[0].as_str().and_then(|s| s.parse().ok()).expect("seconds");
        let at = (seconds * 1e6).round() as Micros;
        let trace_id = row[2].clone();
        let other = rows.iter().map(|row| &row[2]).find(|other| **other != trace_id).unwrap_or(&trace_id).clone();
        let params = [
            ("at", written(at).into()),
            ("id", row[1].clone()),
            ("trace_ids", json!([trace_id, other])),
            ("trace_id", trace_id),
            ("other_trace_id", other),
            ("service", "cart".into()),
            ("metric", "k8s.pod.memory.usage".into()),
        ];
        let needles = ["context___span_id", "parent_id", "attributes___session___id", "attributes___user___id"];
        let needle = |column| Some((column, first(column, column).first()?[0].clone()));
        Self {
            at,
            params: params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            needles: needles.into_iter().filter_map(needle).collect(),
        }
    }
}
