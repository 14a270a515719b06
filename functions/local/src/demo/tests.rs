//! The shop, decoded with `opentelemetry-proto`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, Signal, TimeRange};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::*;

/// 2026-11-16, a Monday.
const MONDAY: Micros = 20_773 * MICROS_PER_DAY;
const ERROR: i32 = 2;

/// A record with the attributes of its resource.
struct Said<T> {
    resource: BTreeMap<String, String>,
    record: T,
}

#[derive(Default)]
struct Everything {
    spans: Vec<Said<Span>>,
    logs: Vec<Said<LogRecord>>,
    metrics: Vec<Said<Metric>>,
}

fn shop() -> Shop {
    Shop::new(1, Scale::SpansPerDay(60_000.0)).deployed_at(MONDAY + 12 * MICROS_PER_HOUR)
}

fn hours(from: i64, to: i64) -> TimeRange {
    TimeRange::new(MONDAY + from * MICROS_PER_HOUR, MONDAY + to * MICROS_PER_HOUR)
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|v| v.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(int)) => int.to_string(),
        other => format!("{other:?}"),
    }
}

fn map(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|a| (a.key.clone(), text(a.value.as_ref()))).collect()
}

fn everything(requests: impl Iterator<Item = Request>) -> Everything {
    let mut all = Everything::default();
    for request in requests {
        let before = all.spans.len() + all.logs.len() + all.n_points();
        match request.signal {
            Signal::Traces => {
                for of in ExportTraceServiceRequest::decode(&request.body[..]).expect("traces").resource_spans {
                    let resource = map(&of.resource.expect("a resource").attributes);
                    let spans = of.scope_spans.into_iter().flat_map(|s| s.spans);
                    all.spans.extend(spans.map(|record| Said { resource: resource.clone(), record }));
                }
            }
            Signal::Logs => {
                for of in ExportLogsServiceRequest::decode(&request.body[..]).expect("logs").resource_logs {
                    let resource = map(&of.resource.expect("a resource").attributes);
                    let logs = of.scope_logs.into_iter().flat_map(|s| s.log_records);
                    all.logs.extend(logs.map(|record| Said { resource: resource.clone(), record }));
                }
            }
            Signal::Metrics => {
                for of in ExportMetricsServiceRequest::decode(&request.body[..]).expect("metrics").resource_metrics {
                    let resource = map(&of.resource.expect("a resource").attributes);
                    let metrics = of.scope_metrics.into_iter().flat_map(|s| s.metrics);
                    all.metrics.extend(metrics.map(|record| Said { resource: resource.clone(), record }));
                }
            }
        }
        assert_eq!(all.spans.len() + all.logs.len() + all.n_points() - before, request.records);
        assert!((1..=RECORDS_MAX).contains(&request.records), "{} records", request.records);
    }
    all
}

impl Everything {
    fn n_points(&self) -> usize {
        self.metrics.iter().map(|m| n_points(&m.record)).sum()
    }

    fn spans_where<'a>(
        &'a self,
        service: &'a str,
        key: &'a str,
        value: &'a str,
    ) -> impl Iterator<Item = &'a Said<Span>> {
        self.spans.iter().filter(move |s| {
            s.resource["service.name"] == service && map(&s.record.attributes).get(key).is_some_and(|v| v == value)
        })
    }
}

fn n_points(metric: &Metric) -> usize {
    match metric.data.as_ref().expect("data") {
        Data::Gauge(d) => d.data_points.len(),
        Data::Sum(d) => d.data_points.len(),
        Data::Histogram(d) => d.data_points.len(),
        Data::ExponentialHistogram(d) => d.data_points.len(),
        Data::Summary(d) => d.data_points.len(),
    }
}

fn start(span: &Span) -> Micros {
    (span.start_time_unix_nano / 1_000).cast_signed()
}

fn duration_ms(span: &Span) -> f64 {
    (span.end_time_unix_nano - span.start_time_unix_nano) as f64 / 1e6
}

fn failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|s| s.code == ERROR)
}

