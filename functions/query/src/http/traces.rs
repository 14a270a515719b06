//! `GET /api/v1/traces`: traces, newest first.
//!
//! A trace is listed if one of its spans satisfies all filters, at the time of the latest such span. So its place does not depend
//! on the page, and no trace comes twice.

use std::collections::HashMap;

use axum::Json;
use edge::{ApiError, ErrorAnswer, QueryOf};
use model::{MICROS_PER_HOUR, Micros};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::cursor::Cursor;
use super::parameters::{self, duration_nanos, limit, one_of, range};
use super::reader::Reader;
use crate::answer::Statistics;
use crate::sql::Params;

const TRACES_DEFAULT: usize = 20;
const TRACES_MAX: usize = 200;
const STATUSES: [&str; 3] = ["OK", "ERROR", "UNSET"];
/// How far from the span that was found the rest of its trace is counted.
const TRACE_REACH: Micros = MICROS_PER_HOUR;

/// Which traces.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TracesParams {
    /// From this time on: RFC 3339, or before now as in `-1h`. Default `-1h`.
    start: Option<String>,
    /// Before this time. Default: no end.
    end: Option<String>,
    /// With a span of this `service.name`, of which the other filters hold too.
    service: Option<String>,
    /// With a span of this name.
    name: Option<String>,
    /// With a span of this status: OK, ERROR or UNSET.
    status: Option<String>,
    /// With a span that took at least this long: `250ms`, `1.5s`.
    min_duration: Option<String>,
    /// Traces at most, 1 to 200. Default 20.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A trace in short.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TraceSummary {
    trace_id: String,
    /// Of the latest span that satisfies the filters: what the list is sorted by.
    matched_at: String,
    /// Of the earliest span.
    start: Option<String>,
    /// From the earliest start to the latest end.
    duration_ns: Option<i64>,
    /// Of the root span; of the earliest span if the root is not there.
    name: Option<String>,
    service: Option<String>,
    status: Option<String>,
    spans: u64,
    errors: u64,
    services: Vec<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TracesAnswer {
    traces: Vec<TraceSummary>,
    /// For the next page; null: this is the last one.
    next_cursor: Option<String>,
    warnings: Vec<String>,
    /// Of finding the traces; counting their spans is not in it.
    statistics: Statistics,
}

/// Lists traces, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/traces",
    tag = "query",
    params(TracesParams),
    responses((status = 200, body = TracesAnswer), (status = 400, body = ErrorAnswer), (status = 401, body = ErrorAnswer))
)]
pub(super) async fn traces(
    reader: Reader,
    QueryOf(asked): QueryOf<TracesParams>,
) -> Result<Json<TracesAnswer>, ApiError> {
    let limit = limit(asked.limit.as_deref(), TRACES_DEFAULT, TRACES_MAX)?;
    let Found { mut found, warnings, statistics } = find(&reader, &asked, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|(id, at)| Cursor { at: *at, id: id.clone() }.text());
    let traces = summaries(&reader, &found).await?;
    Ok(Json(TracesAnswer { traces, next_cursor, warnings, statistics }))
}

/// Ids of traces with the time of the latest matching span, newest first.
struct Found {
    found: Vec<(String, Micros)>,
    warnings: Vec<String>,
    statistics: Statistics,
}

