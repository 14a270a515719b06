//! The two ways to ask: for the whole answer, or for a stream of it.

use std::sync::Arc;

use arrow::datatypes::Schema;
use model::ProjectId;

use super::running::{Running, Watched};
use super::{AnswerStream, Query, Sink, SqlRequest, answer};
use crate::App;
use crate::answer::Answer;
use crate::error::QueryError;

/// The whole answer, for callers in this process and for JSON.
pub async fn run(app: &Arc<App>, project: &ProjectId, request: SqlRequest) -> Result<Answer, QueryError> {
    let running = Running::begin(app, Query::of(app, project, request, app.settings.rows_max)?).await?;
    let sink = Sink::whole(app.settings.result_bytes_max);
    let work = app.workers.spawn(answer(Arc::clone(app), Arc::clone(&running), sink));
    let (sink, summary) = Watched::new(app, running, work).done().await?;
    let (schema, batches) = match sink {
        Sink::Whole(whole) => (whole.schema, whole.batches),
        Sink::Streamed(_) => (None, Vec::new()),
    };
    Ok(Answer {
        schema: schema.unwrap_or_else(|| Arc::new(Schema::empty())),
        batches,
        truncated: summary.truncated,
        warnings: summary.warnings,
        statistics: summary.statistics,
    })
}

/// The answer as it is made.
pub(crate) async fn stream(
    app: &Arc<App>,
    project: &ProjectId,
    request: SqlRequest,
) -> Result<AnswerStream, QueryError> {
    let running = Running::begin(app, Query::of(app, project, request, app.settings.rows_streamed_max)?).await?;
    let (sink, receiver) = Sink::streamed();
    // The sink goes as soon as the query ends: that it is gone is how the receiver knows.
    let answered = answer(Arc::clone(app), Arc::clone(&running), sink);
    let work = app.workers.spawn(async move { answered.await.map(|(_, summary)| summary) });
    AnswerStream::begin(receiver, Watched::new(app, running, work)).await
}
