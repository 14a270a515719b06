//! `GET /api/v1/metrics`: which metrics there are.

use axum::Json;
use edge::{ApiError, ErrorAnswer, QueryOf};
use model::MICROS_PER_DAY;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::parameters::{self, containing, limit, range};
use super::reader::Reader;
use crate::answer::{Statistics, Truncated};
use crate::sql::Params;

const METRICS_DEFAULT: usize = 1_000;
const METRICS_MAX: usize = 10_000;

/// Which metrics.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MetricsParams {
    /// With points from this time on: RFC 3339, or before now as in `-1h`. Default `-1d`.
    start: Option<String>,
    /// With points before this time. Default: no end.
    end: Option<String>,
    /// Of this `service.name`.
    service: Option<String>,
    /// With this text in the name; case does not matter.
    q: Option<String>,
    /// Metrics at most, 1 to 10,000. Default 1,000.
    limit: Option<String>,
}

/// A metric.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Metric {
    name: Option<String>,
    /// gauge, sum, histogram, exponential_histogram or summary.
    #[serde(rename = "type")]
    kind: Option<String>,
    unit: Option<String>,
    description: Option<String>,
    /// delta or cumulative; null for gauges and summaries.
    temporality: Option<String>,
    is_monotonic: Option<bool>,
    /// About how many time series.
    series: u64,
    last_seen: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct MetricsAnswer {
    metrics: Vec<Metric>,
    truncated: Option<Truncated>,
    warnings: Vec<String>,
    statistics: Statistics,
}

/// Lists metrics by name.
#[utoipa::path(
    get,
    path = "/api/v1/metrics",
    tag = "query",
    params(MetricsParams),
    responses((status = 200, body = MetricsAnswer), (status = 400, body = ErrorAnswer), (status = 401, body = ErrorAnswer))
)]
pub(super) async fn metrics(
    reader: Reader,
    QueryOf(asked): QueryOf<MetricsParams>,
) -> Result<Json<MetricsAnswer>, ApiError> {
    let limit = limit(asked.limit.as_deref(), METRICS_DEFAULT, METRICS_MAX)?;
    let (start, end) = range(asked.start.as_deref(), asked.end.as_deref(), MICROS_PER_DAY, reader.app().clock.now())?;
    let mut conditions = vec!["timestamp >= $start::timestamptz"];
    let mut params = vec![("start", json!(model::rfc3339(start)))];
    if let Some(end) = end {
        conditions.push("timestamp < $end::timestamptz");
        params.push(("end", json!(model::rfc3339(end))));
    }
    if let Some(service) = &asked.service {
        conditions.push("resource___service___name = $service");
        params.push(("service", json!(parameters::text("service", service)?)));
    }
    if let Some(q) = &asked.q {
        conditions.push("metric_name ILIKE $q");
        params.push(("q", json!(containing(parameters::text("q", q)?))));
    }
    let sql = format!(
        "SELECT metric_name, metric_type, unit, max(description), temporality, is_monotonic, \
         distinct_count(approx_count_distinct(series_id)), max(timestamp) \
         FROM otel_metrics WHERE {} GROUP BY metric_name, metric_type, unit, temporality, is_monotonic ORDER BY 1, 2, 3, 5, 6",
        conditions.join(" AND ")
    );
    let answer = reader.ask(sql, Params::named(params), limit).await?;
    Ok(Json(MetricsAnswer {
        metrics: answer.rows().iter().map(|row| metric(row)).collect(),
        truncated: answer.truncated,
        warnings: answer.warnings,
        statistics: answer.statistics,
    }))
}

fn metric(row: &[Value]) -> Metric {
    let text = |at: usize| row[at].as_str().map(str::to_owned);
    Metric {
        name: text(0),
        kind: text(1),
        unit: text(2),
        description: text(3),
        temporality: text(4),
        is_monotonic: row[5].as_bool(),
        series: row[6].as_u64().unwrap_or(0),
        last_seen: text(7),
    }
}