#[test]
fn the_same_seed_and_range_give_the_same_bytes_and_another_seed_others() {
    let bodies = |shop: Shop| shop.requests(hours(10, 14)).collect::<Vec<_>>();
    let first = bodies(shop());
    assert!(!first.is_empty());
    assert_eq!(first, bodies(shop()));
    assert_ne!(first, bodies(Shop::new(2, Scale::SpansPerDay(60_000.0)).deployed_at(MONDAY + 12 * MICROS_PER_HOUR)));
}

#[test]
fn ranges_that_meet_tell_what_one_range_over_both_tells() {
    let ids = |all: Everything| {
        let (n_logs, n_points) = (all.logs.len(), all.n_points());
        let spans = all.spans.into_iter().map(|s| (s.record.trace_id, s.record.span_id, s.record.end_time_unix_nano));
        (spans.collect::<BTreeSet<_>>(), n_logs, n_points)
    };
    let odd = MONDAY + 11 * MICROS_PER_HOUR + 17 * 1_000_000 + 123_456;
    let (start, end) = (hours(10, 14).start, hours(10, 14).end);
    let halves = shop().requests(TimeRange::new(start, odd)).chain(shop().requests(TimeRange::new(odd, end)));
    let (halves, whole) = (ids(everything(halves)), ids(everything(shop().requests(hours(10, 14)))));
    assert!(whole.0.len() > 5_000);
    assert!(halves == whole);
}

#[test]
fn the_spans_of_a_trace_hang_together() {
    let all = everything(shop().requests(hours(15, 19)));
    let by_id: HashMap<_, _> = all.spans.iter().map(|s| ((&s.record.trace_id, &s.record.span_id), s)).collect();
    assert_eq!(by_id.len(), all.spans.len(), "span ids are unique");
    let mut roots: HashMap<_, usize> = HashMap::new();
    for Said { record: span, .. } in &all.spans {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert!(span.end_time_unix_nano > span.start_time_unix_nano);
        *roots.entry(&span.trace_id).or_default() += usize::from(span.parent_span_id.is_empty());
        if !span.parent_span_id.is_empty() {
            let parent = &by_id[&(&span.trace_id, &span.parent_span_id)].record;
            assert!(parent.start_time_unix_nano <= span.start_time_unix_nano, "{} in {}", span.name, parent.name);
            assert!(parent.end_time_unix_nano >= span.end_time_unix_nano, "{} in {}", span.name, parent.name);
        }
        for link in &span.links {
            assert_eq!(by_id[&(&link.trace_id, &link.span_id)].record.name, "send orders");
        }
    }
    assert!(roots.values().all(|n| *n == 1), "each trace has one root");
    for Said { record: log, resource } in &all.logs {
        let span = by_id[&(&log.trace_id, &log.span_id)];
        assert_eq!(resource, &span.resource);
        assert!((span.record.start_time_unix_nano..=span.record.end_time_unix_nano).contains(&log.time_unix_nano));
    }
}

#[test]
fn a_week_has_about_as_many_spans_as_asked_for() {
    let week = TimeRange::new(MONDAY, MONDAY + 7 * MICROS_PER_DAY);
    let traces = shop().requests(week).filter(|r| r.signal == Signal::Traces);
    let per_day = traces.map(|r| r.records).sum::<usize>() as f64 / 7.0;
    assert!((per_day / 60_000.0 - 1.0).abs() < 0.05, "{per_day} spans a day");
}

#[test]
fn a_steady_shop_has_the_visits_it_is_told_to() {
    let noon = hours(12, 13).start + 1;
    let steady = Shop::new(1, Scale::TracesPerSecond(50.0));
    let all = everything(steady.requests(TimeRange::new(noon, noon + 10_000_000)));
    let traces: BTreeSet<_> = all.spans.iter().map(|s| &s.record.trace_id).collect();
    // 500 visits, give or take those of the seconds that are cut; some are orders, which are shipped in a trace of their own.
    assert!((450..600).contains(&traces.len()), "{} traces in 10 s at 50/s", traces.len());
}

#[test]
fn no_record_says_a_thing_twice() {
    let all = everything(shop().requests(hours(17, 19)));
    let twice = |attributes: &[KeyValue]| map(attributes).len() != attributes.len();
    for Said { record, .. } in &all.spans {
        assert!(!twice(&record.attributes), "{record:?}");
    }
    assert!(all.logs.iter().all(|l| !twice(&l.record.attributes)));
    assert!(all.spans.iter().flat_map(|s| &s.record.events).all(|e| !twice(&e.attributes)));
}