async fn find(reader: &Reader, asked: &TracesParams, limit: usize) -> Result<Found, ApiError> {
    let (start, end) = range(asked.start.as_deref(), asked.end.as_deref(), MICROS_PER_HOUR, reader.app().clock.now())?;
    let mut conditions = vec!["signal = 'span'", "context___trace_id IS NOT NULL", "timestamp >= $start::timestamptz"];
    let mut params = vec![("start", json!(model::rfc3339(start)))];
    if let Some(end) = end {
        conditions.push("timestamp < $end::timestamptz");
        params.push(("end", json!(model::rfc3339(end))));
    }
    if let Some(service) = &asked.service {
        conditions.push("resource___service___name = $service");
        params.push(("service", json!(parameters::text("service", service)?)));
    }
    if let Some(name) = &asked.name {
        conditions.push("name = $name");
        params.push(("name", json!(parameters::text("name", name)?)));
    }
    if let Some(status) = &asked.status {
        conditions.push("status_code = $status");
        params.push(("status", json!(one_of("status", status, &STATUSES)?)));
    }
    if let Some(min_duration) = &asked.min_duration {
        conditions.push("duration >= $min_duration");
        params.push(("min_duration", json!(duration_nanos("min_duration", min_duration)?)));
    }
    let mut having = "";
    if let Some(cursor) = &asked.cursor {
        let Cursor { at, id } = Cursor::parse(cursor)?;
        having = "HAVING max(timestamp) < $at::timestamptz OR (max(timestamp) = $at::timestamptz AND context___trace_id < $after)";
        params.push(("at", json!(model::rfc3339(at))));
        params.push(("after", json!(id)));
    }
    let sql = format!(
        "SELECT context___trace_id, max(timestamp) FROM otel_logs_and_spans WHERE {} GROUP BY context___trace_id {having} \
         ORDER BY 2 DESC, 1 DESC LIMIT {limit}",
        conditions.join(" AND ")
    );
    let answer = reader.ask(sql, Params::named(params), limit).await?;
    let found = answer.rows().into_iter().filter_map(|row| {
        let [Value::String(id), Value::String(at)] = row.as_slice() else { return None };
        Some((id.clone(), chrono::DateTime::parse_from_rfc3339(at).ok()?.timestamp_micros()))
    });
    Ok(Found { found: found.collect(), warnings: answer.warnings, statistics: answer.statistics })
}

async fn summaries(reader: &Reader, found: &[(String, Micros)]) -> Result<Vec<TraceSummary>, ApiError> {
    const SQL: &str = "
        SELECT
            context___trace_id,
            min(timestamp),
            (extract(epoch FROM max(COALESCE(end_time, timestamp)) - min(timestamp)) * 1e9)::bigint,
            first_value(name ORDER BY parent_id IS NOT NULL, timestamp, id),
            first_value(resource___service___name ORDER BY parent_id IS NOT NULL, timestamp, id),
            first_value(status_code ORDER BY parent_id IS NOT NULL, timestamp, id),
            count(*),
            count(*) FILTER (WHERE status_code = 'ERROR'),
            array_agg(DISTINCT resource___service___name ORDER BY resource___service___name)
                FILTER (WHERE resource___service___name IS NOT NULL)
        FROM otel_logs_and_spans
        WHERE signal = 'span' AND context___trace_id = ANY($ids) AND timestamp BETWEEN $from::timestamptz AND $to::timestamptz
        GROUP BY 1";
    let (Some((_, newest)), Some((_, oldest))) = (found.first(), found.last()) else { return Ok(Vec::new()) };
    let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
    let params = Params::named([
        ("ids", json!(ids)),
        ("from", json!(model::rfc3339(oldest - TRACE_REACH))),
        ("to", json!(model::rfc3339(newest + TRACE_REACH))),
    ]);
    let answer = reader.ask(SQL.to_owned(), params, found.len()).await?;
    let mut by_id: HashMap<String, Vec<Value>> = HashMap::new();
    for row in answer.rows() {
        if let Some(id) = row[0].as_str() {
            by_id.insert(id.to_owned(), row);
        }
    }
    Ok(found.iter().filter_map(|(id, at)| Some(summary(id, *at, by_id.get(id)?))).collect())
}

fn summary(trace_id: &str, matched_at: Micros, row: &[Value]) -> TraceSummary {
    let text = |at: usize| row[at].as_str().map(str::to_owned);
    let count = |at: usize| row[at].as_u64().unwrap_or(0);
    let services = row[8].as_array().into_iter().flatten();
    TraceSummary {
        trace_id: trace_id.to_owned(),
        matched_at: model::rfc3339(matched_at),
        start: text(1),
        duration_ns: row[2].as_i64().or_else(|| row[2].as_str()?.parse().ok()),
        name: text(3),
        service: text(4),
        status: text(5),
        spans: count(6),
        errors: count(7),
        services: services.filter_map(|service| service.as_str().map(str::to_owned)).collect(),
    }
}
