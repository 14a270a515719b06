//! `plimsoll demo`: the shop's telemetry, as it happens or for days past. See [`crate::demo`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use clock::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressStyle};
use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, Signal, TimeRange, rfc3339};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::connection::{Connection, For};
use super::table::{Align, Table};
use super::units;
use super::{CliError, Screen};
use crate::demo::send::{Delivered, SendError, Sender, Totals};
use crate::demo::{Scale, Shop, Steady};

#[derive(Debug, Args)]
#[command(
    after_help = "A shop of eight services, with traces, logs and metrics that fit each other, and some trouble to find:
a card provider that fails each evening, a query that is slow since the last deploy, a memory leak, a noisy log, a bot."
)]
pub(super) struct DemoArgs {
    /// Send what happened in the last 7d, 12h, ...; without it: what happens now, until Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = backfill_length)]
    backfill: Option<Duration>,
    /// Traces a second
    #[arg(long, default_value_t = 20.0, conflicts_with = "backfill", value_parser = rate)]
    rate: f64,
    /// Stop after this: 30s, 10m
    #[arg(long, value_name = "TIME", conflicts_with = "backfill", value_parser = units::duration)]
    duration: Option<Duration>,
    /// Spans on an average day of the backfill
    #[arg(long, value_name = "N", default_value_t = 100_000.0, requires = "backfill", value_parser = spans_per_day)]
    spans_per_day: f64,
    /// The same seed makes the same telemetry
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests in flight
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    senders: u16,
    /// What was sent, as JSON
    #[arg(long)]
    json: bool,
    /// Where OTLP goes [default: http://127.0.0.1:4318, or the stack's]
    #[arg(long, env = "PLIMSOLL_OTLP_URL", value_name = "URL", value_parser = units::url)]
    otlp_url: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// In steady mode metrics come sooner than SDKs would send them, so that there is something to see.
const STEADY_METRICS_EVERY_S: u32 = 10;
const LINE_EVERY: Duration = Duration::from_millis(250);
/// Traces a second; one process tells no more anyway.
const RATE_MAX: f64 = 100_000.0;
/// About as many.
const SPANS_PER_DAY_MAX: f64 = 1e11;
/// Longer than any default retention.
const BACKFILL_MAX: Duration = Duration::from_secs(90 * 86_400);

pub(super) fn run(args: &DemoArgs, screen: &mut Screen) -> Result<(), CliError> {
    let otlp_url = args.connection.otlp_url(args.otlp_url.as_deref())?;
    let sender = Sender::trusting(args.connection.tls()?, &otlp_url, &args.connection.key(For::Ingest)?)
        .signed(args.connection.otlp_signer()?);
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(Arc::clone(&stop))?;
    let clock = SystemClock;
    let now = clock.now();
    if let Some(warning) = args.backfill.and_then(|length| beyond_retention(&args.connection, length)) {
        screen.remark(&warning);
    }
    let started = clock.uptime();
    let (range, totals, sent) = match args.backfill {
        Some(length) => backfill(args, &sender, &stop, now, length),
        None => steady(args, &sender, &stop, now),
    };
    let took = clock.uptime().saturating_sub(started);
    report(args, range, &totals, took, screen)?;
    sent?;
    match range {
        Some(range) if totals.until < range.end && stop.load(Ordering::Relaxed) => {
            screen.remark(&format!("stopped at {}", rfc3339(totals.until.max(range.start))));
            Err(CliError::Reported)
        }
        _ => Ok(()),
    }
}

/// Says so if a part of `length` is older than what the project keeps. Only an admin key can ask, so with a key of the
/// caller's own nothing is said here; the receiver refuses what is too old in any case, and the report counts it.
fn beyond_retention(connection: &Connection, length: Duration) -> Option<String> {
    let (api, project) = connection.open_as_admin()?;
    let project = api.get(&format!("/api/v1/projects/{project}")).ok()?;
    let days = |name: &str| project["settings"][name].as_u64();
    let too_short = |days: &u64| Duration::from_secs(days * 86_400) < length;
    let logs_and_spans = days("retention_days_logs_and_spans").filter(too_short);
    let metrics = days("retention_days_metrics").filter(too_short);
    let kept = [("logs and spans", logs_and_spans), ("metrics", metrics)];
    let kept: Vec<String> = kept.iter().filter_map(|(what, days)| Some(format!("{what} {}d", (*days)?))).collect();
    (!kept.is_empty())
        .then(|| format!("warning: a part is older than the project keeps ({}) and is refused", kept.join(", ")))
}

type Sent = (Option<TimeRange>, Totals, Result<(), SendError>);

fn backfill(args: &DemoArgs, sender: &Sender, stop: &AtomicBool, now: Micros, length: Duration) -> Sent {
    let length = Micros::try_from(length.as_micros()).unwrap_or(Micros::MAX / 2);
    let range = TimeRange::new(now - length, now);
    // On the hour, so that people find it.
    let deployed_at = (now - length / 2).div_euclid(MICROS_PER_HOUR) * MICROS_PER_HOUR;
    let shop = Shop::new(args.seed, Scale::SpansPerDay(args.spans_per_day)).deployed_at(deployed_at);
    let seconds = |micros: Micros| u64::try_from(micros / 1_000_000).unwrap_or(0);
    let bar = progress(ProgressBar::new(seconds(length)), "{bar:30} {percent:>3} %  {msg}  {elapsed} + {eta}");
    let watch = |totals: &Totals| {
        bar.set_position(seconds(totals.until - range.start));
        bar.set_message(said(totals));
    };
    let (totals, sent) = sender.send_all(shop.requests(range), usize::from(args.senders), stop, watch);
    bar.finish_and_clear();
    (Some(range), totals, sent)
}

fn steady(args: &DemoArgs, sender: &Sender, stop: &Arc<AtomicBool>, now: Micros) -> Sent {
    let shop = Shop::new(args.seed, Scale::TracesPerSecond(args.rate))
        .deployed_at(now - MICROS_PER_DAY)
        .metrics_every(STEADY_METRICS_EVERY_S);
    let requests = Steady::new(shop, Arc::new(SystemClock), args.duration, Arc::clone(stop));
    let line = progress(ProgressBar::new_spinner(), "{spinner} {elapsed}  {msg}  (Ctrl-C ends)");
    line.enable_steady_tick(LINE_EVERY);
    let watch = |totals: &Totals| line.set_message(said(totals));
    let (totals, sent) = sender.send_all(requests, usize::from(args.senders), stop, watch);
    line.finish_and_clear();
    (None, totals, sent)
}

/// On stderr, and only if that is a terminal.
fn progress(bar: ProgressBar, template: &str) -> ProgressBar {
    bar.set_style(ProgressStyle::with_template(template).expect("the template is a constant"));
    bar
}

fn said(totals: &Totals) -> String {
    let [traces, logs, metrics] = Signal::ALL.map(|signal| units::count(totals.of(signal).acknowledged));
    let waits: u64 = Signal::ALL.iter().map(|signal| totals.of(*signal).waits).sum();
    let waited = if waits > 0 { format!(", told to wait {waits} times") } else { String::new() };
    format!("{traces} spans, {logs} logs, {metrics} points{waited}")
}

fn report(
    args: &DemoArgs,
    range: Option<TimeRange>,
    totals: &Totals,
    took: Duration,
    screen: &mut Screen,
) -> Result<(), CliError> {
    if args.json {
        return screen.json(&as_json(range, totals, took));
    }
    let seconds = took.as_secs_f64().max(1e-3);
    let columns = ["requests", "records", "acknowledged", "rejected", "size", "on the wire", "records/s"];
    let mut table = Table::new([("signal", Align::Left)].into_iter().chain(columns.map(|name| (name, Align::Right))));
    for signal in Signal::ALL {
        let Delivered { requests, records, acknowledged, rejected, bytes, wire_bytes, .. } = *totals.of(signal);
        let rate = units::count((acknowledged as f64 / seconds) as u64);
        let counts = [requests, records, acknowledged, rejected].map(units::count);
        let sizes = [units::bytes(bytes), units::bytes(wire_bytes), rate];
        table.row([signal.as_str().to_owned()].into_iter().chain(counts).chain(sizes));
    }
    screen.table(&table)?;
    screen.line(&format!("in {}", units::seconds(seconds)))?;
    if totals.traces.acknowledged > 0 {
        screen.line("\nThings to try:")?;
        for (what, command) in suggestions(range) {
            screen.line(&format!("\n  # {what}\n  {command}"))?;
        }
    }
    if let Some(warning) = &totals.warning {
        screen.remark(&format!("warning: the receiver says: {warning}"));
    }
    Ok(())
}

fn as_json(range: Option<TimeRange>, totals: &Totals, took: Duration) -> Value {
    let signals = Signal::ALL.map(|signal| (signal.as_str().to_owned(), json!(totals.of(signal))));
    json!({
        "start": range.map(|range| rfc3339(range.start)),
        "end": range.map(|range| rfc3339(range.end)),
        "seconds": took.as_secs_f64(),
        "signals": Value::Object(signals.into_iter().collect()),
        "warning": totals.warning,
    })
}

/// Questions whose answers show the shop's troubles.
fn suggestions(range: Option<TimeRange>) -> Vec<(&'static str, String)> {
    let program = std::env::args().next().unwrap_or_else(|| "plimsoll".to_owned());
    let query = |what, sql: &str| (what, format!("{program} query \"{sql}\""));
    let health = query(
        "who answers how often, how slowly, how wrongly",
        "SELECT resource___service___name AS service, count(*) AS n, \
         approx_percentile(0.95, percentile_agg(duration::double)) / 1e6 AS p95_ms, \
         count(*) FILTER (WHERE status_code = 'ERROR') * 100.0 / count(*) AS error_percent \
         FROM otel_logs_and_spans WHERE kind = 'server' GROUP BY 1 ORDER BY 2 DESC",
    );
    let deploy = query(
        "what the last deploy did to a query",
        "SELECT resource___service___version AS version, count(*) AS n, \
         approx_percentile(0.95, percentile_agg(duration::double)) / 1e6 AS p95_ms FROM otel_logs_and_spans \
         WHERE attributes___db___query___summary = 'SELECT stock_levels' GROUP BY 1 ORDER BY 1",
    );
    let payments = query(
        "at which hour payments fail",
        "SELECT extract(hour FROM timestamp) AS hour, count(*) AS failed FROM otel_logs_and_spans \
         WHERE resource___service___name = 'payment' AND kind = 'server' AND status_code = 'ERROR' GROUP BY 1 ORDER BY 1",
    );
    let memory = query(
        "where the memory goes",
        "SELECT time_bucket('6 hours', timestamp) AS t, max(value) / 1e6 AS mb FROM otel_metrics \
         WHERE metric_name = 'k8s.pod.memory.usage' AND resource___service___name = 'recommendation' GROUP BY 1 ORDER BY 1",
    );
    let noise = query(
        "which log line makes the noise",
        "SELECT log_pattern(body) AS pattern, level, count(*) AS n FROM otel_logs_and_spans \
         WHERE kind = 'log' GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 10",
    );
    let stored = ("where it is stored, for DuckDB, Polars, Spark", format!("{program} status"));
    match range {
        Some(_) => vec![health, deploy, payments, memory, noise, stored],
        None => vec![health, noise, stored],
    }
}

/// Ctrl-C and SIGTERM; a second one does not wait for anything.
fn stop_on_signal(stop: Arc<AtomicBool>) -> Result<(), CliError> {
    let failed = |source| CliError::Io { what: "cannot watch for Ctrl-C".to_owned(), source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let signals = runtime.block_on(async { Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)) });
    let (mut interrupt, mut terminate) = signals.map_err(failed)?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let kind = tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = terminate.recv() => SignalKind::terminate(),
                };
                if stop.swap(true, Ordering::Relaxed) {
                    // As shells tell that a signal ended a process.
                    std::process::exit(128 + kind.as_raw_value());
                }
            }
        });
    });
    Ok(())
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, RATE_MAX)
}

fn spans_per_day(text: &str) -> Result<f64, String> {
    number(text, SPANS_PER_DAY_MAX)
}

fn number(text: &str, max: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= max => Ok(number),
        _ => Err(format!("a number above 0 is needed, and at most {}", units::count(max as u64))),
    }
}

fn backfill_length(text: &str) -> Result<Duration, String> {
    let length = units::duration(text)?;
    let days_max = BACKFILL_MAX.as_secs() / 86_400;
    if length > BACKFILL_MAX { Err(format!("at most {days_max}d can be told")) } else { Ok(length) }
}
