//! How a function of ours runs in Lambda: one event at a time, answered before its deadline.
//!
//! A function's `main.rs` calls [`main`] with what reads its settings and what builds it; what is built is a
//! [`Function`]. Most are [`Http`] alone: an axum router behind an HTTP API or a function URL.
//!
//! - `start`: the first moments: log, settings, everything that is missing said at once; then the loop
//! - `init_error`: telling Lambda why a start failed
//! - `call`: the one call under way, and until when it must be answered
//! - `function`: what takes an event and answers it
//! - `http`: HTTP events to requests, responses to answers, deadlines and panics; `request`, `answer`, `streamed`
//! - `event`: events of several kinds for one function, and what SQS is told
//!
//! Not here: what a function does. Lambda sends no SIGTERM to a function without extensions: nothing waits for an end.

mod answer;
mod call;
mod event;
mod function;
mod http;
mod init_error;
mod request;
mod start;
mod streamed;

pub use self::http::{Http, Refusal, Sending, Stopped, api_refusal};
pub use call::Call;
pub use event::{Event, SqsMessage, failed_messages};
pub use function::{Answer, Failure, Function};
pub use request::HttpEvent;
pub use start::{Threads, main};
