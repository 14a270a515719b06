//! `POST /api/v1/query`: SQL.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use edge::{ApiError, ErrorAnswer, JsonBody};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::accept::Format;
use super::reader::Reader;
use super::stream::streamed;
use crate::answer::{Answer, ColumnInfo, Statistics, Truncated};
use crate::encode;
use crate::error::{Limit, QueryError};
use crate::run::{SqlRequest, run, stream};
use crate::sql::Params;

/// A question.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryRequest {
    /// One SELECT, EXPLAIN, SHOW or DESCRIBE.
    #[schema(
        example = "SELECT name, count(*) FROM otel_logs_and_spans WHERE timestamp > now() - INTERVAL '1 hour' GROUP BY name"
    )]
    sql: String,
    /// A list for `$1, $2, ...` or an object for `$name`: text, numbers, true, false, null, and lists of these.
    #[schema(value_type = Option<Object>)]
    params: Option<Value>,
    /// Rows at most; 10,000 if not said.
    limit: Option<usize>,
    /// Milliseconds after which the query is stopped; 30,000 if not said.
    timeout_ms: Option<u64>,
}

/// An answer as JSON. Times are RFC 3339 with microseconds; integers beyond 2^53, NaN and infinities are strings.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct QueryAnswer {
    columns: Vec<ColumnInfo>,
    #[schema(value_type = Vec<Vec<Object>>)]
    rows: Vec<Vec<Value>>,
    /// Null: these are all rows.
    truncated: Option<Truncated>,
    /// What the answer lacks, for instance a damaged segment.
    warnings: Vec<String>,
    statistics: Statistics,
}

/// Asks the project's tables in SQL.
///
/// With `Accept: application/x-ndjson`, `text/csv` or `application/vnd.apache.arrow.stream` the rows are streamed, and truncation,
/// warnings and statistics come as headers (`plimsoll-truncated`, `plimsoll-warnings`, `plimsoll-statistics`) of a short answer and
/// as trailers of a long one.
#[utoipa::path(
    post,
    path = "/api/v1/query",
    tag = "query",
    request_body = QueryRequest,
    responses(
        (status = 200, body = QueryAnswer),
        (status = 400, description = "The SQL or a parameter", body = ErrorAnswer),
        (status = 401, body = ErrorAnswer),
        (status = 403, body = ErrorAnswer),
        (status = 422, description = "A limit of queries", body = ErrorAnswer),
        (status = 429, description = "Too many queries at once", body = ErrorAnswer),
        (status = 503, description = "A store did not answer", body = ErrorAnswer),
    )
)]
pub(super) async fn query(
    reader: Reader,
    headers: HeaderMap,
    JsonBody(request): JsonBody<QueryRequest>,
) -> Result<Response, ApiError> {
    let format = Format::of(&headers)?;
    let QueryRequest { sql, params, limit, timeout_ms } = request;
    let request = SqlRequest { sql, params: Params::from_json(params)?, limit, timeout_ms };
    match format {
        Format::Json => {
            let answer = run(reader.app(), reader.project(), request).await?;
            json(&reader, answer).await
        }
        Format::Streamed(rows_as) => {
            let answer = stream(reader.app(), reader.project(), request).await?;
            streamed(answer, rows_as).await
        }
    }
}

/// Written on the query threads: a large answer takes a while.
async fn json(reader: &Reader, answer: Answer) -> Result<Response, ApiError> {
    let bytes_max = reader.app().settings.result_bytes_max;
    let app = Arc::clone(reader.app());
    let writing = app.workers.spawn(async move { write_json(&answer, bytes_max) });
    let body = writing.done().await.map_err(QueryError::internal)??;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

/// A [`QueryAnswer`], written without one: rows go straight into text.
fn write_json(answer: &Answer, bytes_max: usize) -> Result<String, QueryError> {
    let mut out = format!("{{\"columns\":{},\"rows\":[", part(&answer.columns()));
    let mut first = true;
    for batch in &answer.batches {
        encode::write_json_rows(batch, &mut first, &mut out);
        if out.len() > bytes_max {
            return Err(Limit::ResultBytes { bytes_max }.into());
        }
    }
    out.push_str(&format!(
        "],\"truncated\":{},\"warnings\":{},\"statistics\":{}}}",
        part(&answer.truncated),
        part(&answer.warnings),
        part(&answer.statistics)
    ));
    Ok(out)
}

fn part<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("text and numbers always serialise")
}
