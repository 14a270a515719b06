//! Walks JSON along a message's table and appends wire bytes; no tree is built.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::scalar::{Json, Scalar, expected};
use super::schema::{ANY_VALUE, Field, Kind, Label, Message};
use super::write;
use crate::view::common::VALUE_DEPTH_MAX;
use crate::wire::bytes;

/// Appends the fields of the `request` message to `wire`.
pub(super) fn request<'w>(message: &'static Message, wire: &'w mut Vec<u8>) -> Content<'w> {
    Content { message, wire, depth: 0 }
}

/// The fields of a message.
pub(super) struct Content<'w> {
    message: &'static Message,
    wire: &'w mut Vec<u8>,
    /// `AnyValue`s around it, itself included.
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object ({})", self.message.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut json: A) -> Result<(), A::Error> {
        let mut chosen: Option<&Field> = None;
        while let Some(field) = json.next_key_seed(FieldName(self.message))? {
            let before = self.wire.len();
            match field {
                Some(field) if self.depth <= VALUE_DEPTH_MAX + 1 => {
                    let place = Place { message: self.message, field };
                    json.next_value_seed(FieldValue { place, wire: self.wire, depth: self.depth })?;
                }
                // Too deep already: the record will be refused, no need to go on.
                _ => drop(json.next_value::<IgnoredAny>()?),
            }
            // `null` chooses nothing.
            if let Some(field) = field.filter(|field| field.label == Label::Choice && self.wire.len() > before) {
                let first = *chosen.get_or_insert(field);
                if first.number != field.number {
                    let (message, first, second) = (self.message.name, first.name, field.name);
                    return Err(A::Error::custom(format_args!("{message} has both `{first}` and `{second}`")));
                }
            }
        }
        Ok(())
    }

    /// `null`: the default, an empty message.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key of an object: the field it names, or None.
struct FieldName(&'static Message);

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name of a field of {}", self.0.name)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.fields.iter().find(|field| field.name == name))
    }
}

/// A field of a message, for what is wrong with it.
#[derive(Clone, Copy)]
struct Place {
    message: &'static Message,
    field: &'static Field,
}

impl Place {
    fn wrong<E: Error>(self, found: &str) -> E {
        const FOUND_CHARS_MAX: usize = 60;
        let found: String = found.chars().take(FOUND_CHARS_MAX).collect();
        let list = if self.field.label == Label::Repeated { "a list, each element " } else { "" };
        let (name, message, wanted) = (self.field.name, self.message.name, expected(self.field.kind));
        E::custom(format_args!("`{name}` of {message} must be {list}{wanted}, found {found}"))
    }

    fn scalar<E: Error>(self, json: &Json<'_>, found: impl fmt::Display) -> Result<Scalar, E> {
        Scalar::read(self.field.kind, json).ok_or_else(|| self.wrong(&found.to_string()))
    }
}

/// The value of a field, a list of values if it is repeated.
struct FieldValue<'w> {
    place: Place,
    wire: &'w mut Vec<u8>,
    depth: usize,
}