#[test]
fn every_service_language_kind_and_convention_is_there() {
    let all = everything(shop().requests(hours(10, 16)));
    let distinct =
        |of: &dyn Fn(&Said<Span>) -> Option<String>| all.spans.iter().filter_map(of).collect::<BTreeSet<_>>();
    assert_eq!(distinct(&|s| s.resource.get("service.name").cloned()).len(), Service::ALL.len());
    assert_eq!(distinct(&|s| s.resource.get("telemetry.sdk.language").cloned()).len(), 8);
    assert_eq!(distinct(&|s| Some(s.record.kind.to_string())).len(), 5);
    for key in [
        "http.request.method",
        "http.method",
        "http.route",
        "url.full",
        "db.system.name",
        "db.system",
        "db.query.text",
        "db.statement",
        "messaging.system",
        "rpc.method",
        "gen_ai.request.model",
        "session.id",
        "user.id",
        "error.type",
    ] {
        assert!(!distinct(&|s| map(&s.record.attributes).get(key).cloned()).is_empty(), "no span has {key}");
    }
    assert!(distinct(&|s| map(&s.record.attributes).get("user.id").cloned()).len() > 100);
    let sessions = distinct(&|s| map(&s.record.attributes).get("session.id").cloned()).len();
    let visits = all.spans.iter().filter(|s| s.record.parent_span_id.is_empty()).count();
    assert!(sessions * 2 < visits, "{sessions} sessions made {visits} visits");
    assert!(
        all.logs
            .iter()
            .any(|l| matches!(l.record.body.as_ref().and_then(|b| b.value.as_ref()), Some(Value::KvlistValue(_))))
    );
    assert!(
        all.spans
            .iter()
            .all(|s| s.resource.contains_key("deployment.environment") == (s.resource["service.name"] == "shipping"))
    );
}

#[test]
fn all_five_metric_types_agree_with_the_traces() {
    let all = everything(shop().requests(hours(14, 16)));
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut calls, mut exemplars) = (0, BTreeSet::new());
    for Said { record: metric, .. } in &all.metrics {
        let kind = match metric.data.as_ref().expect("data") {
            Data::Gauge(_) => "gauge",
            Data::Sum(sum) if sum.is_monotonic => "monotonic sum",
            Data::Sum(_) => "sum",
            Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                    assert!(point.min.expect("min") <= point.max.expect("max"));
                    exemplars.extend(point.exemplars.iter().map(|e| (e.trace_id.clone(), e.span_id.clone())));
                }
                "histogram"
            }
            Data::ExponentialHistogram(histogram) => {
                for point in &histogram.data_points {
                    let positive = point.positive.as_ref().expect("all calls take time");
                    assert_eq!(positive.bucket_counts.iter().sum::<u64>(), point.count);
                    let base = 2_f64.powf(2_f64.powi(-point.scale));
                    let (low, n) = (f64::from(positive.offset), positive.bucket_counts.len() as f64);
                    assert!(base.powf(low) <= point.min() && point.max() <= base.powf(low + n) * 1.000_001);
                    calls += point.count;
                }
                "exponential histogram"
            }
            Data::Summary(summary) => {
                assert!(summary.data_points.iter().all(|p| p.quantile_values.len() == 3));
                "summary"
            }
        };
        *types.entry(kind).or_default() += 1;
    }
    assert_eq!(types.len(), 6, "{types:?}");
    // The interval before the range is measured too, and the last one is not yet reported.
    let spans: BTreeSet<_> = all.spans.iter().map(|s| (s.record.trace_id.clone(), s.record.span_id.clone())).collect();
    let found = exemplars.iter().filter(|e| spans.contains(*e)).count();
    assert!(found > 100 && found * 100 > exemplars.len() * 95, "{found} of {} exemplars", exemplars.len());
    let servers =
        all.spans.iter().filter(|s| s.record.kind == 2 && map(&s.record.attributes).contains_key("rpc.method")).count();
    assert!((calls as f64 / servers as f64 - 1.0).abs() < 0.05, "{calls} calls measured, {servers} traced");
}

