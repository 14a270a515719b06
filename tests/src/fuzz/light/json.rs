//! Target `json`: any bytes as OTLP/JSON.

use otlp::json::to_protobuf;

use super::request::Request;
use super::spelling::{Spelling, check_spelling};
use super::{body, signal_and_rest};

/// What is taken is valid protobuf with the same records, for our decoder and for protobuf's own.
pub fn json(input: &[u8]) {
    let Some((signal, text)) = signal_and_rest(input) else { return };
    let transcoded = to_protobuf(signal, text);
    assert_eq!(transcoded, to_protobuf(signal, text), "transcoded twice");
    let wire = match transcoded {
        Ok(wire) => wire,
        Err(error) => {
            let lines = text.split(|byte| *byte == b'\n').count();
            assert!(error.line <= lines && error.column <= text.len() + 1, "{error} lies outside the body");
            return;
        }
    };
    body::check(signal, &wire);
    match Request::decode(signal, &wire) {
        Ok(request) => check_spelling(&request, Spelling::of(text)),
        // Maps of maps just within our limit are beyond prost's; the record is refused later or taken.
        Err(error) => assert!(error.to_string().contains("recursion limit"), "not valid protobuf: {error}"),
    }
}
