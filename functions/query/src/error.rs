//! What can be wrong with a query, in words for the one who asked.
//!
//! Planning errors are the asker's; errors while it runs are sorted by what DataFusion says of them: a limit, the data, a store
//! that did not answer, or a bug of ours.

mod hints;
mod sorting;

use datafusion::common::DataFusionError;
use edge::{ApiError, ErrorCode, Position};
use objects::RootError;

use crate::Settings;

pub(crate) use sorting::is_missing_object;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("there is no SQL statement in the request")]
    NoStatement,
    #[error("{count} statements in one request; one is possible")]
    SeveralStatements { count: usize },
    #[error("the SQL is {bytes} bytes long; the limit is {bytes_max}")]
    SqlTooLong { bytes: usize, bytes_max: usize },
    #[error("the SQL has {operators} operators; the limit is {operators_max}")]
    TooManyOperators { operators: usize, operators_max: usize },
    #[error("the SQL has {count} {what}; the limit is {max}")]
    StatementTooLarge { what: &'static str, count: u64, max: u64 },
    /// The statement, or a part of it, would write, name a file or change settings.
    #[error("{what} is not possible: queries only read")]
    ReadOnly { what: String },
    /// A parameter of the SQL or of the request is missing, unused or of no possible type.
    #[error("{what}")]
    Parameter { what: String },
    /// The SQL does not parse.
    #[error("{message}")]
    Syntax { message: String, position: Option<Position> },
    #[error("{message}")]
    UnknownColumn { message: String, hint: Option<String>, position: Option<Position> },
    /// It parses and makes no sense, or the data does not fit it: a type, a function, a table, a division by zero.
    #[error("{message}")]
    Semantic { message: String, hint: Option<String>, position: Option<Position> },
    #[error(transparent)]
    Limit(#[from] Limit),
    /// Too many queries of the project, or of the process.
    #[error("{running} queries of {whose} are running already, which is the limit")]
    TooMany { whose: &'static str, running: usize },
    /// The metadata store, the table's log or the object store did not answer.
    #[error("{what} did not answer")]
    Unavailable {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The project's own bucket is out of reach; the text says what its owner can do.
    #[error("{said}")]
    Bucket { said: String },
    /// What a snapshot names was gone, with every fresh snapshot that was tried.
    #[error("objects of {table} vanished while they were read, {attempts} times in a row")]
    Vanished { table: String, attempts: usize },
    #[error("a bug")]
    Internal {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A limit that a query went past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error("the query ran longer than {timeout_ms} ms")]
    Time { timeout_ms: u64 },
    /// Of a function that must answer by then.
    #[error("the query ran longer than the {timeout_ms} ms that were left until an answer had to be there")]
    TimeLeft { timeout_ms: u64 },
    #[error("the query needed more than {bytes_max} bytes of memory")]
    Memory { bytes_max: usize },
    /// The function's result is as large as an argument says.
    #[error("{name} would make more than {bytes_max} bytes at once")]
    Function { name: &'static str, bytes_max: usize },
    #[error("the query wrote more than {bytes_max} bytes of intermediate data to disk")]
    Spill { bytes_max: u64 },
    #[error("the query read more than {bytes_max} bytes")]
    BytesScanned { bytes_max: u64 },
    #[error("the answer is larger than {bytes_max} bytes")]
    ResultBytes { bytes_max: usize },
}

impl Limit {
    fn code(self) -> ErrorCode {
        match self {
            Self::Time { .. } | Self::TimeLeft { .. } => ErrorCode::QueryTimeout,
            Self::Memory { .. } | Self::Function { .. } | Self::Spill { .. } => ErrorCode::QueryMemory,
            Self::BytesScanned { .. } => ErrorCode::QueryBytesScanned,
            Self::ResultBytes { .. } => ErrorCode::ResultTooLarge,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Time { .. } => {
                "narrow the range of `timestamp`, select fewer columns, or raise `timeout_ms` if it is below the server's limit"
            }
            Self::TimeLeft { .. } => {
                "narrow the range of `timestamp`, or select fewer columns; an HTTP API waits 30 s at most, a function URL as \
                 long as the function may run"
            }
            Self::Memory { .. } | Self::Spill { .. } => {
                "group by fewer distinct values, sort fewer rows, or narrow the range of `timestamp`"
            }
            Self::Function { .. } => {
                "ask for a shorter result; FROM generate_series(...) makes rows without keeping them"
            }
            Self::BytesScanned { .. } => "narrow the range of `timestamp`, or select fewer columns",
            Self::ResultBytes { .. } => {
                "select fewer columns, lower `limit`, or ask for `Accept: application/x-ndjson`, which is streamed"
            }
        }
    }
}

impl QueryError {
    pub(crate) fn unavailable(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        match RootError::behind(&source).filter(|error| error.is_the_owners()) {
            Some(error) => Self::Bucket { said: error.to_string() },
            None => Self::Unavailable { what, source: Box::new(source) },
        }
    }

    /// True if the query needed more memory than it may have.
    pub(crate) fn is_memory(&self) -> bool {
        matches!(self, Self::Limit(Limit::Memory { .. }))
    }

    pub(crate) fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { source: source.into() }
    }

    /// An error of parsing or planning `sql`.
    pub(crate) fn planning(error: DataFusionError, sql: &str) -> Self {
        sorting::planning(error, sql)
    }

    /// An error while the plan ran.
    pub(crate) fn running(error: DataFusionError, settings: &Settings) -> Self {
        sorting::running(error, settings)
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        const SECONDS_UNTIL_A_PLACE_IS_FREE: u64 = 2;
        const SECONDS_UNTIL_AN_OWNER_ACTS: u64 = 30;
        let message = error.to_string();
        let (code, hint, position) = match error {
            QueryError::NoStatement => (ErrorCode::BadRequest, Some("put one SELECT into `sql`".into()), None),
            QueryError::SeveralStatements { .. } => {
                (ErrorCode::BadRequest, Some("send one request per statement".into()), None)
            }
            QueryError::SqlTooLong { .. } => {
                (ErrorCode::PayloadTooLarge, Some("send long lists as `params`".into()), None)
            }
            QueryError::TooManyOperators { .. } => {
                (ErrorCode::PayloadTooLarge, Some("x IN (...) or x = ANY($list) is one operator".into()), None)
            }
            QueryError::StatementTooLarge { .. } => {
                (ErrorCode::PayloadTooLarge, Some("ask in several requests, or in simpler words".into()), None)
            }
            QueryError::ReadOnly { .. } => {
                (ErrorCode::ReadOnly, Some("use SELECT, EXPLAIN, SHOW or DESCRIBE".into()), None)
            }
            QueryError::Parameter { .. } => (ErrorCode::BadRequest, None, None),
            QueryError::Syntax { position, .. } => (ErrorCode::SqlSyntax, None, position),
            QueryError::UnknownColumn { hint, position, .. } => (ErrorCode::UnknownColumn, hint, position),
            QueryError::Semantic { hint, position, .. } => (ErrorCode::SqlSemantic, hint, position),
            QueryError::Limit(limit) => (limit.code(), Some(limit.advice().into()), None),
            QueryError::TooMany { .. } => {
                return ApiError::new(ErrorCode::TooManyQueries, message)
                    .hint("send the same request again in a moment, and fewer at once")
                    .retry_after(SECONDS_UNTIL_A_PLACE_IS_FREE);
            }
            QueryError::Unavailable { what, .. } => return ApiError::unavailable(what, error),
            QueryError::Bucket { .. } => {
                return ApiError::new(ErrorCode::Unavailable, message)
                    .hint("nothing is lost; send the same request again when the bucket is in order")
                    .retry_after(SECONDS_UNTIL_AN_OWNER_ACTS);
            }
            QueryError::Vanished { .. } => return ApiError::unavailable("the object store", error),
            QueryError::Internal { .. } => return ApiError::internal(error),
        };
        let mut answered = ApiError::new(code, message);
        answered.hint = hint;
        answered.position = position;
        answered
    }
}
