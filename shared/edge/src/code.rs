//! The fixed list of error codes, and the HTTP status of each. Clients match on them: none is ever renamed.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request does not read: body, parameter or header.
    BadRequest,
    /// No key, or one that is unknown or revoked.
    Unauthorized,
    /// The key may not do this.
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// It is there already, or was changed in between.
    Conflict,
    PayloadTooLarge,
    UnsupportedMediaType,
    /// A limit per time is used up.
    RateLimited,
    /// The SQL does not parse.
    SqlSyntax,
    /// The SQL parses but makes no sense: a type, a function, a table.
    SqlSemantic,
    UnknownColumn,
    /// The statement would change something; only reading is possible.
    ReadOnly,
    QueryTimeout,
    QueryMemory,
    QueryBytesScanned,
    ResultTooLarge,
    /// Too many run at once.
    TooManyQueries,
    /// A store did not answer; the same request may work later.
    Unavailable,
    /// A bug of ours.
    Internal,
}

impl ErrorCode {
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::SqlSyntax | Self::SqlSemantic | Self::UnknownColumn | Self::ReadOnly => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            // Not 408 or 504: proxies and browsers would send a query that is too heavy once more.
            Self::QueryTimeout | Self::QueryMemory | Self::QueryBytesScanned | Self::ResultTooLarge => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::RateLimited | Self::TooManyQueries => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
