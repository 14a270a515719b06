//! What `make cloud` prints.

use std::fmt::Write;
use std::io::Write as _;

use local::serve::{Credentials, curl_lines, env_lines};
use model::rfc3339;
use tests::Binary;
use tests::cloud::Emulators;
use tests::cloud::dev::DevCloud;
use tests::cloud::invocation::Invoked;
use tests::cloud::schedule::Every;

/// A line for each step of the start, with what it took.
pub(crate) struct Progress(std::cell::Cell<Option<std::time::Duration>>);

impl Progress {
    pub(crate) fn start() -> Self {
        Self(std::cell::Cell::new(None))
    }

    pub(crate) fn step(&self, what: &str) {
        self.done();
        print!("starting {what} ... ");
        // A terminal that is gone needs no progress.
        let _ = std::io::stdout().flush();
        self.0.set(Some(now()));
    }

    pub(crate) fn done(&self) {
        if let Some(since) = self.0.take() {
            println!("{:.1} s", (now() - since).as_secs_f64());
        }
    }
}

fn now() -> std::time::Duration {
    clock::Clock::uptime(&clock::SystemClock)
}

/// Addresses, keys, something to paste, and what runs where.
pub(crate) fn welcome(cloud: &DevCloud, emulators: &Emulators, faster: u32) -> String {
    let Credentials { ingest_key, read_key, admin_key, otlp_url, api_url, .. } = &cloud.keys;
    let (stack, plimsoll) = (cloud.stack().template.stack(), Binary::path());
    let plimsoll = plimsoll.display();
    let aws = emulators.variables().into_iter().map(|(name, value)| format!("{name}={value}"));
    let aws = aws.collect::<Vec<_>>().join(" ");
    let (curl, env) = (curl_lines(otlp_url, api_url, ingest_key, read_key), env_lines(otlp_url, ingest_key));
    let mut out = format!(
        r#"
The cloud is ready, until Ctrl-C; nothing of it is kept.
  OTLP/HTTP  {otlp_url}/v1/traces, /v1/logs, /v1/metrics
  API        {api_url}/api/v1/query
  ingest key {ingest_key}
  read key   {read_key}
  admin key  {admin_key}

Send a span, then read it back:

{curl}

The command line, as in an account of AWS (`doctor` warns of what emulators lack: backups, versions of functions):

  unset PLIMSOLL_URL PLIMSOLL_OTLP_URL PLIMSOLL_KEY
  export PLIMSOLL_STACK={stack} {aws}
  {plimsoll} doctor --send
  {plimsoll} demo --backfill 1d --spans-per-day 20000
  {plimsoll} query "SELECT kind, count(*) AS n FROM otel_logs_and_spans GROUP BY 1 ORDER BY 2 DESC"
  {plimsoll} status

OpenTelemetry SDKs:

{env}

What runs where:

"#
    );
    let told = writing(&mut out, cloud, emulators, faster);
    told.expect("a string takes everything");
    out
}

fn writing(out: &mut String, cloud: &DevCloud, emulators: &Emulators, faster: u32) -> std::fmt::Result {
    let stack = cloud.stack();
    for function in &stack.functions {
        let routes =
            stack.routes.iter().filter(|route| route.function == function.name && !route.key.starts_with("OPTIONS"));
        let routes: Vec<&str> = routes.map(|route| route.key.as_str()).collect();
        let Some((first, others)) = routes.split_first() else { continue };
        let process = cloud.lambda().processes(&function.name);
        let program = function.program.display();
        writeln!(
            out,
            "  {:<22} {program}, {} MiB, {:?}; pid {process:?}",
            function.name, function.memory_mib, function.timeout
        )?;
        writeln!(out, "  {:<22} {first}{}", "", others.iter().map(|route| format!(", {route}")).collect::<String>())?;
    }
    for mapping in &stack.mappings {
        let queue = mapping.queue_arn.rsplit(':').next().unwrap_or_default();
        let (n, window) = (mapping.batch_size, mapping.window);
        writeln!(out, "  {queue:<22} up to {n} messages within {window:?} -> {}", mapping.function)?;
    }
    for schedule in &stack.schedules {
        let when = match schedule.every() {
            Ok(Every::Period(period)) => format!("every {:?}", period / faster.max(1)),
            Ok(Every::Calendar) | Err(_) => "by the calendar: not fired here".to_owned(),
        };
        writeln!(out, "  {:<22} {} {when} -> {}", schedule.name, schedule.expression, schedule.function)?;
    }
    let outputs = stack.template.outputs();
    let output = |name: &str| outputs.get(name).cloned().unwrap_or_default();
    writeln!(out, "  {:<22} table {}", emulators.dynamodb_url(), output("TableName"))?;
    writeln!(out, "  {:<22} {}, queue {}", emulators.moto_url(), output("RootUri"), output("TriggerQueueUrl"))?;
    writeln!(out, "  {:<22} Lambda's Invoke API: any function by its name", cloud.invoke_url())
}

/// `15:04:05.123  compact   sqs 3                  204 ms  init 31 ms  78 MiB  ok`
pub(crate) fn line(stack: &str, invoked: &Invoked) -> String {
    let at = rfc3339(invoked.ended_at);
    let function = invoked.function.trim_start_matches(stack).trim_start_matches('-');
    let took = invoked.took.as_millis();
    let init = invoked.init.map(|init| format!("  init {} ms", init.as_millis())).unwrap_or_default();
    let memory = invoked.memory_peak_bytes >> 20;
    let result = match &invoked.result {
        Ok(summary) => summary.status.map_or_else(|| "ok".to_owned(), |status| status.to_string()),
        Err(error) => format!("FAILED {error}"),
    };
    format!("{}  {function:<8} {:<28} {result}  {took} ms  {memory} MiB{init}", &at[11..23], invoked.what)
}
