//! Masks what differs between two occurrences of the same error.

/// `text` with digits as `0`, addresses as `0x`, and UUIDs and words that look like hashes as `#`.
pub(super) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word_end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if word_end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        if word_end == UUID_DASHES[0] && is_uuid(rest) {
            out.push('#');
            rest = &rest[UUID_CHARS..];
            continue;
        }
        let (word, tail) = rest.split_at(word_end);
        mask_word(word, &mut out);
        rest = tail;
    }
    out
}

const UUID_CHARS: usize = 36;
const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];

/// Whether `text` begins with a UUID that ends there.
fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.as_bytes().get(..UUID_CHARS) else { return false };
    let fits = |(at, c): (usize, &u8)| if UUID_DASHES.contains(&at) { *c == b'-' } else { c.is_ascii_hexdigit() };
    let ends = text.as_bytes().get(UUID_CHARS).is_none_or(|next| !next.is_ascii_alphanumeric());
    ends && uuid.iter().enumerate().all(fits)
}

/// Shorter words of hex digits are more likely to be words.
const HASH_CHARS_MIN: usize = 6;

fn mask_word(word: &str, out: &mut String) {
    let is_hex = |text: &str| text.bytes().all(|c| c.is_ascii_hexdigit());
    let has_digit = word.bytes().any(|c| c.is_ascii_digit());
    let address = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    if address.is_some_and(|digits| !digits.is_empty() && is_hex(digits)) {
        out.push_str("0x");
    } else if word.bytes().all(|c| c.is_ascii_digit()) {
        out.push('0');
    } else if has_digit && word.len() >= HASH_CHARS_MIN && is_hex(word) {
        out.push('#');
    } else {
        let mut in_digits = false;
        for c in word.chars() {
            if !c.is_ascii_digit() {
                out.push(c);
            } else if !in_digits {
                out.push('0');
            }
            in_digits = c.is_ascii_digit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_masked_and_words_stay() {
        let cases = [
            ("", ""),
            ("order 4711 not found", "order 0 not found"),
            ("at 0x7ffe12ab", "at 0x"),
            ("user 3f2a9c01 gone", "user # gone"),
            ("id 5b8efff7-9803-8103-d269-b633813fc60c!", "id #!"),
            ("id 5b8efff7-9803-8103-d269-b633813fc60cx", "id #-0-0-d0-b0fc0cx"),
            ("facade decade", "facade decade"),
            ("utf8 v2 h264", "utf0 v0 h0"),
            ("10.0.0.1:8080", "0.0.0.0:0"),
            ("größe 12€", "größe 0€"),
            ("app.3f2a9c01.js", "app.#.js"),
        ];
        for (text, expected) in cases {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_of_other_lengths_mask_alike() {
        assert_eq!(mask("id 12345"), mask("id 12345678"));
    }
}