#[test]
fn one_provider_fails_for_twenty_minutes_a_day() {
    let all = everything(Shop::new(1, Scale::SpansPerDay(600_000.0)).requests(hours(17, 19)));
    let charges = |failing: bool, provider: &str| {
        let inside = |s: &&Said<Span>| s.record.kind == 2 && trouble::provider_is_failing(start(&s.record)) == failing;
        let spans: Vec<_> = all.spans_where("payment", "shop.payment.provider", provider).filter(inside).collect();
        (spans.len(), spans.iter().filter(|s| failed(&s.record)).count())
    };
    let (n, n_failed) = charges(true, trouble::FAILING_PROVIDER);
    assert!(n > 30 && n_failed * 10 > n * 7, "{n_failed} of {n} failed in the window");
    assert_eq!(charges(true, "cardex").1, 0);
    assert_eq!(charges(false, trouble::FAILING_PROVIDER).1, 0);
    let events =
        all.spans.iter().flat_map(|s| &s.record.events).filter(|e| e.name == "exception").map(|e| map(&e.attributes));
    let stacks: BTreeMap<_, _> =
        events.map(|e| (e["exception.type"].clone(), e["exception.stacktrace"].clone())).collect();
    assert!(stacks["Net::ReadTimeout"].contains("charge_card.rb:"));
    assert!(stacks["io.grpc.StatusRuntimeException"].contains("(OrderService.java:121)"));
    let errors = all.logs.iter().filter(|l| l.record.severity_number == 17).count();
    assert!(errors >= 2 * n_failed, "{errors} ERROR logs");
}

#[test]
fn the_stock_query_is_slow_since_the_deploy() {
    let all = everything(shop().requests(hours(10, 14)));
    let mean_ms = |version: &str| {
        let spans: Vec<f64> = all
            .spans_where("inventory", "db.query.summary", "SELECT stock_levels")
            .filter(|s| s.resource["service.version"] == version)
            .map(|s| duration_ms(&s.record))
            .collect();
        assert!(spans.len() > 50);
        spans.iter().sum::<f64>() / spans.len() as f64
    };
    let (before, after) = (mean_ms("1.8.2"), mean_ms("1.9.0"));
    assert!(after > 20.0 * before, "{before} ms before, {after} ms after");
}

#[test]
fn memory_leaks_until_the_kill() {
    let all = everything(shop().requests(hours(0, 8)));
    let memory: Vec<(u64, i64)> = all
        .metrics
        .iter()
        .filter(|m| m.resource["service.name"] == "recommendation" && m.record.name == "k8s.pod.memory.usage")
        .flat_map(|m| match m.record.data.as_ref() {
            Some(Data::Gauge(gauge)) => gauge.data_points.clone(),
            other => panic!("a gauge, not {other:?}"),
        })
        .map(|p| match p.value {
            Some(number_data_point::Value::AsInt(int)) => (p.time_unix_nano, int),
            other => panic!("an integer, not {other:?}"),
        })
        .collect();
    let four = u64::try_from(hours(4, 5).start).expect("after 1970") * 1_000;
    let most =
        |before: bool| memory.iter().filter(|(at, _)| (*at < four) == before).map(|(_, v)| *v).max().expect("points");
    assert!(most(true) > 1_900_000_000 && most(false) < 800_000_000, "{} then {}", most(true), most(false));
    assert_eq!(all.logs.iter().filter(|l| l.record.severity_number == 21).count(), 1);
}

#[test]
fn half_of_all_log_lines_are_one_warning() {
    let all = everything(shop().requests(hours(8, 16)));
    let noise = all.logs.iter().filter(|l| text(l.record.body.as_ref()).starts_with("cache miss for key")).count();
    let share = noise as f64 / all.logs.len() as f64;
    assert!((0.35..0.65).contains(&share), "{noise} of {}", all.logs.len());
}

#[test]
fn a_bot_asks_for_what_is_not_there_at_night() {
    let all = everything(shop().requests(hours(0, 6)));
    let asked: Vec<_> = all.spans_where("web", "user_agent.original", trouble::BOT).collect();
    assert!(asked.len() > 20);
    assert!(asked.iter().all(|s| trouble::bot_is_here(start(&s.record))));
    assert!(asked.iter().all(|s| map(&s.record.attributes)["http.response.status_code"] == "404"));
}
