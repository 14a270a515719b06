//! Target `inflate`: any bytes as a compressed body, and any bytes compressed.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use otlp::{Encoding, InflateError};

const ENCODINGS: [Encoding; 4] = [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];
const LIMITS: [usize; 6] = [0, 1, 100, 4_096, 65_536, 100_000];
/// What a larger limit allows, to tell a body that is too large from one that is broken.
const LIMIT_WIDE: usize = 1 << 20;

/// The first two bytes choose encoding and limit. The limit holds, the same bytes give the same, a larger limit changes
/// nothing else; and what is compressed comes back.
pub fn inflate(input: &[u8]) {
    let [encoding, limit, body @ ..] = input else { return };
    let encoding = ENCODINGS[usize::from(*encoding) % ENCODINGS.len()];
    let limit = LIMITS[usize::from(*limit) % LIMITS.len()];
    check_limit(encoding, body, limit);
    for encoding in ENCODINGS {
        check_round_trip(encoding, body);
    }
}

fn check_limit(encoding: Encoding, body: &[u8], limit: usize) {
    let inflated = inflate_up_to(encoding, body, limit);
    let wide = inflate_up_to(encoding, body, LIMIT_WIDE);
    match inflated {
        Ok(inflated) => {
            assert!(inflated.len() <= limit, "{} bytes, at most {limit}", inflated.len());
            let again = inflate_up_to(encoding, body, limit).expect("it was inflated before");
            assert!(again == inflated, "inflated twice");
            assert!(wide.is_ok_and(|wide| wide == inflated), "a larger limit changes what comes out");
        }
        Err(InflateError::TooLarge { bytes_max }) => {
            assert_eq!(bytes_max, limit);
            assert!(!wide.is_ok_and(|wide| wide.len() <= limit), "too large, and yet it fits");
        }
        Err(InflateError::Corrupt { at, .. }) => {
            assert!(at <= body.len(), "broken at {at} of {}", body.len());
            assert!(wide.is_err(), "broken, and with a larger limit whole");
        }
    }
}

fn check_round_trip(encoding: Encoding, body: &[u8]) {
    let compressed = compress(encoding, body);
    let back = inflate_up_to(encoding, &compressed, body.len()).expect("it fits exactly");
    assert!(back == body, "{} changes a body", encoding.as_str());
    if let Some(less) = body.len().checked_sub(1) {
        let refused = inflate_up_to(encoding, &compressed, less);
        assert!(matches!(refused, Err(InflateError::TooLarge { bytes_max }) if bytes_max == less), "{refused:?}");
    }
}

fn inflate_up_to(encoding: Encoding, body: &[u8], bytes_max: usize) -> Result<Bytes, InflateError> {
    otlp::inflate(encoding, Bytes::copy_from_slice(body), bytes_max)
}

fn compress(encoding: Encoding, body: &[u8]) -> Vec<u8> {
    const TO_MEMORY: &str = "memory takes everything";
    match encoding {
        Encoding::Identity => body.to_vec(),
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body).expect(TO_MEMORY);
            encoder.finish().expect(TO_MEMORY)
        }
        Encoding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body).expect(TO_MEMORY);
            encoder.finish().expect(TO_MEMORY)
        }
        Encoding::Zstd => zstd::encode_all(body, 1).expect(TO_MEMORY),
    }
}
