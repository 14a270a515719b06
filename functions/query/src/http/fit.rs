//! What fits an answer that must be sent in one piece.

use edge::{ApiError, ErrorCode};
use serde::Serialize;

use crate::settings::Delivery;

/// Kept back for what stands around the items, headers included.
const AROUND_BYTES: usize = 64 << 10;

/// How many of the items, from the first on, fit an answer here.
pub(super) fn that_fit<T: Serialize>(delivery: Delivery, items: &[T]) -> usize {
    let Delivery::OnePiece { bytes_max } = delivery else { return items.len() };
    let mut left = bytes_max.saturating_sub(AROUND_BYTES);
    for (n, item) in items.iter().enumerate() {
        let text = serde_json::to_string(item).unwrap_or_default();
        match left.checked_sub(text_bytes(text.as_bytes()) + 1) {
            Some(rest) => left = rest,
            None => return n,
        }
    }
    items.len()
}

/// For an answer of which not even the first item fits.
pub(super) fn too_large() -> ApiError {
    ApiError::new(ErrorCode::ResultTooLarge, "a single item is larger than an answer can be here")
        .hint("ask for it by POST /api/v1/query, which answers with a link to it")
}

/// Bytes of a text inside the JSON text that Lambda hands over.
pub(super) fn text_bytes(text: &[u8]) -> usize {
    let of = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.iter().map(of).sum()
}

/// Bytes of anything else, which is handed over in base64.
pub(super) fn base64_bytes(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_fit_by_their_bytes_as_they_are_sent() {
        let items = vec!["\n".repeat(1_000); 100];
        // A line break becomes two characters in JSON, and three in JSON within JSON.
        let of_one = 1_000 * 3 + 4 + 1;
        for (fits, bytes_max) in [(100, 100 * of_one), (99, 100 * of_one - 1), (1, of_one), (0, of_one - 1)] {
            assert_eq!(that_fit(Delivery::OnePiece { bytes_max: bytes_max + AROUND_BYTES }, &items), fits);
        }
        assert_eq!(that_fit(Delivery::Trailers, &items), 100);
    }

    #[test]
    fn bytes_as_they_are_sent() {
        for text in ["", "plain", "\"quoted\" \\ \u{1}\r\n\t\u{8}\u{c}\u{7f}\u{20ac}"] {
            let sent = serde_json::to_string(text).expect("text").len() - 2;
            assert_eq!(text_bytes(text.as_bytes()), sent, "{text:?}");
        }
        assert_eq!([0, 1, 3, 4].map(base64_bytes), [0, 4, 4, 8]);
    }
}
