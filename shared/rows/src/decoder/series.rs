//! The identity of a metric's series: a hash that does not depend on the order of attributes.
//!
//! A stored promise, so its layout: BLAKE3 over scope digest (32 bytes), name, attributes; the first 8 bytes in hex. The scope
//! digest is BLAKE3 over resource digest (32 bytes), scope name, scope version, scope attributes; the resource digest is BLAKE3
//! over the resource's attributes. Text and bytes are written with their length (8 bytes, little endian) before them; a list of
//! attributes as its length, then key and value of each, sorted by key, then by what was sent first; a value as a byte for its
//! type (0 nothing, 1 text, 2 boolean, 3 integer, 4 double, 5 list, 6 map, 7 bytes) and its content: 8 bytes, little endian, for
//! numbers, one byte for booleans, the elements' number and values for a list, attributes as above for a map.

use otlp::view::common::{Items, Resource, Scope, VALUE_DEPTH_MAX, Value, items, pair, short};
use otlp::wire::Malformed;

use crate::json::{ValueError, hex};

/// Most lists of attributes are not longer.
const PAIRS_USUAL: usize = 16;

/// 256 bits that stand for a scope of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of_scope(resource: &Resource<'_>, scope: &Scope<'_>) -> Result<Self, ValueError> {
        let mut canonical = Vec::new();
        attributes(&mut canonical, resource.attributes.iter().copied().map(Ok), 0)?;
        let resource = *blake3::hash(&canonical).as_bytes();
        canonical.clear();
        canonical.extend_from_slice(&resource);
        text(&mut canonical, scope.name);
        text(&mut canonical, scope.version);
        attributes(&mut canonical, scope.attributes.iter().copied().map(Ok), 0)?;
        Ok(Self(*blake3::hash(&canonical).as_bytes()))
    }
}

/// Appends the series' id, 16 hex digits, to `out`; `scratch` is overwritten.
pub(super) fn series_id(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    origin: &Digest,
    name: &[u8],
    pairs: &[&[u8]],
) -> Result<(), ValueError> {
    scratch.clear();
    scratch.extend_from_slice(&origin.0);
    text(scratch, name);
    attributes(scratch, pairs.iter().copied().map(Ok), 0)?;
    hex(out, &blake3::hash(scratch).as_bytes()[..8]);
    Ok(())
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    number(out, text.len() as u64);
    out.extend_from_slice(text);
}

fn attributes<'a, I>(out: &mut Vec<u8>, pairs: I, depth: usize) -> Result<(), ValueError>
where
    I: Iterator<Item = Result<&'a [u8], Malformed>> + Clone,
{
    // Sorted already, most of all since there is only one: nothing is collected.
    let (mut last, mut n, mut is_sorted): (&[u8], u64, bool) = (&[], 0, true);
    for message in pairs.clone() {
        let (key, _) = pair(message?)?;
        is_sorted &= last <= key;
        last = key;
        n += 1;
    }
    number(out, n);
    if is_sorted {
        for message in pairs {
            let (key, message) = pair(message?)?;
            text(out, key);
            value(out, message, depth)?;
        }
        return Ok(());
    }
    let mut sorted = Vec::with_capacity(PAIRS_USUAL);
    for message in pairs {
        sorted.push(pair(message?)?);
    }
    sorted.sort_by_key(|(key, _)| *key);
    for (key, message) in sorted {
        text(out, key);
        value(out, message, depth)?;
    }
    Ok(())
}

/// `message` is an `AnyValue`.
fn value(out: &mut Vec<u8>, message: &[u8], depth: usize) -> Result<(), ValueError> {
    if let Some(content) = short::content(message, short::TEXT) {
        out.push(1);
        text(out, content);
    } else if let Some(content) = short::int(message) {
        out.push(3);
        number(out, content as u64);
    } else if let Some(content) = short::flag(message) {
        out.extend_from_slice(&[2, u8::from(content)]);
    } else if let Some(content) = short::double(message) {
        out.push(4);
        number(out, content.to_bits());
    } else {
        return any_value(out, Value::read(message)?, depth);
    }
    Ok(())
}

fn any_value(out: &mut Vec<u8>, value: Value<'_>, depth: usize) -> Result<(), ValueError> {
    match value {
        Value::Empty => out.push(0),
        Value::Text(content) => {
            out.push(1);
            text(out, content);
        }
        Value::Bool(content) => out.extend_from_slice(&[2, u8::from(content)]),
        Value::Int(content) => {
            out.push(3);
            number(out, content as u64);
        }
        Value::Double(content) => {
            out.push(4);
            number(out, content.to_bits());
        }
        Value::Array(_) | Value::Map(_) if depth == VALUE_DEPTH_MAX => return Err(ValueError::TooDeep),
        Value::Array(list) => {
            out.push(5);
            let length_at = out.len();
            number(out, 0);
            let mut length: u64 = 0;
            let mut items = Items::of(list);
            while let Some(item) = items.next()? {
                self::value(out, item, depth + 1)?;
                length += 1;
            }
            out[length_at..length_at + 8].copy_from_slice(&length.to_le_bytes());
        }
        Value::Map(list) => {
            out.push(6);
            attributes(out, items(list), depth + 1)?;
        }
        Value::Bytes(content) => {
            out.push(7);
            text(out, content);
        }
    }
    Ok(())
}
