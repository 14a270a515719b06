//! What `doctor --stack` finds out over HTTP, as an exporter and a user would: do the endpoints answer, do the keys work, do the
//! tables keep up; and, if it is asked to, one record all the way.

use std::time::Duration;

use clock::{Clock, Ids, RandomIds, SystemClock};
use serde_json::{Value, json};

use super::check::Check;
use super::deployed::Deployed;
use super::keys::StackKeys;
use crate::cli::api::Api;
use crate::cli::connection::For;
use crate::cli::trust::TrustArg;
use crate::cli::{CliError, units};

/// A segment is read as soon as it is acknowledged; this is for a cold query function.
const READ_WITHIN: Duration = Duration::from_secs(20);
const READ_EVERY: Duration = Duration::from_millis(500);
/// A table that waits longer for compaction is behind; the template's alarm has the same length.
const LAG_MAX_S: f64 = 900.0;

/// One way into the stack.
struct Doors {
    otlp: Api,
    query: Api,
    management: Api,
}

pub(super) fn checks(deployed: &Deployed, keys: &StackKeys, trust: &TrustArg) -> Vec<Check> {
    let doors = match Doors::open(deployed, keys, trust) {
        Ok(doors) => doors,
        Err(error) => return vec![Check::failed("endpoints", &error)],
    };
    vec![
        // An empty request is a success, and stores nothing.
        ingest(doors.otlp.post_again("/v1/logs", &json!({})), &deployed.name),
        said("query", doors.query.post_again("/api/v1/query", &json!({ "sql": "SELECT 1" })), |_| {
            "answers, and knows the read key".to_owned()
        }),
        said("management", doors.management.get("/api/v1/projects"), |_| "answers, and knows the admin key".to_owned()),
        tables(doors.management.get("/api/v1/status")),
    ]
}

/// Sends a log record and asks for it.
pub(super) fn send(deployed: &Deployed, keys: &StackKeys, trust: &TrustArg) -> Check {
    const NAME: &str = "one record";
    let sent = Doors::open(deployed, keys, trust).and_then(|doors| {
        let mark = RandomIds.fresh();
        doors.otlp.post_again("/v1/logs", &record(&mark))?;
        Ok((doors, mark))
    });
    let (doors, mark) = match sent {
        Ok(sent) => sent,
        Err(error) => return Check::failed(NAME, &error),
    };
    let (clock, sql) = (
        SystemClock,
        "SELECT count(*) AS n FROM otel_logs_and_spans WHERE body = $mark \
               AND timestamp > now() - INTERVAL '1 hour'",
    );
    let began = clock.uptime();
    loop {
        let answer = doors.query.post_again("/api/v1/query", &json!({ "sql": sql, "params": { "mark": mark } }));
        let took = clock.uptime().saturating_sub(began);
        match answer {
            Err(error) => return Check::failed(NAME, &error),
            Ok(answer) if answer["rows"][0][0] == 1 => {
                return Check::ok(NAME, format!("sent, and read {} later", units::seconds(took.as_secs_f64())));
            }
            Ok(answer) if took >= READ_WITHIN => {
                let found = format!(
                    "sent, and read {} times after {}",
                    answer["rows"][0][0],
                    units::seconds(took.as_secs_f64())
                );
                return Check::fail(
                    NAME,
                    found,
                    "the logs of the ingest and query functions say more, and `plimsoll status`",
                );
            }
            Ok(_) => std::thread::sleep(READ_EVERY),
        }
    }
}

impl Doors {
    fn open(deployed: &Deployed, keys: &StackKeys, trust: &TrustArg) -> Result<Self, CliError> {
        let open = |url: &str, what: For| {
            let hint = format!("is the function behind it there? Its log says more; the stack is `{}`", deployed.name);
            Ok::<_, CliError>(Api::new(url, Some(keys.of(what).to_owned()), hint, trust.tls()?))
        };
        Ok(Self {
            otlp: open(&deployed.otlp_url, For::Ingest)?.signed(deployed.signer.clone()),
            query: open(&deployed.query_url, For::Read)?.signed(deployed.signer.clone()),
            management: open(&deployed.api_url, For::Admin)?,
        })
    }
}

fn said(name: &'static str, answer: Result<Value, CliError>, found: impl FnOnce(&Value) -> String) -> Check {
    match answer {
        Ok(answer) => Check::ok(name, found(&answer)),
        Err(error) => Check::failed(name, &error),
    }
}

/// OTLP has errors of its own form.
fn ingest(answer: Result<Value, CliError>, stack: &str) -> Check {
    const NAME: &str = "ingest";
    match answer {
        Ok(_) => Check::ok(NAME, "answers, and knows the ingest key"),
        Err(CliError::Foreign { status, body, .. }) => {
            let said: Value = serde_json::from_str(&body).unwrap_or_default();
            let said = said["message"].as_str().unwrap_or(&body).to_owned();
            let advice = match status {
                401 | 403 => format!("draw new keys: plimsoll stack init --stack {stack} --new-keys"),
                _ => "the log of the ingest function says more".to_owned(),
            };
            Check::fail(NAME, format!("answers {status}: {said}"), advice)
        }
        Err(error) => Check::failed(NAME, &error),
    }
}

/// From the worst down.
fn tables(answer: Result<Value, CliError>) -> Check {
    const NAME: &str = "tables";
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Check::failed(NAME, &error),
    };
    let tables: &[Value] = answer["tables"].as_array().map_or(&[], Vec::as_slice);
    let named = |is: &dyn Fn(&Value) -> bool| {
        let found = tables.iter().filter(|table| is(table));
        let name = |table: &Value| format!("{}/{}", text(&table["project"]), text(&table["table"]));
        let names: Vec<String> = found.map(name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = named(&|table| !table["error"].is_null() && table["out_of_reach"] != true) {
        return Check::fail(NAME, format!("cannot be read: {names}"), "`plimsoll status` says why");
    }
    if let Some(names) = named(&|table| !table["stop"].is_null()) {
        return Check::fail(
            NAME,
            format!("stopped: {names}"),
            "ledger or table was put back in time: run `plimsoll repair`",
        );
    }
    if let Some(names) = named(&|table| table["quarantined"].as_u64().unwrap_or(0) > 0) {
        let advice = "`plimsoll status` names the objects; put them back, and run `plimsoll repair`";
        return Check::warn(NAME, format!("segments are quarantined: {names}"), advice);
    }
    if let Some(names) = named(&|table| table["compaction_lag_s"].as_f64().unwrap_or(0.0) > LAG_MAX_S) {
        let advice = "the compact function does not keep up: look at its errors, its throttles and its schedules";
        return Check::warn(NAME, format!("compaction is behind: {names}"), advice);
    }
    if let Some(names) = named(&|table| table["out_of_reach"] == true) {
        let advice = "their owners' buckets do not let Plimsoll in; `plimsoll status` says what the owners can do";
        return Check::warn(NAME, format!("out of reach: {names}"), advice);
    }
    Check::ok(NAME, units::counted(tables.len() as u64, "table, sound", "tables, sound"))
}

fn record(mark: &str) -> Value {
    let service = json!({ "key": "service.name", "value": { "stringValue": "plimsoll-doctor" } });
    let record = json!({ "timeUnixNano": (SystemClock.now() * 1_000).to_string(), "severityNumber": 9, "body": { "stringValue": mark } });
    json!({ "resourceLogs": [{ "resource": { "attributes": [service] }, "scopeLogs": [{ "logRecords": [record] }] }] })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
