//! Target `protobuf`: any bytes as an export request.

use super::request::Request;
use super::spelling::{Spelling, check_spelling};
use super::{body, signal_and_rest};

/// What holds for every body; and what protobuf's own decoder takes survives being spelled as JSON.
pub fn protobuf(input: &[u8]) {
    let Some((signal, wire)) = signal_and_rest(input) else { return };
    body::check(signal, wire);
    if let Ok(request) = Request::decode(signal, wire) {
        check_spelling(&request, Spelling::of(wire));
    }
}
