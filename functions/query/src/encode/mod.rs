//! Arrow rows as JSON, NDJSON, CSV and Arrow IPC.
//!
//! One notion of a value in text: times are RFC 3339 in UTC with microseconds, integers beyond 2^53 and NaN and infinities are
//! strings in JSON, bytes are base64, lists and structs are JSON.

mod arrow_ipc;
mod csv;
mod json;
mod size;
mod types;
mod value;

pub(crate) use arrow_ipc::ArrowStream;
pub(crate) use csv::{csv_head, write_csv};
pub(crate) use json::{NdjsonNames, json_rows, write_json_rows, write_ndjson};
pub(crate) use size::bytes_of;
pub(crate) use types::type_name;
