//! Which exceptions are the same error: a hash for the `hashes` column.
//!
//! `err:` and 16 hex digits, BLAKE3 over service, exception type, and the file and function of the frame nearest to the error
//! that is the service's own code; without a stack, over the message instead. Numbers, addresses and hashes are masked, line
//! numbers are not looked at, so the same error after a line shift, a redeploy or on another host has the same hash. With a
//! stack that has frames of libraries only, the nearest frame counts.
//!
//! The hashes are stored, so what goes into them is a promise: the golden samples in `tests.rs` must keep their hashes. A change
//! that moves them is a new prefix, not a new meaning of `err:`.

mod frames;
mod mask;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use otlp::view::common::{KeyValue, Value};
use otlp::wire::Malformed;

use crate::json::hex;
use mask::mask;

/// Of a message so much counts.
const MESSAGE_BYTES_MAX: usize = 1024;

/// An exception as the semantic conventions tell of it; empty is unknown.
#[derive(Debug)]
pub(crate) struct Exception<'a> {
    kind: Cow<'a, str>,
    message: Cow<'a, str>,
    stack: Cow<'a, str>,
}

impl<'a> Exception<'a> {
    pub(crate) fn new(kind: &'a [u8], message: &'a [u8], stack: &'a [u8]) -> Self {
        let [kind, message, stack] = [kind, message, stack].map(String::from_utf8_lossy);
        Self { kind, message, stack }
    }

    /// The exception that `pairs`, `KeyValue` messages, tell of.
    pub(crate) fn among(pairs: &[&'a [u8]]) -> Result<Option<Self>, Malformed> {
        let (mut kind, mut message, mut stack) = (None, None, None);
        for pair in pairs {
            let pair = KeyValue::read(pair)?;
            let (name, Value::Text(text)) = (pair.key.strip_prefix(b"exception."), pair.value) else { continue };
            match name {
                Some(b"type") => kind = kind.or(Some(text)),
                Some(b"message") => message = message.or(Some(text)),
                Some(b"stacktrace") => stack = stack.or(Some(text)),
                _ => {}
            }
        }
        if kind.is_none() && message.is_none() && stack.is_none() {
            return Ok(None);
        }
        let [kind, message, stack] = [kind, message, stack].map(Option::unwrap_or_default);
        Ok(Some(Self::new(kind, message, stack)))
    }

    /// `err:<16 hex>`
    pub(crate) fn hash(&self, service_name: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(service_name);
        part(self.kind.as_bytes());
        match frames::nearest(&self.stack) {
            Some(frame) => {
                part(b"frame");
                part(mask(frame.file).as_bytes());
                part(mask(frame.function).as_bytes());
            }
            None => {
                part(b"message");
                let message = &self.message[..self.message.floor_char_boundary(MESSAGE_BYTES_MAX)];
                part(mask(message).as_bytes());
            }
        }
        let mut text = b"err:".to_vec();
        hex(&mut text, &hasher.finalize().as_bytes()[..8]);
        String::from_utf8(text).expect("hex digits")
    }
}
