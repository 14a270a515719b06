//! Values, key-value pairs, resources and scopes.

use crate::wire::{Fields, Malformed, bytes, fixed64, varint};

/// Lists and maps may nest this deep in one value; a record with a deeper one is refused.
pub const VALUE_DEPTH_MAX: usize = 32;

/// An `AnyValue`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Set to nothing.
    Empty,
    /// Should be UTF-8, may not be.
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// An `ArrayValue`; walk it with [`items`].
    Array(&'a [u8]),
    /// A `KeyValueList`; walk it with [`items`].
    Map(&'a [u8]),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads an `AnyValue`.
    #[inline]
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        const TEXT: u32 = bytes(1);
        const BOOL: u32 = varint(2);
        const INT: u32 = varint(3);
        const DOUBLE: u32 = fixed64(4);
        const ARRAY: u32 = bytes(5);
        const MAP: u32 = bytes(6);
        const BYTES: u32 = bytes(7);

        let mut value = Value::Empty;
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                TEXT => value = Value::Text(fields.bytes()?),
                BOOL => value = Value::Bool(fields.varint()? != 0),
                INT => value = Value::Int(fields.varint()? as i64),
                DOUBLE => value = Value::Double(fields.double()?),
                ARRAY => value = Value::Array(fields.bytes()?),
                MAP => value = Value::Map(fields.bytes()?),
                BYTES => value = Value::Bytes(fields.bytes()?),
                _ => fields.skip(tag)?,
            }
        }
        Ok(value)
    }
}

const KEY: u32 = bytes(1);
const VALUE: u32 = bytes(2);

/// A `KeyValue`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyValue<'a> {
    pub key: &'a [u8],
    pub value: Value<'a>,
}

impl<'a> KeyValue<'a> {
    #[inline]
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut pair = Self { key: &[], value: Value::Empty };
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                KEY => pair.key = fields.bytes()?,
                VALUE => pair.value = Value::read(fields.bytes()?)?,
                _ => fields.skip(tag)?,
            }
        }
        Ok(pair)
    }
}

/// Key and value, an `AnyValue` message, of a `KeyValue` that is as encoders write it: both once, in this order, each below 128
/// bytes, and nothing else. None: it is not, and [`KeyValue::read`] reads it.
///
/// For the hot path: what it gives stays in registers, where a [`Value`] is written to memory and read from there at once in
/// other pieces, for which a processor waits longer than all the rest takes.
#[inline(always)]
pub fn short_pair(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = Fields::new(message);
    let key = fields.next_short(0x0a)?;
    let value = fields.next_short(0x12)?;
    fields.is_at_end().then_some((key, value))
}

/// An `AnyValue` as encoders write it, by its first byte; other bytes are for [`Value::read`].
pub mod short {
    use crate::wire::Fields;

    /// Content below 128 bytes behind `tag` and its length, and nothing else.
    #[inline(always)]
    pub fn content(value: &[u8], tag: u8) -> Option<&[u8]> {
        match value {
            [first, length @ 0..0x80, content @ ..] if *first == tag && content.len() == usize::from(*length) => {
                Some(content)
            }
            _ => None,
        }
    }

    pub const TEXT: u8 = 0x0a;
    pub const ARRAY: u8 = 0x2a;
    pub const MAP: u8 = 0x32;
    pub const BYTES: u8 = 0x3a;

    #[inline(always)]
    pub fn flag(value: &[u8]) -> Option<bool> {
        match value {
            [0x10, flag @ 0..0x80] => Some(*flag != 0),
            _ => None,
        }
    }

    #[inline(always)]
    pub fn int(value: &[u8]) -> Option<i64> {
        match value {
            [0x18, number @ 0..0x80] => Some((*number).into()),
            [0x18, low @ 0x80..=0xff, high @ 0..0x80] => Some(i64::from(low & 0x7f) | i64::from(*high) << 7),
            [0x18, number @ ..] => long_int(number),
            _ => None,
        }
    }

    fn long_int(number: &[u8]) -> Option<i64> {
        let mut fields = Fields::new(number);
        let number = fields.varint().ok()?;
        fields.is_at_end().then_some(number as i64)
    }

    #[inline(always)]
    pub fn double(value: &[u8]) -> Option<f64> {
        match value {
            [0x21, bytes @ ..] => bytes.try_into().ok().map(f64::from_le_bytes),
            _ => None,
        }
    }
}

/// Key and value, an `AnyValue` message, of any `KeyValue`; empty what is not set.
///
/// Of a value that is there twice the first is not looked at: [`KeyValue::read`] finds out whether it is broken.
#[inline]
pub fn pair(message: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    match short_pair(message) {
        Some(pair) => Ok(pair),
        None => any_pair(message),
    }
}

fn any_pair(message: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(message);
    while let Some(tag) = fields.tag()? {
        match tag {
            KEY => key = fields.bytes()?,
            VALUE => value = fields.bytes()?,
            _ => fields.skip(tag)?,
        }
    }
    Ok((key, value))
}

/// The elements of an `ArrayValue` (`AnyValue` messages) or of a `KeyValueList` (`KeyValue` messages).
#[derive(Clone, Copy, Debug)]
pub struct Items<'a>(Fields<'a>);

impl<'a> Items<'a> {
    #[inline]
    pub fn of(list: &'a [u8]) -> Self {
        Self(Fields::new(list))
    }

    /// None at the end. Not an iterator, since it is not to be asked again after an error.
    #[inline]
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        const ITEM: u32 = bytes(1);

        match self.0.next_short(ITEM as u8) {
            Some(item) => Ok(Some(item)),
            None => self.0.next_bytes(ITEM),
        }
    }
}

