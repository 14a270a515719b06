//! The door `QueryRunner` as a direct call: for callers in this process, and behind the query function's direct invoke.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use doors::{Column, QueryRunError, QueryRunner, Question, Refusal};
use edge::{ApiError, ErrorCode};

use crate::{Answer, AnswerBy, App, Params, QueryError, SqlRequest, run};

/// Asks whoever is asked for: who may ask is the caller's to know.
pub struct Runner(Arc<App>);

impl Runner {
    pub fn new(app: Arc<App>) -> Self {
        Self(app)
    }

    /// Stopped before `answer_by`, if there is such a time, whatever the question asks for.
    pub async fn run_by(
        &self,
        question: &Question,
        answer_by: Option<AnswerBy>,
    ) -> Result<doors::Answer, QueryRunError> {
        let Question { project, sql, params, limit, timeout_ms } = question.clone();
        let params = Params::from_json(params).map_err(refused)?;
        let request = SqlRequest { sql, params, limit, timeout_ms, answer_by };
        run(&self.0, &project, request).await.map(answered).map_err(refused)
    }
}

#[async_trait]
impl QueryRunner for Runner {
    async fn run(&self, question: &Question) -> Result<doors::Answer, QueryRunError> {
        self.run_by(question, None).await
    }
}

fn answered(answer: Answer) -> doors::Answer {
    let column = |column: crate::ColumnInfo| Column { name: column.name, kind: column.kind };
    let truncated = |t: crate::Truncated| doors::Truncated { limit: t.limit, advice: t.advice };
    doors::Answer {
        columns: answer.columns().into_iter().map(column).collect(),
        rows: answer.rows(),
        truncated: answer.truncated.map(truncated),
        warnings: answer.warnings,
        statistics: doors::Statistics {
            rows: answer.statistics.rows,
            bytes_scanned: answer.statistics.bytes_scanned,
            total_ms: answer.statistics.total_ms,
        },
    }
}

/// In the words of `POST /api/v1/query`. What lies behind an error of ours is logged, as there, and not answered.
fn refused(error: QueryError) -> QueryRunError {
    let error = ApiError::from(error);
    if matches!(error.code, ErrorCode::Internal | ErrorCode::Unavailable) {
        tracing::error!(error = &error as &dyn Error, "a query failed");
    }
    let code = serde_json::to_value(error.code).ok().and_then(|code| code.as_str().map(str::to_owned));
    let code = code.expect("a code serialises to its name");
    QueryRunError::Refused(Refusal { code, message: error.message, hint: error.hint })
}
