//! Writes JSON text into a column's buffer.

mod object;
mod text;

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use otlp::view::common::{Items, KeyValue, VALUE_DEPTH_MAX, Value, short, short_pair};
use otlp::wire::Malformed;

pub(crate) use object::Object;
use text::{append, escape, is_plain};
pub(crate) use text::{hex, hex_of_word};

/// Counts texts that were not UTF-8.
#[derive(Debug, Default)]
pub(crate) struct Lossy(pub(crate) u64);

/// Why a value could not be written.
#[derive(Debug)]
pub(crate) enum ValueError {
    Malformed(Malformed),
    /// Deeper than [`VALUE_DEPTH_MAX`].
    TooDeep,
}

impl From<Malformed> for ValueError {
    fn from(broken: Malformed) -> Self {
        ValueError::Malformed(broken)
    }
}

impl Lossy {
    /// Appends `text` as UTF-8.
    #[inline]
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        if is_utf8(text) { append(out, text) } else { out.extend_from_slice(self.replace(text).as_bytes()) }
    }

    /// `text` as UTF-8.
    pub(crate) fn text<'t>(&mut self, text: &'t [u8]) -> Cow<'t, str> {
        match std::str::from_utf8(text) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(self.replace(text)),
        }
    }

    /// Appends `text` as a JSON string.
    #[inline]
    pub(crate) fn string(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        out.push(b'"');
        if is_plain(text) {
            append(out, text);
        } else {
            self.escape(out, text);
        }
        out.push(b'"');
    }

    #[inline(never)]
    fn escape(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        match std::str::from_utf8(text) {
            Ok(_) => escape(out, text),
            Err(_) => escape(out, self.replace(text).as_bytes()),
        }
    }

    /// Appends `value` as JSON.
    pub(crate) fn value(&mut self, out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
        self.nested_value(out, value, 0)
    }

    /// Appends `message`, an `AnyValue`, as JSON.
    #[inline]
    pub(crate) fn message(&mut self, out: &mut Vec<u8>, message: &[u8]) -> Result<(), ValueError> {
        self.nested_message(out, message, 0)
    }

    fn nested_message(&mut self, out: &mut Vec<u8>, message: &[u8], depth: usize) -> Result<(), ValueError> {
        let content = |tag| short::content(message, tag);
        if let Some(text) = content(short::TEXT) {
            self.string(out, text);
        } else if let Some(number) = short::int(message) {
            int(out, number);
        } else if let Some(flag) = short::flag(message) {
            out.extend_from_slice(if flag { b"true" } else { b"false" });
        } else if let Some(number) = short::double(message) {
            double(out, number);
        } else if let Some(list) = content(short::ARRAY) {
            return self.array(out, list, depth);
        } else if let Some(list) = content(short::MAP) {
            return self.map(out, list, depth);
        } else if let Some(bytes) = content(short::BYTES) {
            base64(out, bytes);
        } else {
            return self.nested_value(out, Value::read(message)?, depth);
        }
        Ok(())
    }

    fn nested_value(&mut self, out: &mut Vec<u8>, value: Value<'_>, depth: usize) -> Result<(), ValueError> {
        match value {
            Value::Empty => out.extend_from_slice(b"null"),
            Value::Text(text) => self.string(out, text),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Int(number) => int(out, number),
            Value::Double(number) => double(out, number),
            Value::Bytes(bytes) => base64(out, bytes),
            Value::Array(list) => return self.array(out, list, depth),
            Value::Map(list) => return self.map(out, list, depth),
        }
        Ok(())
    }

    fn array(&mut self, out: &mut Vec<u8>, list: &[u8], depth: usize) -> Result<(), ValueError> {
        if depth == VALUE_DEPTH_MAX {
            return Err(ValueError::TooDeep);
        }
        out.push(b'[');
        let mut items = Items::of(list);
        for n in 0.. {
            let Some(item) = items.next()? else { break };
            separate(out, n);
            self.nested_message(out, item, depth + 1)?;
        }
        out.push(b']');
        Ok(())
    }

    fn map(&mut self, out: &mut Vec<u8>, list: &[u8], depth: usize) -> Result<(), ValueError> {
        if depth == VALUE_DEPTH_MAX {
            return Err(ValueError::TooDeep);
        }
        out.push(b'{');
        let mut items = Items::of(list);
        for n in 0.. {
            let Some(pair) = items.next()? else { break };
            separate(out, n);
            self.pair(out, pair, depth + 1)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Appends a `KeyValue` message.
    fn pair(&mut self, out: &mut Vec<u8>, message: &[u8], depth: usize) -> Result<(), ValueError> {
        if let Some((key, value)) = short_pair(message) {
            self.string(out, key);
            out.push(b':');
            return self.nested_message(out, value, depth);
        }
        let pair = KeyValue::read(message)?;
        self.string(out, pair.key);
        out.push(b':');
        self.nested_value(out, pair.value, depth)
    }

    /// Appends an object of `KeyValue` messages.
    pub(crate) fn object(&mut self, out: &mut Vec<u8>, pairs: &[&[u8]]) -> Result<(), ValueError> {
        out.push(b'{');
        for (n, pair) in pairs.iter().enumerate() {
            separate(out, n);
            self.pair(out, pair, 0)?;
        }
        out.push(b'}');
        Ok(())
    }

    #[cold]
    fn replace(&mut self, text: &[u8]) -> String {
        self.0 += 1;
        String::from_utf8_lossy(text).into_owned()
    }
}

#[inline]
fn is_utf8(text: &[u8]) -> bool {
    text.is_ascii() || std::str::from_utf8(text).is_ok()
}

fn separate(out: &mut Vec<u8>, n: usize) {
    if n > 0 {
        out.push(b',');
    }
}

pub(crate) fn int(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Beyond 63 bits too.
pub(crate) fn unsigned(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A double as JSON, which has no NaN and no infinities: these are strings.
pub(crate) fn double(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        return double_text(out, number);
    }
    out.push(b'"');
    double_text(out, number);
    out.push(b'"');
}

/// The shortest text that reads back as the same double.
pub(crate) fn double_text(out: &mut Vec<u8>, number: f64) {
    match number {
        f64::INFINITY => out.extend_from_slice(b"Infinity"),
        f64::NEG_INFINITY => out.extend_from_slice(b"-Infinity"),
        nan if nan.is_nan() => out.extend_from_slice(b"NaN"),
        finite => serde_json::to_writer(out, &finite).expect("memory takes every write"),
    }
}

fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).expect("the space was made above");
    out.truncate(start + written);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: Value<'_>) -> (String, u64) {
        let (mut out, mut lossy) = (Vec::new(), Lossy::default());
        lossy.value(&mut out, value).expect("not too deep");
        (String::from_utf8(out).expect("UTF-8"), lossy.0)
    }

    #[test]
    fn values_read_back_as_what_they_were() {
        let cases = [
            (Value::Empty, "null"),
            (Value::Text(b""), r#""""#),
            (
                Value::Text("tab\t \"q\" \\ \u{1} \u{1f} \u{7f} ü 🦀".as_bytes()),
                r#""tab\t \"q\" \\ \u0001 \u001f  ü 🦀""#,
            ),
            (Value::Bool(true), "true"),
            (Value::Int(i64::MIN), "-9223372036854775808"),
            (Value::Double(0.1), "0.1"),
            (Value::Double(-0.0), "-0.0"),
            (Value::Double(1e300), "1e+300"),
            (Value::Double(f64::NAN), "\"NaN\""),
            (Value::Double(f64::NEG_INFINITY), "\"-Infinity\""),
            (Value::Bytes(&[0, 255, 7]), "\"AP8H\""),
            (Value::Bytes(&[1]), "\"AQ==\""),
            (Value::Array(&[]), "[]"),
            (Value::Map(&[]), "{}"),
            // [1, {}]
            (Value::Array(&[0x0a, 2, 0x18, 1, 0x0a, 2, 0x32, 0]), "[1,{}]"),
            // {"a": true, "": null}
            (Value::Map(&[0x0a, 7, 0x0a, 1, b'a', 0x12, 2, 0x10, 1, 0x0a, 0]), r#"{"a":true,"":null}"#),
        ];
        for (value, expected) in cases {
            let (text, lossy) = written(value);
            assert_eq!((text.replace('\u{7f}', ""), lossy), (expected.to_owned(), 0));
            serde_json::from_str::<serde_json::Value>(&text).expect("valid JSON");
        }
    }

    #[test]
    fn broken_utf8_is_replaced_and_counted() {
        assert_eq!(written(Value::Text(b"a\xffb")), ("\"a\u{fffd}b\"".to_owned(), 1));
    }

    #[test]
    fn values_nest_only_so_deep() {
        let nested = |depth: usize| {
            let mut list = Vec::new();
            for _ in 1..depth {
                // An AnyValue with an ArrayValue, as the one element of a list.
                let any = [&[0x2a][..], &varint(list.len()), &list].concat();
                list = [&[0x0a][..], &varint(any.len()), &any].concat();
            }
            list
        };
        fn varint(n: usize) -> Vec<u8> {
            if n < 0x80 { vec![n as u8] } else { vec![n as u8 | 0x80, (n >> 7) as u8] }
        }
        assert_eq!(written(Value::Array(&nested(VALUE_DEPTH_MAX))).0, "[".repeat(32) + &"]".repeat(32));
        let deeper = nested(VALUE_DEPTH_MAX + 1);
        let result = Lossy::default().value(&mut Vec::new(), Value::Array(&deeper));
        assert!(matches!(result, Err(ValueError::TooDeep)));
    }
}
