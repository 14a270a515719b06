//! The content encodings that a receiver accepts.

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    Zstd,
    Deflate,
}

/// A `Content-Encoding` that is not undone here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("content encoding `{0}` is not supported; send identity, gzip, zstd or deflate")]
pub struct UnknownEncoding(String);

impl Encoding {
    const ALL: [Encoding; 4] = [Encoding::Identity, Encoding::Gzip, Encoding::Zstd, Encoding::Deflate];

    /// Reads a `Content-Encoding` header: any case; none or an empty one is identity.
    pub fn parse(header: Option<&str>) -> Result<Self, UnknownEncoding> {
        let header = header.unwrap_or_default().trim();
        if header.is_empty() {
            return Ok(Encoding::Identity);
        }
        Self::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(header))
            .ok_or_else(|| UnknownEncoding(header.chars().take(80).collect()))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
            Encoding::Deflate => "deflate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_whatever_their_case() {
        let cases = [
            (None, Some(Encoding::Identity)),
            (Some(""), Some(Encoding::Identity)),
            (Some("identity"), Some(Encoding::Identity)),
            (Some("GZIP"), Some(Encoding::Gzip)),
            (Some(" zstd "), Some(Encoding::Zstd)),
            (Some("Deflate"), Some(Encoding::Deflate)),
            (Some("br"), None),
            (Some("gzip, gzip"), None),
        ];
        for (header, expected) in cases {
            assert_eq!(Encoding::parse(header).ok(), expected, "{header:?}");
        }
    }
}
