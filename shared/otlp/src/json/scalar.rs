//! Single values: what JSON holds, as what protobuf wants.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::schema::Kind;
use super::write;
use crate::wire::{Tag, bytes, fixed32, fixed64, varint};

/// A JSON value that is no object and no list.
pub(super) enum Json<'a> {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

/// A value in the form its field has on the wire.
pub(super) enum Scalar {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(Vec<u8>),
}

impl Scalar {
    /// The value of a field of `kind`; None if `json` is not one.
    pub(super) fn read(kind: Kind, json: &Json<'_>) -> Option<Self> {
        Some(match kind {
            Kind::Text => Scalar::Bytes(json.text()?.as_bytes().to_vec()),
            Kind::Bytes => Scalar::Bytes(base64(json.text()?)?),
            Kind::Id(length) => Scalar::Bytes(id(json.text()?, length)),
            Kind::Bool => match json {
                Json::Bool(value) => Scalar::Varint(u64::from(*value)),
                _ => return None,
            },
            Kind::Double => Scalar::Fixed64(json.double()?.to_bits()),
            Kind::Int64 => Scalar::Varint(json.signed()? as u64),
            Kind::Uint64 => Scalar::Varint(json.unsigned()?),
            Kind::Uint32 => Scalar::Varint(u32::try_from(json.unsigned()?).ok()?.into()),
            Kind::Sint32 => Scalar::Varint(zigzag(json.signed()?.try_into().ok()?)),
            Kind::Fixed32 => Scalar::Fixed32(json.unsigned()?.try_into().ok()?),
            Kind::Fixed64 => Scalar::Fixed64(json.unsigned()?),
            Kind::Sfixed64 => Scalar::Fixed64(json.signed()? as u64),
            Kind::Enum(by_name) => {
                let by_number = || json.signed().and_then(|number| i32::try_from(number).ok());
                let number = by_number().or_else(|| by_name(json.text()?))?;
                Scalar::Varint(i64::from(number) as u64)
            }
            Kind::Message(_) => return None,
        })
    }

    pub(super) fn is_default(&self) -> bool {
        match self {
            Scalar::Varint(value) | Scalar::Fixed64(value) => *value == 0,
            Scalar::Fixed32(value) => *value == 0,
            Scalar::Bytes(value) => value.is_empty(),
        }
    }

    /// The field, tag and all.
    pub(super) fn write_field(&self, number: u32, wire: &mut Vec<u8>) {
        let tag: Tag = match self {
            Scalar::Varint(_) => varint(number),
            Scalar::Fixed32(_) => fixed32(number),
            Scalar::Fixed64(_) => fixed64(number),
            Scalar::Bytes(value) => return write::bytes(wire, bytes(number), value),
        };
        write::tag(wire, tag);
        self.write_packed(wire);
    }

    /// The value without a tag, as in a packed list.
    pub(super) fn write_packed(&self, wire: &mut Vec<u8>) {
        match self {
            Scalar::Varint(value) => write::varint(wire, *value),
            Scalar::Fixed32(value) => wire.extend_from_slice(&value.to_le_bytes()),
            Scalar::Fixed64(value) => wire.extend_from_slice(&value.to_le_bytes()),
            Scalar::Bytes(value) => wire.extend_from_slice(value),
        }
    }
}

/// What a field of `kind` must be, for the error.
pub(super) fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Message(_) => "an object",
        Kind::Text => "text",
        Kind::Bytes => "base64 text",
        Kind::Id(_) => "hex text",
        Kind::Bool => "true or false",
        Kind::Double => "a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
        Kind::Int64 | Kind::Sfixed64 => "a signed 64-bit integer, as text or number",
        Kind::Uint64 | Kind::Fixed64 => "an unsigned 64-bit integer, as text or number",
        Kind::Uint32 | Kind::Fixed32 => "an unsigned 32-bit integer",
        Kind::Sint32 => "a signed 32-bit integer",
        Kind::Enum(_) => "the number of an enum value",
    }
}

impl Json<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    fn unsigned(&self) -> Option<u64> {
        match self {
            Json::Unsigned(value) => Some(*value),
            Json::Text(text) => text.parse().ok(),
            // 1e3, or 5.0: integers too, as long as a double holds them exactly.
            Json::Float(value) => exact(*value).and_then(|value| value.try_into().ok()),
            Json::Signed(_) | Json::Bool(_) => None,
        }
    }

    fn signed(&self) -> Option<i64> {
        match self {
            Json::Unsigned(value) => i64::try_from(*value).ok(),
            Json::Signed(value) => Some(*value),
            Json::Text(text) => text.parse().ok(),
            Json::Float(value) => exact(*value),
            Json::Bool(_) => None,
        }
    }

    fn double(&self) -> Option<f64> {
        match self {
            Json::Unsigned(value) => Some(*value as f64),
            Json::Signed(value) => Some(*value as f64),
            Json::Float(value) => Some(*value),
            Json::Text("NaN") => Some(f64::NAN),
            Json::Text("Infinity") => Some(f64::INFINITY),
            Json::Text("-Infinity") => Some(f64::NEG_INFINITY),
            // Also words that Rust's parser knows and JSON does not are refused.
            Json::Text(text) if text.ends_with(|last: char| last.is_ascii_digit()) => text.parse().ok(),
            Json::Text(_) | Json::Bool(_) => None,
        }
    }
}

/// The integer that a double is, if it is one and small enough to be sure.
fn exact(value: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0; // 2^53
    (value.fract() == 0.0 && value.abs() <= EXACT_MAX).then_some(value as i64)
}

fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

fn base64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    engine.decode(text).ok()
}

/// The bytes of a hex id; what is no hex becomes bytes of a length that no id has.
fn id(text: &str, length: usize) -> Vec<u8> {
    let digits: Option<Vec<u8>> = text.bytes().map(|c| char::from(c).to_digit(16).map(|digit| digit as u8)).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect(),
        _ => {
            let mut bytes = text.as_bytes().to_vec();
            if bytes.len() == length {
                bytes.push(b'?');
            }
            bytes
        }
    }
}
