//! Asking a project's tables in SQL from another function, and the form in which the question and its answer travel.
//!
//! What travels is JSON of version 1. Fields may be added to it, and whoever does not know one ignores it; none changes its meaning:
//!
//! ```text
//! {"v":1,"query":{"project":"shop","sql":"SELECT ...","params":[..]?,"limit":n?,"timeout_ms":n?}}
//! {"v":1,"ok":{"columns":[..],"rows":[[..]],"truncated":..,"warnings":[..],"statistics":{..}}}      as POST /api/v1/query answers
//! {"v":1,"error":{"code":"sql_syntax","message":"..","hint":".."?}}                                codes as in `edge::ErrorCode`
//! ```

use std::error::Error;

use async_trait::async_trait;
use model::ProjectId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a question, and of an answer: what a Lambda function takes and gives in one synchronous call.
pub const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;
/// How long a query may take that does not say.
pub const QUERY_TIMEOUT_MS_DEFAULT: u64 = 30_000;

/// Runs a query and waits for the whole answer.
#[async_trait]
pub trait QueryRunner: Send + Sync {
    /// Queries only read, so a call whose answer was lost may always be made again.
    async fn run(&self, question: &Question) -> Result<Answer, QueryRunError>;
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Nothing but its tables can be named.
    pub project: ProjectId,
    /// One SELECT, EXPLAIN, SHOW or DESCRIBE.
    pub sql: String,
    /// A list for `$1, $2, ...` or an object for `$name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// Rows at most; none: the default of the query function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Milliseconds after which the query is stopped; none: [`QUERY_TIMEOUT_MS_DEFAULT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Rows, and what there is to say of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub columns: Vec<Column>,
    /// Times are RFC 3339; integers beyond 2^53, NaN and infinities are text.
    pub rows: Vec<Vec<Value>>,
    /// None: these are all rows.
    #[serde(default)]
    pub truncated: Option<Truncated>,
    /// What the answer lacks, for instance a damaged segment.
    #[serde(default)]
    pub warnings: Vec<String>,
    pub statistics: Statistics,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    /// PostgreSQL's name of the type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Rows were left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truncated {
    /// Rows that are answered at most.
    pub limit: usize,
    /// How to get the rest.
    pub advice: String,
}

/// What the answer took; the query function knows more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    pub rows: u64,
    pub bytes_scanned: u64,
    pub total_ms: f64,
}

/// Why the query has no answer, in words for the one who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// As in `edge::ErrorCode`; the list may grow.
    pub code: String,
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A question as it travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub v: u32,
    pub query: Question,
}

/// What came of it, as it travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    pub v: u32,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok(Answer),
    Error(Refusal),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryRunError {
    /// The query function says no, in its own words.
    #[error("the query was refused: {}", .0.message)]
    Refused(Refusal),
    /// The call, or its answer, is larger than what can be carried.
    #[error("{what} has {bytes} bytes; {bytes_max} can be carried at most")]
    TooLarge { what: &'static str, bytes: usize, bytes_max: usize },
    /// No answer within the query's own time and some more.
    #[error("no answer within {waited_ms} ms")]
    TimedOut { waited_ms: u64 },
    /// Throttled, or not reached.
    #[error("{what} did not answer")]
    Unavailable {
        what: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It is not there, may not be called, ended without an answer, or answers what does not read.
    #[error("{what} does not work: {why}")]
    Broken { what: String, why: String },
}

impl Asked {
    const VERSION: u32 = 1;

    pub fn new(query: Question) -> Self {
        Self { v: Self::VERSION, query }
    }
}

impl Answered {
    const VERSION: u32 = 1;

    pub fn new(outcome: Outcome) -> Self {
        Self { v: Self::VERSION, outcome }
    }

    pub fn into_result(self) -> Result<Answer, QueryRunError> {
        match self.outcome {
            Outcome::Ok(answer) => Ok(answer),
            Outcome::Error(refusal) => Err(QueryRunError::Refused(refusal)),
        }
    }
}

impl QueryRunError {
    /// Whether the same question may be answered a moment later.
    pub fn is_retryable(&self) -> bool {
        /// Those of `edge::ErrorCode` that a client answers by asking again.
        const PASSING: [&str; 3] = ["unavailable", "too_many_queries", "rate_limited"];
        match self {
            Self::Refused(refusal) => PASSING.contains(&refusal.code.as_str()),
            Self::Unavailable { .. } => true,
            // The same question takes as long, or as much, again.
            Self::TimedOut { .. } | Self::TooLarge { .. } | Self::Broken { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shop() -> ProjectId {
        ProjectId::parse("shop").expect("an id")
    }

    /// A promise: functions of other versions read this.
    #[test]
    fn version_1_as_it_travels() {
        let question =
            Question { project: shop(), sql: "SELECT 1".to_owned(), params: None, limit: Some(5), timeout_ms: None };
        let asked = json!({ "v": 1, "query": { "project": "shop", "sql": "SELECT 1", "limit": 5 } });
        assert_eq!(serde_json::to_value(Asked::new(question.clone())).expect("serialises"), asked);
        assert_eq!(serde_json::from_value::<Asked>(asked).expect("reads").query, question);

        let ok = json!({ "v": 1, "ok": {
            "columns": [{ "name": "n", "type": "bigint" }], "rows": [[1], [null]], "truncated": null, "warnings": [],
            "statistics": { "rows": 2, "bytes_scanned": 10, "total_ms": 1.5 } } });
        let answered: Answered = serde_json::from_value(ok.clone()).expect("reads");
        assert_eq!(serde_json::to_value(&answered).expect("serialises"), ok);

        let error = json!({ "v": 1, "error": { "code": "sql_syntax", "message": "no" } });
        let answered: Answered = serde_json::from_value(error.clone()).expect("reads");
        assert_eq!(serde_json::to_value(&answered).expect("serialises"), error);
    }

    #[test]
    fn what_a_newer_function_adds_is_passed_over() {
        let newer = json!({ "v": 2, "place": "eu", "ok": {
            "columns": [], "rows": [], "truncated": null, "warnings": [], "plan": "a scan",
            "statistics": { "rows": 0, "files_considered": 7, "bytes_scanned": 0, "total_ms": 0.1 } } });
        let answered: Answered = serde_json::from_value(newer).expect("reads");
        assert!(answered.into_result().expect("an answer").rows.is_empty());
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        let refused = |code: &str| {
            QueryRunError::Refused(Refusal { code: code.to_owned(), message: String::new(), hint: None }).is_retryable()
        };
        assert!(refused("unavailable") && refused("too_many_queries"));
        assert!(!refused("sql_syntax") && !refused("query_timeout") && !refused("internal"));
        assert!(!QueryRunError::TimedOut { waited_ms: 1 }.is_retryable());
    }
}
