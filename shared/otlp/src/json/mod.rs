//! OTLP/JSON to protobuf wire bytes, so that both go the same way from there.
//!
//! The mapping is that of the OTLP specification: trace and span ids in hex of any case, other bytes in base64 (standard or
//! URL-safe, padded or not), enums as integers, 64-bit integers as text or numbers, doubles also as `"NaN"`, `"Infinity"` and
//! `"-Infinity"`, `null` as the field's default, lowerCamelCase names only; unknown names are ignored. Accepted beyond the
//! specification, since clients send it: enum names (`"SPAN_KIND_SERVER"`) and `null` as an element of a list (the element's
//! default). A metric with data of two types is refused, since only one of them could be kept.
//!
//! An id that is no hex, or of the wrong length, becomes bytes of a wrong length: the record is refused later, not the request.
//! Values nested deeper than [`VALUE_DEPTH_MAX`](crate::view::common::VALUE_DEPTH_MAX) become values that are just too deep,
//! with the same effect. Everything else that does not fit is a [`JsonError`] for the whole request.
//!
//! The output is what a protobuf encoder would have sent: defaults left out, repeated numbers packed.

mod scalar;
mod schema;
mod transcode;
mod write;

#[cfg(test)]
mod tests;

use model::Signal;
use serde::de::DeserializeSeed;

/// A body that is not OTLP/JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid OTLP/JSON at line {line}, column {column}: {message}")]
pub struct JsonError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// The export request of `signal` as protobuf wire bytes; an empty body is an empty request.
pub fn to_protobuf(signal: Signal, body: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut wire = Vec::with_capacity(body.len() / 2);
    if body.trim_ascii().is_empty() {
        return Ok(wire);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    // Depth is bounded by the schema and by the transcoder; what is ignored is skipped without recursion.
    json.disable_recursion_limit();
    let request = transcode::request(schema::request(signal), &mut wire);
    request.deserialize(&mut json).and_then(|()| json.end()).map_err(JsonError::from)?;
    Ok(wire)
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let message = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text).to_owned();
        Self { line, column, message }
    }
}
