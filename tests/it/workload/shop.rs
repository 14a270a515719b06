//! A small shop's telemetry, the same every time: what the tables hold, and what the answers are computed from.

use model::{MICROS_PER_HOUR, Micros, ProjectId, TableId, TableName};
use serde_json::{Map, Value, json};
use tests::tables::{NOW, Tables, at, batch};

/// Four hours across midnight, ending when the questions are asked.
pub(super) const START: Micros = NOW - 4 * MICROS_PER_HOUR;
pub(super) const END: Micros = NOW;
const TRACES: usize = 1_500;
const EVERY: Micros = (END - START) / TRACES as Micros;

/// A span or a log record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) signal: &'static str,
    pub(super) at: Micros,
    pub(super) id: String,
    pub(super) trace_id: String,
    pub(super) span_id: String,
    pub(super) parent_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kind: &'static str,
    pub(super) service: &'static str,
    pub(super) status: Option<&'static str>,
    pub(super) duration: Option<i64>,
    pub(super) level: Option<&'static str>,
    pub(super) body: Option<String>,
    pub(super) method: Option<&'static str>,
    pub(super) path: Option<String>,
    pub(super) http_status: Option<i64>,
    pub(super) db_system: Option<&'static str>,
    pub(super) db_text: Option<String>,
    pub(super) messaging_system: Option<&'static str>,
    pub(super) user: Option<String>,
    pub(super) session: Option<String>,
    /// An attribute without a column of its own.
    pub(super) region: Option<&'static str>,
    pub(super) bytes: i64,
}

/// A point of a gauge.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) at: Micros,
    pub(super) name: &'static str,
    pub(super) service: &'static str,
    pub(super) value: f64,
}

pub(super) struct Shop {
    pub(super) records: Vec<Record>,
    pub(super) points: Vec<Point>,
}

impl Record {
    fn of(signal: &'static str, at: Micros, trace: usize, n: usize, service: &'static str) -> Self {
        Record {
            signal,
            at,
            id: format!("{trace:012x}{n:04x}"),
            trace_id: format!("{:032x}", trace + 1),
            span_id: format!("{trace:012x}{n:04x}"),
            parent_id: None,
            name: None,
            kind: "internal",
            service,
            status: None,
            duration: None,
            level: None,
            body: None,
            method: None,
            path: None,
            http_status: None,
            db_system: None,
            db_text: None,
            messaging_system: None,
            user: None,
            session: None,
            region: None,
            bytes: 100 + (trace % 50) as i64,
        }
    }

    pub(super) fn is_span(&self) -> bool {
        self.signal == "span"
    }

    fn row(&self) -> Value {
        let mut row = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                row.insert(name.to_owned(), value);
            }
        };
        put("signal", json!(self.signal));
        put("timestamp", at(self.at));
        put("id", json!(self.id));
        put("context___trace_id", json!(self.trace_id));
        put("context___span_id", json!(self.span_id));
        put("parent_id", json!(self.parent_id));
        put("name", json!(self.name));
        put("kind", json!(self.kind));
        put("resource___service___name", json!(self.service));
        put("status_code", json!(self.status));
        put("duration", json!(self.duration));
        if let Some(duration) = self.duration {
            put("start_time", at(self.at));
            put("end_time", at(self.at + duration / 1_000));
        }
        put("level", json!(self.level));
        put("body", json!(self.body));
        put("attributes___http___request___method", json!(self.method));
        put("attributes___url___path", json!(self.path));
        put("attributes___http___response___status_code", json!(self.http_status));
        put("attributes___db___system___name", json!(self.db_system));
        put("attributes___db___query___text", json!(self.db_text));
        put("attributes___messaging___system", json!(self.messaging_system));
        put("attributes___user___id", json!(self.user));
        put("attributes___session___id", json!(self.session));
        put("attributes", self.region.map_or(Value::Null, |region| json!(json!({"shop.region": region}).to_string())));
        put("message_size_bytes", json!(self.bytes));
        Value::from(row)
    }
}

impl Shop {
    pub(super) fn new() -> Self {
        let mut records = Vec::new();
        for i in 0..TRACES {
            trace(i, &mut records);
        }
        let mut points = Vec::new();
        for minute in 0..240_i64 {
            for (n, service) in ["frontend", "cart"].into_iter().enumerate() {
                let at = START + minute * 60_000_000;
                let value = ((minute * 7 + n as i64 * 13) % 100) as f64 / 100.0;
                points.push(Point { at, name: "process.cpu.utilization", service, value });
                points.push(Point { at: at + 1, name: "queue.length", service, value: (minute % 10) as f64 });
            }
        }
        Self { records, points }
    }

