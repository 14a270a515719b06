//! Writes protobuf wire bytes.

use crate::wire::Tag;

pub(super) fn varint(wire: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        wire.push(value as u8 | 0x80);
        value >>= 7;
    }
    wire.push(value as u8);
}

pub(super) fn tag(wire: &mut Vec<u8>, tag: Tag) {
    varint(wire, u64::from(tag));
}

pub(super) fn bytes(wire: &mut Vec<u8>, field: Tag, value: &[u8]) {
    tag(wire, field);
    varint(wire, value.len() as u64);
    wire.extend_from_slice(value);
}

/// Writes a length-delimited field whose content `fill` appends; the content moves up when its length takes more than one byte.
pub(super) fn nested<E>(
    wire: &mut Vec<u8>,
    field: Tag,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    tag(wire, field);
    let length_at = wire.len();
    wire.push(0);
    fill(wire)?;
    let length = wire.len() - length_at - 1;
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => wire[length_at] = short,
        _ => {
            let mut prefix = Vec::with_capacity(5);
            varint(&mut prefix, length as u64);
            wire.splice(length_at..=length_at, prefix);
        }
    }
    Ok(())
}