/// The same as an iterator; nothing comes after an error.
pub fn items(list: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> + Clone {
    let mut items = Items::of(list);
    std::iter::from_fn(move || {
        let item = items.next().transpose();
        if matches!(item, Some(Err(_))) {
            items = Items::of(&[]);
        }
        item
    })
}

/// A `Resource`.
#[derive(Debug, Default)]
pub struct Resource<'a> {
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    pub dropped_attributes_count: u32,
    /// `EntityRef` messages.
    pub entity_refs: Vec<&'a [u8]>,
}

impl<'a> Resource<'a> {
    pub fn merge(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        const ATTRIBUTES: u32 = bytes(1);
        const DROPPED_ATTRIBUTES: u32 = varint(2);
        const ENTITY_REFS: u32 = bytes(3);

        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                ATTRIBUTES => self.attributes.push(fields.bytes()?),
                DROPPED_ATTRIBUTES => self.dropped_attributes_count = fields.varint()? as u32,
                ENTITY_REFS => self.entity_refs.push(fields.bytes()?),
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }
}

/// An `EntityRef` of a resource.
#[derive(Debug, Default)]
pub struct EntityRef<'a> {
    pub schema_url: &'a [u8],
    pub kind: &'a [u8],
    pub id_keys: Vec<&'a [u8]>,
    pub description_keys: Vec<&'a [u8]>,
}

impl<'a> EntityRef<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        const SCHEMA_URL: u32 = bytes(1);
        const KIND: u32 = bytes(2);
        const ID_KEYS: u32 = bytes(3);
        const DESCRIPTION_KEYS: u32 = bytes(4);

        let mut entity = Self::default();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                SCHEMA_URL => entity.schema_url = fields.bytes()?,
                KIND => entity.kind = fields.bytes()?,
                ID_KEYS => entity.id_keys.push(fields.bytes()?),
                DESCRIPTION_KEYS => entity.description_keys.push(fields.bytes()?),
                _ => fields.skip(tag)?,
            }
        }
        Ok(entity)
    }
}

/// An `InstrumentationScope`.
#[derive(Debug, Default)]
pub struct Scope<'a> {
    pub name: &'a [u8],
    pub version: &'a [u8],
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    pub dropped_attributes_count: u32,
}

impl<'a> Scope<'a> {
    pub fn merge(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        const NAME: u32 = bytes(1);
        const VERSION: u32 = bytes(2);
        const ATTRIBUTES: u32 = bytes(3);
        const DROPPED_ATTRIBUTES: u32 = varint(4);

        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                NAME => self.name = fields.bytes()?,
                VERSION => self.version = fields.bytes()?,
                ATTRIBUTES => self.attributes.push(fields.bytes()?),
                DROPPED_ATTRIBUTES => self.dropped_attributes_count = fields.varint()? as u32,
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the short cuts take must be what the long way makes of it: all short messages of a few tags and lengths.
    #[test]
    fn short_cuts_read_what_the_long_way_reads() {
        const BYTES: [u8; 16] = [0, 1, 2, 3, 8, 9, 0x0a, 0x10, 0x12, 0x18, 0x21, 0x2a, 0x7f, 0x80, 0x81, 0xff];
        let (mut n_values, mut n_pairs) = (0, 0);
        for n in 0..BYTES.len().pow(5) {
            let message: [u8; 5] = std::array::from_fn(|at| BYTES[n / BYTES.len().pow(at as u32) % BYTES.len()]);
            for length in 0..=5 {
                n_values += usize::from(is_same_value(&message[..length]));
                n_pairs += usize::from(is_same_pair(&message[..length]));
            }
        }
        assert!(n_values > 1_000 && n_pairs > 40, "{n_values} values and {n_pairs} pairs went the short way");
    }

    #[test]
    fn short_cuts_end_at_127_bytes() {
        for length in [0, 1, 126, 127, 128, 129, 300] {
            let text = vec![b'x'; length];
            for (tag, declared) in
                [(0x0a, length), (0x12, length), (0x3a, length), (0x0a, length + 1), (0x0a, length.max(1) - 1)]
            {
                let declared = if declared < 0x80 {
                    vec![declared as u8]
                } else {
                    vec![declared as u8 | 0x80, (declared >> 7) as u8]
                };
                let message = [&[tag], &declared[..], &text].concat();
                is_same_value(&message);
                is_same_pair(&[&message[..], &[0x12, 2, 0x18, 7]].concat());
                is_same_pair(&[&[0x0a, 1, b'k', 0x12], &declared[..], &text].concat());
            }
        }
        for number in [0.0, -0.0, 1.5, f64::INFINITY] {
            let message = [&[0x21][..], &number.to_le_bytes()].concat();
            assert!(is_same_value(&message) && !is_same_value(&[&message[..], &[0]].concat()));
        }
    }

    /// Whether a short cut took it.
    fn is_same_value(message: &[u8]) -> bool {
        let content = |tag| short::content(message, tag);
        let taken = content(short::TEXT)
            .map(Value::Text)
            .or(content(short::ARRAY).map(Value::Array))
            .or(content(short::MAP).map(Value::Map))
            .or(content(short::BYTES).map(Value::Bytes))
            .or(short::flag(message).map(Value::Bool))
            .or(short::int(message).map(Value::Int))
            .or(short::double(message).map(Value::Double));
        if let Some(value) = taken {
            assert_eq!(Value::read(message), Ok(value), "{message:x?}");
        }
        taken.is_some()
    }

    fn is_same_pair(message: &[u8]) -> bool {
        let taken = short_pair(message);
        if let Some((key, value)) = taken {
            assert_eq!(
                KeyValue::read(message),
                Value::read(value).map(|value| KeyValue { key, value }),
                "{message:x?}"
            );
        }
        taken.is_some()
    }
}
