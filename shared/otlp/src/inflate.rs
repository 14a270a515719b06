//! Undoes the compression of a body, under a limit.
//!
//! The limit holds while the bytes come out, so a zip bomb costs at most the limit in memory and time. Sizes that the compressed
//! bytes declare are never believed: the output grows geometrically with what really came out.

use std::io::{self, BufRead, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use crate::Encoding;

/// The largest window a zstd frame may ask for: 32 MiB, what the best level of the usual Go encoder uses. RFC 8878 asks
/// decoders for 8 MiB at least.
const ZSTD_WINDOW_LOG_MAX: u32 = 25;

/// The output's first allocation.
const OUTPUT_BYTES_FIRST: usize = 16 * 1024;

/// Why a body could not be inflated.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    #[error("the body is larger than {bytes_max} bytes after decompression")]
    TooLarge { bytes_max: usize },
    #[error("the body is not valid {} (near compressed byte {at})", encoding.as_str())]
    Corrupt {
        encoding: Encoding,
        /// How far the compressed bytes were read.
        at: usize,
        #[source]
        source: io::Error,
    },
}

/// The body without its compression; an empty body is empty in every encoding.
///
/// gzip may have several members and zstd several frames, one after the other; deflate is accepted with and without its zlib
/// wrapper, since both are sent under that name.
pub fn inflate(encoding: Encoding, body: Bytes, bytes_max: usize) -> Result<Bytes, InflateError> {
    if body.is_empty() {
        return Ok(body);
    }
    let mut rest: &[u8] = &body;
    let inflated = match encoding {
        Encoding::Identity if body.len() > bytes_max => return Err(InflateError::TooLarge { bytes_max }),
        Encoding::Identity => return Ok(body),
        Encoding::Gzip => read_up_to(MultiGzDecoder::new(&mut rest), bytes_max),
        Encoding::Zstd => zstd_decoder(&mut rest).and_then(|decoder| read_up_to(decoder, bytes_max)),
        Encoding::Deflate => read_up_to(Deflate::new(&mut rest), bytes_max),
    };
    match inflated {
        Ok(Some(inflated)) => Ok(inflated.into()),
        Ok(None) => Err(InflateError::TooLarge { bytes_max }),
        Err(source) => Err(InflateError::Corrupt { encoding, at: body.len() - rest.len(), source }),
    }
}

fn zstd_decoder<R: BufRead>(body: R) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// All that `source` gives, or None if that is more than `bytes_max`.
fn read_up_to(mut source: impl Read, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut output = Vec::new();
    let mut filled = 0;
    loop {
        if filled == output.len() {
            // One byte past the limit, to see whether there is more.
            let grown = (2 * filled).max(OUTPUT_BYTES_FIRST).min(bytes_max.saturating_add(1));
            output.resize(grown, 0);
        }
        match source.read(&mut output[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(interrupted) if interrupted.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if filled > bytes_max {
            return Ok(None);
        }
    }
    output.truncate(filled);
    Ok(Some(output))
}

/// Deflate with or without the zlib wrapper. flate2's own readers take a stream that was cut off for one that has ended.
struct Deflate<R> {
    body: R,
    /// None until the first bytes show whether there is a wrapper.
    state: Option<Decompress>,
    ended: bool,
}

impl<R: BufRead> Deflate<R> {
    fn new(body: R) -> Self {
        Self { body, state: None, ended: false }
    }
}

impl<R: BufRead> Read for Deflate<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.body.fill_buf()?;
            if self.ended {
                return if input.is_empty() { Ok(0) } else { Err(io::Error::other("bytes after the end")) };
            }
            let state = self.state.get_or_insert_with(|| Decompress::new(has_zlib_header(input)));
            let (in_before, out_before) = (state.total_in(), state.total_out());
            let status = state.decompress(input, output, FlushDecompress::None).map_err(io::Error::other)?;
            let taken = (state.total_in() - in_before) as usize;
            let given = (state.total_out() - out_before) as usize;
            self.body.consume(taken);
            self.ended = status == Status::StreamEnd;
            match given {
                0 if !self.ended && taken == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                0 => continue,
                n => return Ok(n),
            }
        }
    }
}

