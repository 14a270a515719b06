//! `log_pattern(text)`: a log body with what varies masked, so that bodies of one kind group together.
//!
//! Masks: `<str>` quoted text, `<uuid>`, `<time>` dates and times, `<ip>` addresses, with their port, `<hex>`, `<num>`.

use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use regex::Regex;

/// Bytes of a text that are looked at; what comes after is left out.
const TEXT_BYTES_MAX: usize = 2_048;

/// What may vary, most telling first: at one place the first alternative that fits wins.
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?<str>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"#,
        r"|(?<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)",
        r"|(?<time>\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z\b|[+-]\d{2}:?\d{2}\b)?)?",
        r"|\b\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}(?: [+-]\d{4}\b)?|\b\d{2}:\d{2}:\d{2}(?:[.,]\d+)?\b)",
        r"|(?<ip>\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{1,5})?\b",
        r"|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b|\b(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}\b|::1\b)",
        r"|(?<hex>\b0[xX][0-9a-fA-F]+\b|\b[0-9a-fA-F]{8,}\b)",
        r"|(?<num>\d+(?:[.,]\d+)*(?:[eE][+-]?\d+\b)?)",
    ))
    .expect("a constant pattern that the test compiles")
});

const MASKS: [(&str, &str); 6] =
    [("str", "<str>"), ("uuid", "<uuid>"), ("time", "<time>"), ("ip", "<ip>"), ("hex", "<hex>"), ("num", "<num>")];

/// Appends the pattern of `text` to `out`.
fn write_pattern(text: &str, out: &mut String) {
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    let mut at = 0;
    while let Some(found) = VARYING.captures_at(text, at) {
        let whole = found.get(0).expect("a match has a whole");
        out.push_str(&text[at..whole.start()]);
        let before = text[..whole.start()].chars().next_back();
        let (mask, end) = match MASKS.iter().find(|(name, _)| found.name(name).is_some()) {
            // The apostrophe of a word opens no quotation.
            Some(("str", _)) if before.is_some_and(char::is_alphanumeric) && whole.as_str().starts_with('\'') => {
                ("'", whole.start() + 1)
            }
            Some(("hex", _)) if is_word(whole.as_str()) => (whole.as_str(), whole.end()),
            Some(("hex", _)) if whole.as_str().bytes().all(|c| c.is_ascii_digit()) => ("<num>", whole.end()),
            Some((_, mask)) => (*mask, whole.end()),
            None => (whole.as_str(), whole.end()),
        };
        out.push_str(mask);
        at = end;
    }
    out.push_str(&text[at..]);
}

/// Letters only: `defaced`, and not a number that happens to hold none of the digits.
fn is_word(hex: &str) -> bool {
    hex.bytes().all(|c| c.is_ascii_alphabetic()) && hex.len() < 16
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LogPattern {
    signature: Signature,
}

impl Default for LogPattern {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for LogPattern {
    fn name(&self) -> &str {
        "log_pattern"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(_, _) | DataType::Null,
            ] => Ok(vec![DataType::Utf8View]),
            _ => plan_err!("log_pattern takes one text"),
        }
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = match &args.args[0] {
            ColumnarValue::Array(texts) => texts,
            ColumnarValue::Scalar(text) => {
                let pattern = text.try_as_str().flatten().map(|text| {
                    let mut pattern = String::new();
                    write_pattern(text, &mut pattern);
                    pattern
                });
                return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(pattern)));
            }
        };
        let mut patterns = StringBuilder::with_capacity(texts.len(), texts.len() * 32);
        let mut pattern = String::new();
        for text in texts.as_string_view() {
            let Some(text) = text else {
                patterns.append_null();
                continue;
            };
            pattern.clear();
            write_pattern(text, &mut pattern);
            patterns.append_value(&pattern);
        }
        Ok(ColumnarValue::Array(Arc::new(patterns.finish())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_masked_and_what_tells_stays() {
        for (text, pattern) in [
            ("user 42 logged in from 10.0.0.1:5432", "user <num> logged in from <ip>"),
            ("took 12.5ms, retry 3/10", "took <num>ms, retry <num>/<num>"),
            ("order 3f2504e0-4f89-41d3-9a0c-0305e82c3301 paid", "order <uuid> paid"),
            ("at 2026-11-20T09:15:00.123Z: started", "at <time>: started"),
            ("[20/Nov/2026:09:15:00 +0000] GET /", "[<time>] GET /"),
            ("09:15:00,123 INFO ready", "<time> INFO ready"),
            ("cannot open \"/etc/hosts\": 'no such file'", "cannot open <str>: <str>"),
            ("don't panic, it's 5 o'clock", "don't panic, it's <num> o'clock"),
            ("segfault at 0x7ffe12ab in commit 9fceb02d0ae598e9", "segfault at <hex> in commit <hex>"),
            ("the defaced facade", "the defaced facade"),
            ("id 123456789012", "id <num>"),
            ("peer fe80:0:0:1:2:3:4:5 and 2001:db8::1 and ::1", "peer <ip> and <ip> and <ip>"),
            ("GET /users/42/orders/7", "GET /users/<num>/orders/<num>"),
            ("größe ändert sich um 5 €", "größe ändert sich um <num> €"),
            ("", ""),
        ] {
            let mut found = String::new();
            write_pattern(text, &mut found);
            assert_eq!(found, pattern, "{text}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let mut found = String::new();
        write_pattern(&"ü".repeat(TEXT_BYTES_MAX), &mut found);
        assert_eq!(found.len(), TEXT_BYTES_MAX);
    }
}
