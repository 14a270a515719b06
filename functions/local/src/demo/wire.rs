//! Protobuf, written straight to the wire.
//!
//! Structs of `opentelemetry-proto` cost two allocations an attribute; a generator that shares two cores with the server it
//! feeds cannot afford them. Field numbers stand where a message is written (`trace`, `outbox`, `metrics`); the tests decode
//! every body with `opentelemetry-proto`.

/// A message, or a run of fields of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire {
    bytes: Vec<u8>,
}

/// An attribute's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Int(i64),
    Double(f64),
    Flag(bool),
    Texts(&'a [&'a str]),
    Map(&'a [(&'a str, Value<'a>)]),
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const DELIMITED: u8 = 2;
const FIXED32: u8 = 5;

impl Wire {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn uint(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    /// sint32: zigzag.
    pub(super) fn sint(&mut self, field: u32, value: i32) {
        self.uint(field, u64::from(((value << 1) ^ (value >> 31)).cast_unsigned()));
    }

    pub(super) fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, FIXED64);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, FIXED32);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn double(&mut self, field: u32, value: f64) {
        self.fixed64(field, value.to_bits());
    }

    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, DELIMITED);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    pub(super) fn message(&mut self, field: u32, message: &Wire) {
        self.bytes(field, &message.bytes);
    }

    /// Fields that are complete with their tags.
    pub(super) fn fields(&mut self, fields: &Wire) {
        self.bytes.extend_from_slice(&fields.bytes);
    }

    pub(super) fn packed_fixed64(&mut self, field: u32, values: impl ExactSizeIterator<Item = u64>) {
        self.tag(field, DELIMITED);
        self.varint(8 * values.len() as u64);
        for value in values {
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn packed_uint(&mut self, field: u32, values: impl Iterator<Item = u64> + Clone) {
        self.tag(field, DELIMITED);
        self.varint(values.clone().map(varint_len).sum::<usize>() as u64);
        for value in values {
            self.varint(value);
        }
    }

    /// A KeyValue.
    pub(super) fn attribute(&mut self, field: u32, key: &str, value: Value) {
        let value_len = any_value_len(value);
        let len = delimited_len(key.len()) + delimited_len(value_len);
        self.tag(field, DELIMITED);
        self.varint(len as u64);
        self.text(1, key);
        self.tag(2, DELIMITED);
        self.varint(value_len as u64);
        self.any_value_fields(value);
    }

    /// An AnyValue.
    pub(super) fn any_value(&mut self, field: u32, value: Value) {
        self.tag(field, DELIMITED);
        self.varint(any_value_len(value) as u64);
        self.any_value_fields(value);
    }

    fn any_value_fields(&mut self, value: Value) {
        match value {
            Value::Text(text) => self.text(1, text),
            Value::Flag(flag) => self.uint(2, u64::from(flag)),
            Value::Int(int) => self.uint(3, int.cast_unsigned()),
            Value::Double(double) => self.double(4, double),
            Value::Texts(texts) => {
                let mut list = Wire::default();
                texts.iter().for_each(|text| list.any_value(1, Value::Text(text)));
                self.message(5, &list);
            }
            Value::Map(entries) => {
                let mut map = Wire::default();
                entries.iter().for_each(|(key, value)| map.attribute(1, key, *value));
                self.message(6, &map);
            }
        }
    }

    #[inline]
    fn tag(&mut self, field: u32, wire_type: u8) {
        self.varint(u64::from(field << 3) | u64::from(wire_type));
    }

    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.bytes.push(value.to_le_bytes()[0]);
    }
}

#[inline]
fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Of a delimited field with a one-byte tag.
fn delimited_len(content: usize) -> usize {
    1 + varint_len(content as u64) + content
}

fn any_value_len(value: Value) -> usize {
    match value {
        Value::Text(text) => delimited_len(text.len()),
        Value::Flag(_) => 2,
        Value::Int(int) => 1 + varint_len(int.cast_unsigned()),
        Value::Double(_) => 9,
        Value::Texts(texts) => {
            delimited_len(texts.iter().map(|text| delimited_len(any_value_len(Value::Text(text)))).sum())
        }
        Value::Map(entries) => delimited_len(
            entries
                .iter()
                .map(|(key, value)| delimited_len(delimited_len(key.len()) + delimited_len(any_value_len(*value))))
                .sum(),
        ),
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<f64> for Value<'_> {
    fn from(double: f64) -> Self {
        Self::Double(double)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Decoded;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use prost::Message;

    use super::*;

    /// The value of an attribute after a round through the wire.
    fn round(value: Value) -> Option<Decoded> {
        let mut message = Wire::default();
        message.attribute(1, "some.key", value);
        // A message with one field 1 is also a KeyValueList of one.
        let list =
            opentelemetry_proto::tonic::common::v1::KeyValueList::decode(&message.into_bytes()[..]).expect("decodes");
        let [KeyValue { key, value, .. }] = &list.values[..] else { panic!("one attribute, not {list:?}") };
        assert_eq!(key, "some.key");
        value.as_ref().and_then(|v| v.value.clone())
    }

    #[test]
    fn values_of_every_kind_and_size_decode_to_themselves() {
        let long = "x".repeat(70_000);
        for text in ["", "a", &"b".repeat(127), &"c".repeat(128), &long] {
            assert_eq!(round(text.into()), Some(Decoded::StringValue(text.to_owned())));
        }
        for int in [0, 1, 127, 128, -1, i64::MAX, i64::MIN] {
            assert_eq!(round(int.into()), Some(Decoded::IntValue(int)));
        }
        assert_eq!(round(0.1.into()), Some(Decoded::DoubleValue(0.1)));
        assert_eq!(round(true.into()), Some(Decoded::BoolValue(true)));
        let Some(Decoded::ArrayValue(list)) = round(Value::Texts(&["a", "", "c"])) else { panic!("a list") };
        assert_eq!(list.values.len(), 3);
        let inner = [("n", Value::Int(300)), ("t", Value::Texts(&["x"]))];
        let Some(Decoded::KvlistValue(map)) = round(Value::Map(&[("deep", Value::Map(&inner)), ("f", false.into())]))
        else {
            panic!("a map")
        };
        let deep = map.values[0].value.as_ref().and_then(|AnyValue { value }| value.clone());
        assert!(matches!(deep, Some(Decoded::KvlistValue(inner)) if inner.values.len() == 2));
    }

    #[test]
    fn packed_numbers_decode_to_themselves() {
        use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
        for offset in [0, 1, -1, i32::MAX, i32::MIN] {
            let mut message = Wire::default();
            message.sint(1, offset);
            message.packed_uint(2, [0, 127, 128, u64::MAX].into_iter());
            let decoded = Buckets::decode(&message.into_bytes()[..]).expect("decodes");
            assert_eq!((decoded.offset, decoded.bucket_counts), (offset, vec![0, 127, 128, u64::MAX]));
        }
    }
}
