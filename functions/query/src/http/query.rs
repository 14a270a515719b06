//! `POST /api/v1/query`: SQL.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use edge::{ApiError, ErrorAnswer, JsonBody};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::accept::{Format, RowsAs};
use super::fit::text_bytes;
use super::reader::Reader;
use super::stored::Stored;
use super::stream::rows;
use super::writer::LastLine;
use crate::answer::{Answer, ColumnInfo, Statistics, Truncated};
use crate::encode;
use crate::error::{Limit, QueryError};
use crate::run::{SqlRequest, Summary, run, stream};
use crate::settings::Delivery;
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
    /// For NDJSON and CSV: a last line `{"end": {truncated, warnings, statistics}}` says that the answer is all there. It is no CSV.
    end_line: Option<bool>,
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
/// as trailers of a long one. A function URL sends no trailers: ask for an `end_line`. An answer that breaks off ends with what no
/// reader of its form takes for an end: in NDJSON a line `{"broken_off":` without its closing brace, in CSV a field without its
/// closing quote, in Arrow the head of a message that does not follow.
///
/// Behind an HTTP API, where an answer must fit 6 MB, a larger one is put into the project's store, and the answer is a
/// `LinkedAnswer` with the header `plimsoll-result: linked`, whatever form was asked for: `result.url` has the rows in that form,
/// for a quarter of an hour and without a key.
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
    let QueryRequest { sql, params, limit, timeout_ms, end_line } = request;
    let last_line = last_line(end_line, format)?;
    let answer_by = reader.answer_by();
    let request = SqlRequest { sql, params: Params::from_json(params)?, limit, timeout_ms, answer_by };
    match format {
        Format::Json => {
            let answer = run(reader.app(), reader.project(), request).await?;
            json(&reader, answer).await
        }
        Format::Streamed(rows_as) => {
            let answer = stream(reader.app(), reader.project(), request).await?;
            rows(&reader, answer, rows_as, last_line).await
        }
    }
}

fn last_line(end_line: Option<bool>, format: Format) -> Result<LastLine, ApiError> {
    match (end_line, format) {
        (Some(true), Format::Streamed(RowsAs::Ndjson | RowsAs::Csv)) => Ok(LastLine::End),
        (Some(true), _) => {
            Err(ApiError::bad_request("`end_line` is for `Accept: application/x-ndjson` and `text/csv` only"))
        }
        _ => Ok(LastLine::Row),
    }
}

/// Written on the query threads: a large answer takes a while.
async fn json(reader: &Reader, answer: Answer) -> Result<Response, ApiError> {
    let bytes_max = reader.app().settings.result_bytes_max;
    let app = Arc::clone(reader.app());
    let mut writing = app.workers.spawn(async move {
        let body = write_json(&answer, bytes_max)?;
        let Answer { truncated, warnings, statistics, .. } = answer;
        Ok::<_, QueryError>((body, Summary { truncated, warnings, statistics }))
    });
    let (body, summary) = writing.done().await.map_err(QueryError::internal)??;
    if let Delivery::OnePiece { bytes_max } = reader.app().settings.delivery
        && text_bytes(body.as_bytes()) > bytes_max
    {
        return linked(reader, &body, summary, bytes_max).await;
    }
    Ok(([(CONTENT_TYPE, HeaderValue::from_static(JSON))], body).into_response())
}

const JSON: &str = "application/json";

/// Into the store, in one go: it was in memory anyway.
async fn linked(reader: &Reader, body: &str, summary: Summary, bytes_max: usize) -> Result<Response, ApiError> {
    let mut stored = Stored::begin(reader, JSON, "json", bytes_max).await?;
    if let Err(error) = stored.put(body.as_bytes()).await {
        stored.abort().await;
        return Err(error.into());
    }
    stored.finish(summary).await
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
