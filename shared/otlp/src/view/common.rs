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

/// A `KeyValue`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyValue<'a> {
    pub key: &'a [u8],
    pub value: Value<'a>,
}

impl<'a> KeyValue<'a> {
    #[inline]
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        const KEY: u32 = bytes(1);
        const VALUE: u32 = bytes(2);

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

/// The elements of an `ArrayValue` (`AnyValue` messages) or of a `KeyValueList` (`KeyValue` messages).
pub fn items(list: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    const ITEM: u32 = bytes(1);

    let mut fields = Fields::new(list);
    let mut broken = false;
    std::iter::from_fn(move || {
        let next = |fields: &mut Fields<'_>| loop {
            match fields.tag()? {
                None => return Ok(None),
                Some(ITEM) => return Ok(Some(())),
                Some(tag) => fields.skip(tag)?,
            }
        };
        if broken {
            return None;
        }
        let item = next(&mut fields).and_then(|found| found.map(|()| fields.bytes()).transpose()).transpose();
        broken = matches!(item, Some(Err(_)));
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