    /// The first two thirds in data files of two commits, the rest live in eight segments.
    pub(super) async fn fill(&self, tables: &Tables, project: &ProjectId) {
        let id = TableId::new(project.clone(), TableName::LogsAndSpans);
        let rows: Vec<Value> = self.records.iter().map(Record::row).collect();
        let (first, rest) = rows.split_at(rows.len() / 3);
        let (second, live) = rest.split_at(rest.len() / 2);
        for rows in [first, second] {
            tables.files(&id, &batch(project, id.table, rows)).await;
        }
        for rows in live.chunks(live.len().div_ceil(8)) {
            tables.live(&id, &batch(project, id.table, rows)).await;
        }
        let id = TableId::new(project.clone(), TableName::Metrics);
        let rows: Vec<Value> = self.points.iter().map(point).collect();
        let (filed, live) = rows.split_at(rows.len() / 2);
        tables.files(&id, &batch(project, id.table, filed)).await;
        tables.live(&id, &batch(project, id.table, live)).await;
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| record.is_span())
    }
}

fn trace(i: usize, records: &mut Vec<Record>) {
    let began = START + i as Micros * EVERY;
    let fails = i.is_multiple_of(23);
    let http_status = if fails {
        500
    } else if i.is_multiple_of(17) {
        404
    } else {
        200
    };
    let (name, method) =
        [("GET /", "GET"), ("GET /products", "GET"), ("POST /cart", "POST"), ("POST /checkout", "POST")][i % 4];
    let millis = |n: usize| ((5 + (i * 37 + n * 11) % 500) as i64) * 1_000_000;

    let root = Record {
        name: Some(name.into()),
        kind: "server",
        status: Some(if fails { "ERROR" } else { "UNSET" }),
        duration: Some(millis(0)),
        method: Some(method),
        path: Some(format!("/p/{}", i % 7)),
        http_status: Some(http_status),
        user: Some(format!("u{}", i * 7 % 97)),
        session: Some(format!("s{}", i % 301)),
        region: Some(["eu", "us", "ap"][i % 3]),
        ..Record::of("span", began, i, 0, "frontend")
    };
    let call = Record {
        parent_id: Some(root.span_id.clone()),
        name: Some("cart.get".into()),
        kind: "client",
        status: Some("UNSET"),
        duration: Some(millis(1)),
        ..Record::of("span", began + 1_000, i, 1, "frontend")
    };
    let served = Record {
        parent_id: Some(call.span_id.clone()),
        name: Some("cart.get".into()),
        kind: "server",
        status: Some("OK"),
        duration: Some(millis(2)),
        method: Some("GET"),
        path: Some("/cart".into()),
        http_status: Some(200),
        ..Record::of("span", began + 2_000, i, 2, "cart")
    };
    let database = Record {
        parent_id: Some(served.span_id.clone()),
        name: Some("SELECT items".into()),
        kind: "client",
        status: Some("UNSET"),
        duration: Some(millis(3)),
        db_system: Some("postgresql"),
        db_text: Some(format!("SELECT * FROM items WHERE id = {}", i % 5)),
        ..Record::of("span", began + 3_000, i, 3, "cart")
    };
    let published = (i.is_multiple_of(3)).then(|| Record {
        parent_id: Some(served.span_id.clone()),
        name: Some("cart.changed publish".into()),
        kind: "producer",
        status: Some("UNSET"),
        duration: Some(millis(4)),
        messaging_system: Some("kafka"),
        ..Record::of("span", began + 4_000, i, 4, "cart")
    });
    let log = Record {
        span_id: root.span_id.clone(),
        kind: "log",
        level: Some(if fails { "ERROR" } else { "INFO" }),
        body: Some(if fails {
            format!("payment failed for order {i}: card 100% declined")
        } else {
            format!("handled request {i} in {} ms", millis(0) / 1_000_000)
        }),
        ..Record::of("log", began + 5_000, i, 5, "frontend")
    };
    records.extend([root, call, served, database]);
    records.extend(published);
    records.push(log);
}

fn point(point: &Point) -> Value {
    json!({
        "timestamp": at(point.at),
        "metric_name": point.name,
        "metric_type": "gauge",
        "unit": "1",
        "series_id": format!("{:x}", point.service.len() * 31 + point.name.len()),
        "value": point.value,
        "resource___service___name": point.service,
    })
}
