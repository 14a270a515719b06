//! What a client is told whose request did not reach its end: in OTLP's words, and so that it sends the data again.

use axum::response::Response;
use http::HeaderMap;
use lambda::Stopped;

use crate::Refusal;
use crate::export::refuse;
use crate::router::reply_as;

pub(crate) fn refusal(stopped: Stopped, headers: &HeaderMap, _: &str) -> Response {
    let refusal = match stopped {
        Stopped::Unreadable => Refusal::BrokenBody { what: "the event that brought it could not be read".to_owned() },
        Stopped::Late => Refusal::Late,
        Stopped::Panicked | Stopped::BrokenOff | Stopped::TooLarge => Refusal::Crashed,
    };
    refuse(&refusal, reply_as(headers))
}
