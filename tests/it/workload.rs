//! Every query shape of a dashboard, an explorer and an alert evaluator, in the spellings that such clients send
//! (`tests/fixtures/workload`), over rows in files and in live segments; the answers are computed from the rows again.

mod answers;
mod shop;

use std::collections::{BTreeMap, BTreeSet};

use model::{MICROS_PER_HOUR, ProjectId, rfc3339};
use query::Params;
use serde_json::{Value, json};
use tests::tables::{Tables, project};

use self::answers::{Rows, bucket, by_bucket, number, percentile, share, sorted, whole};
use self::shop::{END, Record, START, Shop};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = MICROS_PER_HOUR;

/// The shop's tables beside those of another project, which must never be counted.
struct Asked {
    tables: Tables,
    project: ProjectId,
    shop: Shop,
}

impl Asked {
    async fn new() -> Self {
        let (tables, shop) = (Tables::new(), Shop::new());
        let (shops, others) = (project("shop"), project("other"));
        shop.fill(&tables, &shops).await;
        shop.fill(&tables, &others).await;
        Self { tables, project: shops, shop }
    }

    /// The rows of a fixture, `{...}` in it replaced, with the window's parameters and more.
    async fn ask(&self, fixture: &str, replaced: &[(&str, &str)], more: &[(&str, Value)]) -> Rows {
        let path = format!("{}/fixtures/workload/{fixture}.sql", env!("CARGO_MANIFEST_DIR"));
        let mut sql = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        for (from, to) in replaced {
            sql = sql.replace(from, to);
        }
        let window =
            [("project", json!(self.project.as_str())), ("start", json!(rfc3339(START))), ("end", json!(rfc3339(END)))];
        let used = window.into_iter().filter(|(name, _)| sql.contains(&format!("${name}")));
        let params: Vec<(&str, Value)> = used.chain(more.iter().cloned()).collect();
        let answer = self.tables.ask_with(&self.project, &sql, Params::named(params)).await;
        let answer = answer.unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
        assert_eq!((answer.truncated.clone(), answer.warnings.clone()), (None, vec![]), "{fixture}");
        answer.rows()
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.shop.records.iter()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q1_throughput() {
    let asked = Asked::new().await;
    let counts = by_bucket(asked.records(), 5 * MINUTE, |of| of.len() as f64);
    let expected: Rows = counts.into_iter().rev().map(|(t, n)| vec![json!(t), json!(n)]).collect();
    assert_eq!(asked.ask("q1", &[], &[]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn q2_grouped_by_time_and_dimensions() {
    let asked = Asked::new().await;
    let dims: [(&str, fn(&Record) -> Option<String>); 7] = [
        ("resource___service___name", |r| Some(r.service.into())),
        ("status_code", |r| r.status.map(Into::into)),
        ("kind", |r| Some(r.kind.into())),
        ("level", |r| r.level.map(Into::into)),
        ("attributes___http___request___method", |r| r.method.map(Into::into)),
        ("attributes___db___system___name", |r| r.db_system.map(Into::into)),
        ("name", |r| r.name.clone()),
    ];
    for (dim, value) in dims {
        let mut counts: BTreeMap<(i64, String), f64> = BTreeMap::new();
        for record in asked.records() {
            let key = (bucket(record.at, HOUR), value(record).unwrap_or_else(|| "null".into()));
            *counts.entry(key).or_default() += 1.0;
        }
        let expected: Rows = counts.into_iter().map(|((t, v), n)| vec![json!(t), json!(v), json!(n)]).collect();
        assert_eq!(sorted(asked.ask("q2a", &[("{dim}", dim)], &[]).await), sorted(expected), "{dim}");
    }

    let mut counts: BTreeMap<(i64, String), f64> = BTreeMap::new();
    let mut pairs: BTreeMap<(i64, String, String), f64> = BTreeMap::new();
    for record in asked.records() {
        let status = record.http_status.map_or("unknown".into(), |status| status.to_string());
        *counts.entry((bucket(record.at, HOUR), status)).or_default() += 1.0;
        let (method, path) = (record.method.unwrap_or("null").to_owned(), record.path.clone().unwrap_or("null".into()));
        *pairs.entry((bucket(record.at, 6 * HOUR), method, path)).or_default() += 1.0;
    }
    let expected: Rows = counts.into_iter().map(|((t, s), n)| vec![json!(t), json!(s), json!(n)]).collect();
    assert_eq!(sorted(asked.ask("q2b", &[], &[]).await), sorted(expected));
    let expected: Rows = pairs.into_iter().map(|((t, m, p), n)| vec![json!(t), json!(m), json!(p), json!(n)]).collect();
    assert_eq!(sorted(asked.ask("q2c", &[], &[]).await), sorted(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn q3_percentiles() {
    let asked = Asked::new().await;
    let durations = |of: &[&Record]| of.iter().filter_map(|r| r.duration).map(|d| d as f64).collect::<Vec<_>>();
    let with_duration = || asked.records().filter(|r| r.duration.is_some());

    let p95 = by_bucket(with_duration(), HOUR, |of| percentile(durations(of), 0.95));
    let found = asked.ask("q3a", &[], &[]).await;
    assert_eq!(found.len(), p95.len());
    for (row, (t, p95)) in found.iter().zip(p95.into_iter().rev()) {
        assert_eq!(row[0], json!(t));
        assert!((number(&row[1]) / p95 - 1.0).abs() < 0.01, "{row:?}, exactly {p95}");
    }

    let shares = [0.5, 0.75, 0.9, 0.99];
    let four = by_bucket(with_duration(), HOUR, |of| shares.map(|q| percentile(durations(of), q)));
    let exact: Vec<(i64, f64, f64)> =
        four.into_iter().rev().flat_map(|(t, of)| shares.into_iter().zip(of).map(move |(q, v)| (t, q, v))).collect();
    for fixture in ["q3b", "q3c"] {
        let found = asked.ask(fixture, &[], &[]).await;
        assert_eq!(found.len(), exact.len(), "{fixture}");
        for (row, (t, q, exact)) in found.iter().zip(&exact) {
            assert_eq!((&row[0], row[1].as_str()), (&json!(t), Some(q.to_string().as_str())), "{fixture}");
            assert!((number(&row[2]) / exact - 1.0).abs() < 0.02, "{fixture}: {row:?}, exactly {exact}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q4_error_rates() {
    let asked = Asked::new().await;
    let failed = |r: &Record| r.status == Some("ERROR") || r.http_status.unwrap_or(0) >= 500;
    let rates = by_bucket(asked.records(), 5 * MINUTE, |of| share(of.iter().filter(|r| failed(r)).count(), of.len()));
    let expected: Rows = rates.into_iter().rev().map(|(t, rate)| vec![json!(t), json!(rate)]).collect();
    assert_eq!(asked.ask("q4a", &[], &[]).await, expected);

    let errors = |of: &[&Record]| of.iter().filter(|r| r.status == Some("ERROR")).count();
    let rates = by_bucket(asked.shop.spans(), HOUR, |of| (errors(of), of.len()));
    let expected: Rows = rates
        .into_iter()
        .rev()
        .map(|(t, (errors, n))| vec![json!(t), json!(errors as f64), json!(n as f64), json!(share(errors, n))])
        .collect();
    assert_eq!(asked.ask("q4b", &[], &[]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn q5_distinct_counts() {
    let asked = Asked::new().await;
    let columns: [(&str, fn(&Record) -> Option<String>); 5] = [
        ("resource___service___name", |r| Some(r.service.into())),
        ("context___trace_id", |r| Some(r.trace_id.clone())),
        ("name", |r| r.name.clone()),
        ("attributes___db___system___name", |r| r.db_system.map(Into::into)),
        ("attributes___user___id", |r| r.user.clone()),
    ];
    let near = |found: f64, exact: usize| (found - exact as f64).abs() <= exact as f64 * 0.02;
    for (column, value) in columns {
        let distinct = |of: &[&Record]| of.iter().filter_map(|r| value(r)).collect::<BTreeSet<_>>().len();
        let all: Vec<&Record> = asked.records().collect();
        let found = asked.ask("q5a", &[("{x}", column)], &[]).await;
        assert!(near(number(&found[0][0]), distinct(&all)), "{column}: {found:?} for {}", distinct(&all));

        let exact = by_bucket(asked.records(), HOUR, |of| distinct(of));
        let found = asked.ask("q5b", &[("{x}", column)], &[]).await;
        assert_eq!(found.len(), exact.len());
        for (row, (t, exact)) in found.iter().zip(exact.into_iter().rev()) {
            assert_eq!(row[0], json!(t));
            assert!(near(number(&row[1]), exact), "{column}: {row:?} for {exact}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q6_health_of_the_busiest() {
    let asked = Asked::new().await;
    let check = |found: Rows, groups: BTreeMap<String, Vec<&Record>>, what: &str| {
        assert_eq!(found.len(), groups.len().min(50), "{what}");
        let throughput: Vec<f64> = found.iter().map(|row| number(&row[2])).collect();
        assert!(throughput.is_sorted_by(|a, b| a >= b), "{what}: {throughput:?}");
        for row in found {
            let of = &groups[row[0].as_str().expect("a key")];
            let durations: Vec<f64> = of.iter().filter_map(|r| r.duration).map(|d| d as f64).collect();
            let scores = durations.iter().map(|d| {
                if *d <= 1e8 {
                    1.0
                } else if *d <= 4e8 {
                    0.5
                } else {
                    0.0
                }
            });
            let seconds =
                (of.iter().map(|r| r.at).max().unwrap() - of.iter().map(|r| r.at).min().unwrap()) as f64 / 1e6;
            let errors = of.iter().filter(|r| r.status == Some("ERROR")).count();
            let exact = [
                scores.sum::<f64>() / of.len() as f64,
                of.len() as f64 / seconds,
                share(errors, of.len()),
                percentile(durations.clone(), 0.95),
            ];
            for (found, exact) in row[1..].iter().map(number).zip(exact) {
                assert!((found - exact).abs() <= exact.abs() * 0.02 + 1e-9, "{what} {row:?}: {exact}");
            }
        }
    };
    let groups = |key: &dyn Fn(&Record) -> Option<String>, of: &dyn Fn(&Record) -> bool| {
        let mut groups: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
        for record in asked.shop.records.iter().filter(|r| r.duration.is_some() && of(r)) {
            if let Some(key) = key(record) {
                groups.entry(key).or_default().push(record);
            }
        }
        groups
    };
    let services = groups(&|r| Some(r.service.into()), &|r| r.kind == "server");
    check(asked.ask("q6a", &[], &[]).await, services, "q6a");

    let keys: [(&str, fn(&Record) -> Option<String>); 4] = [
        ("name", |r| r.name.clone()),
        ("attributes___http___request___method || ' ' || attributes___url___path", |r| {
            Some(format!("{} {}", r.method?, r.path.as_ref()?))
        }),
        ("attributes___db___system___name", |r| r.db_system.map(Into::into)),
        ("LEFT(COALESCE(attributes ->> 'db.query.summary', attributes___db___query___text), 2000)", |r| {
            r.db_text.clone()
        }),
    ];
    for (key, value) in keys {
        check(asked.ask("q6b", &[("{key}", key)], &[]).await, groups(&value, &|_| true), key);
    }

    let mut paths: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for record in asked.records() {
        if let Some(path) = &record.path {
            paths.entry(path.clone()).or_default().push(record);
        }
    }
    let mut top: Vec<(String, Vec<&Record>)> = paths.into_iter().collect();
    top.sort_by_key(|(path, of)| (std::cmp::Reverse(of.len()), path.clone()));
    let expected = top.into_iter().take(3).map(|(path, of)| {
        let mean = of.iter().filter_map(|r| r.duration).map(|d| d as f64).sum::<f64>() / of.len() as f64;
        let errors = of.iter().filter(|r| r.status == Some("ERROR")).count();
        vec![json!(path), json!(of.len() as f64), json!(mean), json!(errors as f64)]
    });
    let expected: Rows = expected.collect();
    assert_eq!(asked.ask("q6c", &[], &[]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn q7_facets() {
    let asked = Asked::new().await;
    let fields: [(&str, fn(&Record) -> Option<String>); 7] = [
        ("resource___service___name", |r| Some(r.service.into())),
        ("kind", |r| Some(r.kind.into())),
        ("name", |r| r.name.clone()),
        ("level", |r| r.level.map(Into::into)),
        ("status_code", |r| r.status.map(Into::into)),
        ("attributes___http___response___status_code", |r| r.http_status.map(|s| s.to_string())),
        ("attributes ->> 'shop.region'", |r| r.region.map(Into::into)),
    ];
    for (field, value) in fields {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        asked.records().filter_map(value).for_each(|value| *counts.entry(value).or_default() += 1);
        let found = asked.ask("q7", &[("({field})", field), ("{field}", field)], &[]).await;
        let descends = found.iter().map(|row| row[1].as_u64()).collect::<Vec<_>>().is_sorted_by(|a, b| a >= b);
        assert!(descends, "{field}: {found:?}");
        let expected: Rows = counts.into_iter().map(|(value, n)| vec![json!(value), json!(n)]).collect();
        assert_eq!(sorted(found), sorted(expected), "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q8_the_newest_first_list_and_its_pages() {
    let asked = Asked::new().await;
    let newest = |of: &dyn Fn(&Record) -> bool| {
        let mut records: Vec<&Record> = asked.shop.records.iter().filter(|r| of(r)).collect();
        records.sort_by_key(|r| std::cmp::Reverse(r.at));
        records.into_iter().take(251).map(|r| vec![json!(rfc3339(r.at)), json!(r.id)]).collect::<Rows>()
    };
    let schema = rows::schema(model::TableName::LogsAndSpans);
    let place = |name: &str| schema.index_of(name).expect("a column");
    let (time, id) = (place("timestamp"), place("id"));
    let middle = rfc3339(START + 2 * HOUR);
    let before = format!("AND timestamp <= '{middle}'");
    let after = format!("AND timestamp >= '{middle}'");
    let cases: [(&str, &dyn Fn(&Record) -> bool); 6] = [
        ("", &|_| true),
        ("AND resource___service___name = 'cart' AND status_code = 'OK'", &|r| {
            r.service == "cart" && r.status == Some("OK")
        }),
        ("AND level IN ('ERROR', 'FATAL')", &|r| r.level == Some("ERROR")),
        ("AND (attributes___http___response___status_code >= 500 OR duration > 480000000)", &|r| {
            r.http_status.unwrap_or(0) >= 500 || r.duration.unwrap_or(0) > 480_000_000
        }),
        (&before, &|r| r.at <= START + 2 * HOUR),
        (&after, &|r| r.at >= START + 2 * HOUR),
    ];
    for (filters, of) in cases {
        let found = asked.ask("q8", &[("{filters}", filters)], &[]).await;
        let found: Rows = found.into_iter().map(|row| vec![row[time].clone(), row[id].clone()]).collect();
        assert_eq!(found, newest(of), "{filters}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q9_needles() {
    let asked = Asked::new().await;
    // One from a data file, one from a live segment.
    for trace in [3, 1_450] {
        let of_trace: Vec<&Record> = asked.records().filter(|r| r.trace_id == format!("{:032x}", trace + 1)).collect();
        let root = of_trace[0];
        let by_id = [("at", json!(rfc3339(root.at))), ("id", json!(root.id))];
        let found = asked.ask("q9a", &[], &by_id).await;
        assert_eq!(found, [[json!(root.id), json!(root.name), json!(root.body), json!(root.region)]]);
        let found = asked.ask("q9a_near", &[], &by_id).await;
        assert_eq!(found, [[json!(root.id), json!(root.name), json!(root.body)]]);

        let found = asked.ask("q9b", &[], &[("trace_id", json!(root.trace_id))]).await;
        let found: Vec<&Value> = found.iter().map(|row| &row[1]).collect();
        let expected: Vec<Value> = of_trace.iter().rev().map(|r| json!(r.id)).collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>());

        let other = format!("{:032x}", trace + 2);
        let more = [("at", json!(rfc3339(root.at))), ("trace_ids", json!([root.trace_id, other]))];
        let found = asked.ask("q9c", &[], &more).await;
        let both = asked.shop.spans().filter(|r| r.trace_id == root.trace_id || r.trace_id == other);
        assert_eq!(found.len(), both.count());

        type Needle = (&'static str, fn(&Record) -> Option<String>);
        let needles: [Needle; 4] = [
            ("context___span_id", |r| Some(r.span_id.clone())),
            ("parent_id", |r| r.parent_id.clone()),
            ("attributes___session___id", |r| r.session.clone()),
            ("attributes___user___id", |r| r.user.clone()),
        ];
        for (needle, value) in needles {
            let wanted = value(if needle == "parent_id" { of_trace[1] } else { root }).expect("it has one");
            let mut expected: Vec<&Record> = asked.records().filter(|r| value(r).as_ref() == Some(&wanted)).collect();
            expected.sort_by_key(|r| std::cmp::Reverse(r.at));
            let found = asked.ask("q9d", &[("{needle}", needle)], &[("value", json!(wanted))]).await;
            let found: Vec<&str> = found.iter().map(|row| row[1].as_str().expect("an id")).collect();
            assert_eq!(found, expected.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), "{needle}");
        }
    }
    let miss = asked.ask("q9d", &[("{needle}", "attributes___user___email")], &[("value", json!("nobody@x"))]).await;
    assert_eq!(miss, Rows::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn q10_pickers() {
    let asked = Asked::new().await;
    let texts =
        |rows: Rows| rows.into_iter().map(|row| row[0].as_str().expect("text").to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(texts(asked.ask("q10a", &[], &[]).await), BTreeSet::from(["cart".into(), "frontend".into()]));
    let names: BTreeSet<String> =
        asked.records().filter(|r| r.service == "cart").filter_map(|r| r.name.clone()).collect();
    assert_eq!(texts(asked.ask("q10b", &[], &[("service", json!("cart"))]).await), names);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    asked.records().filter_map(|r| r.name.clone()).for_each(|name| *counts.entry(name).or_default() += 1);
    let expected: Rows = counts.into_iter().map(|(name, n)| vec![json!(name), json!(n)]).collect();
    assert_eq!(sorted(asked.ask("q10c", &[], &[]).await), sorted(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn q11_the_service_map() {
    let asked = Asked::new().await;
    let by_id: BTreeMap<(&str, &str), &Record> =
        asked.shop.spans().map(|r| ((r.trace_id.as_str(), r.span_id.as_str()), r)).collect();
    let mut edges: BTreeMap<(&str, &str, &str), Vec<&Record>> = BTreeMap::new();
    for span in asked.shop.spans() {
        let parent = span.parent_id.as_deref().and_then(|parent| by_id.get(&(span.trace_id.as_str(), parent)));
        if let Some(parent) = parent.filter(|parent| parent.service != span.service) {
            edges.entry((parent.service, span.service, "service")).or_default().push(span);
        }
        for (target, kind) in [(span.db_system, "database"), (span.messaging_system, "messaging")] {
            if let Some(target) = target {
                edges.entry((span.service, target, kind)).or_default().push(span);
            }
        }
    }
    let mut expected: Vec<_> = edges.into_iter().collect();
    expected.sort_by_key(|((source, target, _), of)| (std::cmp::Reverse(of.len()), *source, *target));
    let found = asked.ask("q11", &[], &[]).await;
    assert_eq!(found.len(), expected.len());
    for (row, ((source, target, kind), of)) in found.iter().zip(expected) {
        let errors = of.iter().filter(|r| r.status == Some("ERROR")).count();
        let mean = of.iter().filter_map(|r| r.duration).map(|d| d as f64).sum::<f64>() / of.len() as f64;
        assert_eq!(row[..5], [json!(source), json!(target), json!(kind), whole(of.len()), whole(errors)]);
        assert!((number(&row[5]) / mean - 1.0).abs() < 1e-9, "{row:?}, exactly {mean}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q12_scalars() {
    let asked = Asked::new().await;
    let served: Vec<i64> = asked.records().filter(|r| r.kind == "server").filter_map(|r| r.duration).collect();
    let score = |d: &i64| {
        if *d <= 100_000_000 {
            1.0
        } else if *d <= 400_000_000 {
            0.5
        } else {
            0.0
        }
    };
    let apdex = served.iter().map(score).sum::<f64>() / served.len() as f64;
    let found = asked.ask("q12a", &[], &[]).await;
    assert!((number(&found[0][0]) - apdex).abs() < 1e-5, "{found:?}: {apdex}");
    let bytes: i64 = asked.records().map(|r| r.bytes).sum();
    assert_eq!(asked.ask("q12b", &[], &[]).await, [[json!(asked.shop.records.len()), json!(bytes)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn q13_windows() {
    let asked = Asked::new().await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    asked.records().filter_map(|r| r.name.clone()).for_each(|name| *counts.entry(name).or_default() += 1);
    let total: usize = counts.values().sum();
    let mut expected: Vec<(String, usize)> = counts.into_iter().collect();
    expected.sort_by_key(|(name, n)| (std::cmp::Reverse(*n), name.clone()));
    let found = asked.ask("q13a", &[], &[]).await;
    assert_eq!(found.len(), expected.len());
    for (row, (name, n)) in found.iter().zip(expected) {
        assert_eq!(row[..2], [json!(name), whole(n)]);
        assert!((number(&row[2]) - share(n, total)).abs() < 1e-9, "{row:?}");
    }
    let mut errors: Vec<&Record> = asked.records().filter(|r| r.level == Some("ERROR")).collect();
    errors.sort_by_key(|r| std::cmp::Reverse(r.at));
    let expected: Rows =
        errors.iter().take(10).map(|r| vec![json!(rfc3339(r.at)), json!(r.id), json!(errors.len())]).collect();
    assert_eq!(asked.ask("q13b", &[], &[]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn q14_text() {
    let asked = Asked::new().await;
    let body = |r: &Record, part: &str| r.body.as_ref().is_some_and(|body| body.contains(part));
    let cases: [(&str, &dyn Fn(&Record) -> bool); 6] = [
        ("body LIKE '%failed%'", &|r| body(r, "failed")),
        (r"body LIKE '%100\%%'", &|r| body(r, "100%")),
        ("body ILIKE '%PAYMENT FAILED%'", &|r| body(r, "payment failed")),
        ("name LIKE 'GET%'", &|r| r.name.as_ref().is_some_and(|name| name.starts_with("GET"))),
        ("body ~ 'request 14[0-9]{2} in'", &|r| {
            body(r, "request 14")
                && r.body.as_ref().is_some_and(|b| b.len() > 24 && b[16..20].bytes().all(|c| c.is_ascii_digit()))
        }),
        ("level = 'ERROR'", &|r| r.level == Some("ERROR")),
    ];
    for (condition, of) in cases {
        let mut expected: Vec<&Record> = asked.records().filter(|r| of(r)).collect();
        expected.sort_by_key(|r| std::cmp::Reverse(r.at));
        assert!(!expected.is_empty(), "{condition}");
        let found = asked.ask("q14", &[("{condition}", condition)], &[]).await;
        let found: Vec<&str> = found.iter().map(|row| row[1].as_str().expect("an id")).collect();
        assert_eq!(found, expected.iter().take(100).map(|r| r.id.as_str()).collect::<Vec<_>>(), "{condition}");
    }
    let errors = asked.records().filter(|r| r.level == Some("ERROR")).count();
    let infos = asked.records().filter(|r| r.level == Some("INFO")).count();
    let expected = [
        [json!("handled request <num> in <num> ms"), json!("INFO"), json!(infos)],
        [json!("payment failed for order <num>: card <num>% declined"), json!("ERROR"), json!(errors)],
    ];
    assert_eq!(asked.ask("q14_patterns", &[], &[]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn q15_a_metrics_panel() {
    let asked = Asked::new().await;
    let mut groups: BTreeMap<(i64, &str), Vec<f64>> = BTreeMap::new();
    for point in asked.shop.points.iter().filter(|point| point.name == "process.cpu.utilization") {
        groups.entry((-bucket(point.at, 5 * MINUTE), point.service)).or_default().push(point.value);
    }
    let found = asked.ask("q15", &[], &[("metric", json!("process.cpu.utilization"))]).await;
    assert_eq!(found.len(), groups.len());
    for (row, ((t, service), values)) in found.iter().zip(groups) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let max = values.into_iter().fold(f64::MIN, f64::max);
        assert_eq!(row[..2], [json!(-t), json!(service)]);
        assert!((number(&row[2]) - mean).abs() < 1e-9 && number(&row[3]) == max, "{row:?}: {mean} {max}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_without_rows_is_answered_like_any_other() {
    let tables = Tables::new();
    let shop = Shop { records: Vec::new(), points: Vec::new() };
    let asked = Asked { tables, project: project("empty"), shop };
    for fixture in ["q1", "q2b", "q3a", "q3b", "q3c", "q4a", "q6a", "q6c", "q10a", "q11", "q13a", "q14_patterns"] {
        assert_eq!(asked.ask(fixture, &[], &[]).await, Rows::new(), "{fixture}");
    }
    assert_eq!(asked.ask("q12b", &[], &[]).await, [[json!(0), json!(0)]]);
    assert_eq!(asked.ask("q12a", &[], &[]).await, [[json!(0.0)]]);
    assert_eq!(asked.ask("q5a", &[("{x}", "name")], &[]).await, [[json!(0.0)]]);
}
