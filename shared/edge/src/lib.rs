//! HTTP on the port that people and programs ask: errors of one shape, who is calling, bodies and parameters checked.
//!
//! [`face`] finishes a router: request ids, CORS, panics, unknown paths and methods. A handler takes [`Authenticated`],
//! [`JsonBody`], [`QueryOf`] and [`PathOf`], and returns `Result<_, ApiError>`. OTLP has errors of its own; they live in
//! `ingest`, which takes only [`cors`] and [`sent_key`] from here.

mod auth;
mod code;
mod cors;
mod error;
mod extract;
mod face;
mod last_words;
mod words;

pub use auth::{AuthError, Authenticated, require, sent_key};
pub use code::ErrorCode;
pub use cors::cors;
pub use error::{ApiError, ErrorAnswer, ErrorDetail, Position};
pub use extract::{BODY_BYTES_MAX, JsonBody, JsonBodyOrDefault, NoParameters, PathOf, QueryOf};
pub use face::{REQUEST_ID, RequestId, answer_of, face};
pub use last_words::LastWords;
