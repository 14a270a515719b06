//! Shortened bounds that still are bounds.

use model::Micros;

/// Characters of a text that the log keeps.
const TEXT_CHARS_MAX: usize = 32;
const MICROS_PER_MILLI: Micros = 1_000;

/// A text at or below `text`.
pub(crate) fn text_below(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// A text at or above `text`; none if there is none that short.
pub(crate) fn text_above(text: &str) -> Option<String> {
    let mut kept: Vec<char> = text.chars().take(TEXT_CHARS_MAX).collect();
    if kept.len() == text.chars().count() {
        return Some(text.to_owned());
    }
    while let Some(last) = kept.pop() {
        if let Some(next) = next_char(last) {
            kept.push(next);
            return Some(kept.into_iter().collect());
        }
    }
    None
}

/// Code points order as their UTF-8 bytes do; the surrogates between them are no characters.
fn next_char(c: char) -> Option<char> {
    ((c as u32 + 1)..=(char::MAX as u32)).take(0x801).find_map(char::from_u32)
}

/// `2026-11-20T09:15:00.123Z`, at or below a time.
pub(crate) fn time_below(at: Micros) -> String {
    millis(at.div_euclid(MICROS_PER_MILLI))
}

/// The same, at or above.
pub(crate) fn time_above(at: Micros) -> String {
    millis(at.saturating_add(MICROS_PER_MILLI - 1).div_euclid(MICROS_PER_MILLI))
}

fn millis(at: i64) -> String {
    let text = model::rfc3339(at.saturating_mul(MICROS_PER_MILLI));
    // Six decimals, the last three of them zeros.
    text.strip_suffix("000Z").map_or(text.clone(), |kept| format!("{kept}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_widened_to_milliseconds() {
        let at = 1_763_630_100_123_456;
        assert_eq!(time_below(at), "2025-11-20T09:15:00.123Z");
        assert_eq!(time_above(at), "2025-11-20T09:15:00.124Z");
        assert_eq!(time_above(1_763_630_100_123_000), "2025-11-20T09:15:00.123Z");
        assert_eq!(time_below(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(time_above(-1), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn long_texts_are_widened_to_32_characters() {
        let a = |n: usize| "a".repeat(n);
        let top = char::MAX;
        let cases = [
            (a(32), a(32), Some(a(32))),
            (a(33), a(32), Some(format!("{}b", a(31)))),
            (format!("{}{top}x", a(31)), format!("{}{top}", a(31)), Some(format!("{}b", a(30)))),
            (top.to_string().repeat(40), top.to_string().repeat(32), None),
            (format!("{}\u{d7ff}x", a(31)), format!("{}\u{d7ff}", a(31)), Some(format!("{}\u{e000}", a(31)))),
        ];
        for (text, below, above) in cases {
            assert_eq!(text_below(&text), below);
            assert_eq!(text_above(&text), above);
            assert!(below <= text && above.is_none_or(|above| above >= text));
        }
    }
}
