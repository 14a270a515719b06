//! `GET /api/v1/logs`: log records, newest first.

use axum::Json;
use edge::{ApiError, ErrorAnswer, QueryOf};
use model::MICROS_PER_HOUR;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::cursor::Cursor;
use super::fit::{that_fit, too_large};
use super::parameters::{self, containing, limit, one_of, range};
use super::reader::Reader;
use super::record::records;
use crate::answer::Statistics;
use crate::sql::Params;

const LOGS_DEFAULT: usize = 100;
const LOGS_MAX: usize = 1_000;
const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// Which log records.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogsParams {
    /// From this time on: RFC 3339, or before now as in `-1h`. Default `-1h`.
    start: Option<String>,
    /// Before this time. Default: no end.
    end: Option<String>,
    /// Of this `service.name`.
    service: Option<String>,
    /// One or more of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, joined by commas.
    level: Option<String>,
    /// With this text in the body or in the message of the exception; case does not matter.
    q: Option<String>,
    /// Of this trace.
    trace_id: Option<String>,
    /// Records at most, 1 to 1,000. Default 100.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Log records, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct LogsAnswer {
    /// Fields without a value are left out; `attributes` and `resource` hold all attributes.
    #[schema(value_type = Vec<Object>)]
    logs: Vec<Map<String, Value>>,
    /// For the next page; null: this is the last one.
    next_cursor: Option<String>,
    warnings: Vec<String>,
    statistics: Statistics,
}

/// Lists log records, newest first.
///
/// A page has fewer than `limit` records if more do not fit an answer.
#[utoipa::path(
    get,
    path = "/api/v1/logs",
    tag = "query",
    params(LogsParams),
    responses((status = 200, body = LogsAnswer), (status = 400, body = ErrorAnswer), (status = 401, body = ErrorAnswer))
)]
pub(super) async fn logs(reader: Reader, QueryOf(asked): QueryOf<LogsParams>) -> Result<Json<LogsAnswer>, ApiError> {
    let limit = limit(asked.limit.as_deref(), LOGS_DEFAULT, LOGS_MAX)?;
    let (conditions, params) = conditions(&asked, &reader)?;
    let sql = format!(
        "SELECT * FROM otel_logs_and_spans WHERE {} ORDER BY timestamp DESC, id DESC LIMIT {}",
        conditions.join(" AND "),
        limit + 1
    );
    let answer = reader.ask(sql, Params::named(params), limit + 1).await?;
    let mut logs = records(&answer);
    let page = that_fit(reader.app().settings.delivery, &logs).min(limit);
    if page == 0 && !logs.is_empty() {
        return Err(too_large());
    }
    let more = logs.len() > page;
    logs.truncate(page);
    let next_cursor = if more { logs.last().and_then(cursor_after) } else { None };
    Ok(Json(LogsAnswer { logs, next_cursor, warnings: answer.warnings, statistics: answer.statistics }))
}

fn conditions(
    asked: &LogsParams,
    reader: &Reader,
) -> Result<(Vec<&'static str>, Vec<(&'static str, Value)>), ApiError> {
    let (start, end) = range(asked.start.as_deref(), asked.end.as_deref(), MICROS_PER_HOUR, reader.app().clock.now())?;
    let mut conditions = vec!["signal = 'log'", "timestamp >= $start::timestamptz"];
    let mut params = vec![("start", json!(model::rfc3339(start)))];
    if let Some(end) = end {
        conditions.push("timestamp < $end::timestamptz");
        params.push(("end", json!(model::rfc3339(end))));
    }
    if let Some(service) = &asked.service {
        conditions.push("resource___service___name = $service");
        params.push(("service", json!(parameters::text("service", service)?)));
    }
    if let Some(levels) = &asked.level {
        let levels = levels.split(',').map(|level| one_of("level", level, &LEVELS)).collect::<Result<Vec<_>, _>>()?;
        conditions.push("level = ANY($levels)");
        params.push(("levels", json!(levels)));
    }
    if let Some(q) = &asked.q {
        conditions.push("(body ILIKE $q OR attributes___exception___message ILIKE $q)");
        params.push(("q", json!(containing(parameters::text("q", q)?))));
    }
    if let Some(trace_id) = &asked.trace_id {
        conditions.push("context___trace_id = $trace_id");
        params.push(("trace_id", json!(parameters::trace_id("trace_id", trace_id)?)));
    }
    if let Some(cursor) = &asked.cursor {
        let Cursor { at, id } = Cursor::parse(cursor)?;
        conditions.push("timestamp <= $at::timestamptz AND (timestamp < $at::timestamptz OR id < $after)");
        params.push(("at", json!(model::rfc3339(at))));
        params.push(("after", json!(id)));
    }
    Ok((conditions, params))
}

pub(super) fn cursor_after(record: &Map<String, Value>) -> Option<String> {
    let at = chrono::DateTime::parse_from_rfc3339(record.get("timestamp")?.as_str()?).ok()?.timestamp_micros();
    Some(Cursor { at, id: record.get("id")?.as_str()?.to_owned() }.text())
}