impl FieldValue<'_> {
    fn scalar<E: Error>(self, json: Json<'_>, found: impl fmt::Display) -> Result<(), E> {
        if self.place.field.label == Label::Repeated {
            return Err(self.place.wrong(&found.to_string()));
        }
        let scalar = self.place.scalar(&json, found)?;
        self.write(&scalar);
        Ok(())
    }

    fn write(self, scalar: &Scalar) {
        let Field { label, number, .. } = self.place.field;
        if *label == Label::Explicit || !scalar.is_default() {
            scalar.write_field(*number, self.wire);
        }
    }

    /// The depth inside a message that is a value of this field.
    fn depth_inside(&self, message: &'static Message) -> usize {
        self.depth + usize::from(std::ptr::eq(message, &ANY_VALUE))
    }
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if let (Kind::Double, Label::Single | Label::Explicit) = (self.place.field.kind, self.place.field.label) {
            if let Some(double) = number(json, self.place)? {
                self.write(&double);
            }
            return Ok(());
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(expected(self.place.field.kind))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(Json::Bool(value), value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(Json::Unsigned(value), value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(Json::Signed(value), value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(Json::Float(value), value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let Field { kind, label, number, .. } = self.place.field;
        // The hot one, without the copy that a Scalar makes.
        if let (Kind::Text, Label::Single | Label::Explicit) = (kind, label) {
            if *label == Label::Explicit || !text.is_empty() {
                write::bytes(self.wire, bytes(*number), text.as_bytes());
            }
            return Ok(());
        }
        self.scalar(Json::Text(text), format_args!("\"{text}\""))
    }

    fn visit_map<A: MapAccess<'de>>(self, json: A) -> Result<(), A::Error> {
        let Field { kind, label, number, .. } = self.place.field;
        let (Kind::Message(message), Label::Single | Label::Explicit | Label::Choice) = (kind, label) else {
            return Err(self.place.wrong("an object"));
        };
        let depth = self.depth_inside(message);
        write::nested(self.wire, bytes(*number), |wire| Content { message, wire, depth }.visit_map(json))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, json: A) -> Result<(), A::Error> {
        let Field { kind, label, .. } = self.place.field;
        match (label, kind) {
            (Label::Single | Label::Explicit | Label::Choice, _) => Err(self.place.wrong("a list")),
            (Label::Repeated, Kind::Message(message)) => self.messages(message, json),
            (Label::Repeated, Kind::Text) => self.texts(json),
            (Label::Repeated, _) => self.packed(json),
        }
    }
}

impl FieldValue<'_> {
    fn messages<'de, A: SeqAccess<'de>>(self, message: &'static Message, mut json: A) -> Result<(), A::Error> {
        let depth = self.depth_inside(message);
        loop {
            let before = self.wire.len();
            let mut ended = false;
            write::nested(self.wire, bytes(self.place.field.number), |wire| {
                ended = json.next_element_seed(Content { message, wire, depth })?.is_none();
                Ok::<(), A::Error>(())
            })?;
            if ended {
                self.wire.truncate(before);
                return Ok(());
            }
        }
    }

    fn texts<'de, A: SeqAccess<'de>>(self, mut json: A) -> Result<(), A::Error> {
        while let Some(text) = json.next_element::<Option<String>>()? {
            write::bytes(self.wire, bytes(self.place.field.number), text.unwrap_or_default().as_bytes());
        }
        Ok(())
    }

    fn packed<'de, A: SeqAccess<'de>>(self, mut json: A) -> Result<(), A::Error> {
        let before = self.wire.len();
        let mut is_empty = true;
        write::nested(self.wire, bytes(self.place.field.number), |wire| {
            while json.next_element_seed(Packed { place: self.place, wire })?.is_some() {
                is_empty = false;
            }
            Ok::<(), A::Error>(())
        })?;
        if is_empty {
            self.wire.truncate(before);
        }
        Ok(())
    }
}

/// An element of a packed list of numbers.
struct Packed<'w> {
    place: Place,
    wire: &'w mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Packed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let number = match number(json, self.place)? {
            Some(number) => number,
            None => self.place.scalar(&Json::Unsigned(0), "null")?,
        };
        number.write_packed(self.wire);
        Ok(())
    }
}

/// A number read from its text, since serde_json's own doubles can be off by the last bit. None for `null`.
fn number<'de, D: Deserializer<'de>>(json: D, place: Place) -> Result<Option<Scalar>, D::Error> {
    let raw = <&RawValue>::deserialize(json)?.get();
    let quoted = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    let value = match (raw, quoted) {
        ("null", _) => return Ok(None),
        (_, Some(text)) => Json::Text(text),
        (_, None) => bare_number(raw).ok_or_else(|| place.wrong(raw))?,
    };
    place.scalar(&value, raw).map(Some)
}

/// JSON that is neither text nor null, if it is a number.
fn bare_number(raw: &str) -> Option<Json<'static>> {
    if !raw.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        return None;
    }
    let unsigned = raw.parse().map(Json::Unsigned);
    unsigned.or_else(|_| raw.parse().map(Json::Signed)).or_else(|_| raw.parse().map(Json::Float)).ok()
}
