//! From the bytes of an OTLP request to checked OTLP, and back to OTLP answers. No I/O, no clock.
//!
//! An OTLP/HTTP body passes through here in this order: [`ContentType::parse`] and [`Encoding::parse`] read the headers,
//! [`inflate`] undoes the compression under a limit, [`json::to_protobuf`] turns JSON into protobuf wire bytes, so that there is
//! one path from there on: the views of [`view`], which walk wire bytes ([`wire`]) without building structs. [`answer`] builds
//! what is sent back.
//!
//! Promises: no input makes this crate panic; nothing is allocated beyond a small multiple of the bytes seen so far; what is
//! refused is refused with the place ([`DecodeError::offset`], [`JsonError`] line and column).

pub mod answer;
mod content_type;
mod encoding;
mod inflate;
pub mod json;
pub mod view;
pub mod wire;

pub use content_type::{ContentType, UnknownContentType};
pub use encoding::{Encoding, UnknownEncoding};
pub use inflate::{InflateError, inflate};
pub use json::JsonError;
pub use wire::DecodeError;
