//! OTLP over HTTP in; one segment to the object store, one line in the ledger, one trigger on the queue.
//!
//! **A 200 means: durable, queryable now, and in the table exactly once**, even if the exporter retries, the process
//! dies at any point, or the queue repeats, reorders or loses messages. The steps, a file each:
//!
//! - `export`: the recipe of a request, from its head to the answer
//! - `body`: reading it within limits; `prepare`: inflate, hash, decode
//! - `group`: requests that arrive together land together
//! - `land`: the PUT, the transaction in the ledger, `due`, the trigger
//! - `advice`: a word to senders of many small requests
//! - `blocking`: long computation, away from the threads that serve others
//! - `refusal`: what the client is told otherwise
//! - [`cloud`]: all of it as a function in Lambda

mod advice;
mod announced;
mod app;
mod blocking;
mod body;
#[cfg(debug_assertions)]
mod broken;
pub mod cloud;
mod export;
mod group;
mod land;
mod meters;
mod prepare;
mod refusal;
mod router;

pub use advice::SmallRequests;
pub use app::{App, Doors, Settings};
pub use land::{EncodeError, LAND_WITHIN, LandError, Prepared};
pub use meters::Meters;
pub use refusal::Refusal;
pub use router::router;
