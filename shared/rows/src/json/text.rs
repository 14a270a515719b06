//! JSON strings, and hex.
//!
//! Nearly all text of telemetry is ASCII without anything to escape. Whether a text is, is found out for eight bytes at a time;
//! only other texts are looked at byte by byte.

/// Whether a JSON string holds the text as it is: ASCII, and nothing to escape.
#[inline]
pub(super) fn is_plain(text: &[u8]) -> bool {
    all_words(text, |word| (not_plain(word) | word) & HIGH == 0)
}

/// Appends bytes; as `extend_from_slice`, but for what is most of all, of 8 to 16 bytes, without a call.
#[inline(always)]
pub(crate) fn append(out: &mut Vec<u8>, text: &[u8]) {
    match (text.first_chunk::<WORD_BYTES>(), text.last_chunk::<WORD_BYTES>()) {
        (Some(head), Some(tail)) if text.len() <= 2 * WORD_BYTES => {
            out.extend_from_slice(head);
            // The two overlap.
            out.truncate(out.len() + text.len() - 2 * WORD_BYTES);
            out.extend_from_slice(tail);
        }
        _ => out.extend_from_slice(text),
    }
}

/// Appends UTF-8 with what JSON wants escaped.
pub(super) fn escape(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        let at = first_escaped(rest);
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((first, after)) = tail.split_first() else { return };
        match first {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                out.extend_from_slice(b"\\u00");
                hex(out, &[*control]);
            }
        }
        rest = after;
    }
}

/// Where the first byte is that JSON wants escaped, else the length.
fn first_escaped(text: &[u8]) -> usize {
    let mut at = 0;
    // The lowest flag is right: a borrow can only set those above a flag that is.
    for word in text.chunks_exact(WORD_BYTES) {
        let flags = not_plain(to_word(word)) & HIGH;
        if flags != 0 {
            return at + (flags.trailing_zeros() / 8) as usize;
        }
        at += WORD_BYTES;
    }
    let is_escaped = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    at + text[at..].iter().position(is_escaped).unwrap_or(text.len() - at)
}

const WORD_BYTES: usize = 8;
/// A byte, in each byte of a word.
const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * EACH;

/// The first byte is the lowest.
#[inline]
fn to_word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

/// Flags, in the highest bit of each byte, what is below 0x20, a quotation mark or a backslash; a byte above a flagged one may be
/// flagged without reason. Bytes from 0x80 on are not flagged.
#[inline]
fn not_plain(word: u64) -> u64 {
    let zero = |word: u64| word.wrapping_sub(EACH) & !word;
    let control = word.wrapping_sub(0x20 * EACH) & !word;
    control | zero(word ^ (u64::from(b'"') * EACH)) | zero(word ^ (u64::from(b'\\') * EACH))
}

/// Whether `holds` of every eight bytes of the text; the last may overlap those before, and a shorter text is filled up with
/// letters.
#[inline]
fn all_words(text: &[u8], holds: impl Fn(u64) -> bool) -> bool {
    match text.last_chunk::<WORD_BYTES>() {
        Some(last) => {
            text.chunks_exact(WORD_BYTES).all(|word| holds(to_word(word))) && holds(u64::from_le_bytes(*last))
        }
        None => {
            let mut word = [b'a'; WORD_BYTES];
            for (to, from) in word.iter_mut().zip(text) {
                *to = *from;
            }
            holds(u64::from_le_bytes(word))
        }
    }
}

/// Appends lower-case hex.
#[inline]
pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        out.extend_from_slice(&hex_of_word(*word));
    }
    for byte in rest {
        let [.., high, low] = hex_of_word([0, 0, 0, *byte]);
        out.extend_from_slice(&[high, low]);
    }
}

/// Four bytes as eight digits.
#[inline]
pub(crate) fn hex_of_word(bytes: [u8; 4]) -> [u8; 8] {
    // Each half of a byte gets a byte of its own, in order.
    let mut x = u64::from(u32::from_be_bytes(bytes));
    x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    x = (x | x << 4) & (0x0f * EACH);
    let is_letter = ((x + 6 * EACH) >> 4) & EACH;
    (x + u64::from(b'0') * EACH + is_letter * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(&mut out, text.as_bytes());
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn every_character_at_every_place_is_escaped_as_serde_json_does() {
        for c in (0..0x180).filter_map(char::from_u32) {
            for length in 0..20 {
                for at in 0..=length {
                    let text: String = (0..length).map(|n| if n == at { c } else { 'x' }).collect();
                    let wanted = serde_json::to_string(&text).expect("text");
                    assert_eq!(format!("\"{}\"", escaped(&text)), wanted, "{text:?}");
                    let plain = text.is_ascii() && wanted.len() == text.len() + 2;
                    assert_eq!(is_plain(text.as_bytes()), plain, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn bytes_of_every_length_are_appended_as_they_are() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..text.len() {
            let mut out = vec![7];
            append(&mut out, &text[..length]);
            assert_eq!(out, [&[7], &text[..length]].concat());
        }
    }

    #[test]
    fn neighbours_of_what_is_escaped_are_left_alone() {
        // A borrow between bytes would flag what follows.
        for text in [
            "\"#\"#\"#\"#",
            "\\]\\]\\]\\]",
            "\u{1f} \u{1f} \u{1f} \u{1f} ",
            "!\"!\"!\"!\"#",
            "\0\u{1}\u{2}\u{80}\"\u{a2}",
        ] {
            let text = text.repeat(3);
            assert_eq!(format!("\"{}\"", escaped(&text)), serde_json::to_string(&text).expect("text"));
        }
    }

    #[test]
    fn hex_digits_are_those_of_the_bytes() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..bytes.len() {
            let mut out = Vec::new();
            hex(&mut out, &bytes[..length]);
            let wanted: String = bytes[..length].iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(String::from_utf8(out).expect("digits"), wanted);
        }
    }
}
