//! The light targets: from the bytes of a request to a segment, and back from a segment's bytes.
//!
//! - `protobuf`, `json`: a request of a signal, which the first byte chooses, through the decoders as `ingest` uses them.
//! - `inflate`: a compressed body; the first bytes choose encoding and limit.
//! - `segment`: the bytes of a landed object.
//! - `body`: what holds for every request on the wire; `request`: the same as protobuf's own structs; `spelling`: those as JSON.

mod body;
mod inflate;
mod json;
mod protobuf;
mod request;
mod segment;
mod spelling;

pub use inflate::inflate;
pub use json::json;
pub use protobuf::protobuf;
pub use segment::segment;

use model::Signal;

/// The signal that the first byte chooses, and the rest. The letters l, m and t choose logs, metrics and traces.
fn signal_and_rest(input: &[u8]) -> Option<(Signal, &[u8])> {
    let (first, rest) = input.split_first()?;
    Some(([Signal::Logs, Signal::Metrics, Signal::Traces][usize::from(first % 3)], rest))
}