/// RFC 1950: method 8, a window of at most 32 KiB, a check that makes the two bytes a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [cmf, flg, ..] if cmf & 0x0f == 8 && cmf >> 4 <= 7 && u16::from_be_bytes([*cmf, *flg]) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).expect("to memory");
        encoder.finish().expect("to memory")
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).expect("to memory");
        encoder.finish().expect("to memory")
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).expect("to memory");
        encoder.finish().expect("to memory")
    }

    fn zstd(body: &[u8]) -> Vec<u8> {
        zstd::encode_all(body, 3).expect("to memory")
    }

    type Compress = fn(&[u8]) -> Vec<u8>;
    const ENCODERS: [(Encoding, Compress); 5] = [
        (Encoding::Identity, |body| body.to_vec()),
        (Encoding::Gzip, gzip),
        (Encoding::Deflate, zlib),
        (Encoding::Deflate, deflate),
        (Encoding::Zstd, zstd),
    ];

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * n % 251) as u8).collect()
    }

    #[test]
    fn every_encoding_comes_back_up_to_the_limit() {
        for (encoding, compress) in ENCODERS {
            for length in [0, 1, 100, 70_000, LIMIT] {
                let body = text(length);
                let back = inflate(encoding, compress(&body).into(), LIMIT).expect("valid");
                assert!(back == body, "{encoding:?} {length}");
            }
            let over = inflate(encoding, compress(&text(LIMIT + 1)).into(), LIMIT);
            assert!(matches!(over, Err(InflateError::TooLarge { bytes_max: LIMIT })), "{encoding:?}");
        }
    }

    #[test]
    fn an_empty_body_is_empty_in_every_encoding() {
        for (encoding, _) in ENCODERS {
            assert!(inflate(encoding, Bytes::new(), LIMIT).expect("valid").is_empty());
        }
    }

    #[test]
    fn members_and_frames_one_after_the_other_are_one_body() {
        for (encoding, compress) in [(Encoding::Gzip, gzip as Compress), (Encoding::Zstd, zstd)] {
            let body = [compress(b"first "), compress(b"second")].concat();
            assert_eq!(inflate(encoding, body.into(), LIMIT).expect("valid"), &b"first second"[..]);
        }
    }

    #[test]
    fn a_zip_bomb_stops_at_the_limit() {
        let zeros = vec![0; 256 << 20];
        for (encoding, compress) in ENCODERS {
            let bomb = compress(&zeros);
            assert!(
                matches!(inflate(encoding, bomb.into(), 1 << 20), Err(InflateError::TooLarge { .. })),
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn broken_and_cut_off_bodies_are_refused() {
        for (encoding, compress) in ENCODERS.into_iter().skip(1) {
            let whole = compress(&text(5_000));
            for cut in [1, 2, whole.len() / 2, whole.len() - 1] {
                let cut_off = inflate(encoding, whole[..cut].to_vec().into(), LIMIT);
                assert!(matches!(cut_off, Err(InflateError::Corrupt { .. })), "{encoding:?} cut at {cut}");
            }
            let mut trailing = whole.clone();
            trailing.extend_from_slice(b"garbage after the end");
            assert!(inflate(encoding, trailing.into(), LIMIT).is_err(), "{encoding:?} with garbage");
        }
        for (encoding, _) in ENCODERS.into_iter().skip(1) {
            let error = inflate(encoding, Bytes::from_static(b"\xff\xffnot compressed at all"), LIMIT);
            assert!(matches!(error, Err(InflateError::Corrupt { at: 0..=23, .. })), "{encoding:?}");
        }
    }

    #[test]
    fn a_zstd_frame_that_wants_too_large_a_window_is_refused() {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).expect("to memory");
        encoder.window_log(ZSTD_WINDOW_LOG_MAX + 1).expect("a valid window");
        encoder.write_all(b"small").expect("to memory");
        let frame = encoder.finish().expect("to memory");
        assert!(matches!(inflate(Encoding::Zstd, frame.into(), LIMIT), Err(InflateError::Corrupt { .. })));
    }
}
