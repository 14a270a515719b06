//! The two media types of OTLP/HTTP.

/// How a request is written; its answer is written the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    Protobuf,
    Json,
}

/// Neither of the two media types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("content type `{0}` is not supported; send application/x-protobuf or application/json")]
pub struct UnknownContentType(String);

impl ContentType {
    /// Reads a `Content-Type` header: any case, parameters such as `charset` ignored.
    pub fn parse(header: Option<&str>) -> Result<Self, UnknownContentType> {
        let header = header.unwrap_or_default();
        let media_type = header.split(';').next().unwrap_or_default().trim();
        [ContentType::Protobuf, ContentType::Json]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(media_type))
            .ok_or_else(|| UnknownContentType(header.chars().take(80).collect()))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            ContentType::Protobuf => "application/x-protobuf",
            ContentType::Json => "application/json",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_whatever_their_case_and_parameters() {
        let cases = [
            ("application/x-protobuf", Some(ContentType::Protobuf)),
            ("Application/X-Protobuf", Some(ContentType::Protobuf)),
            ("application/json", Some(ContentType::Json)),
            ("application/json; charset=utf-8", Some(ContentType::Json)),
            (" application/json ;charset=UTF-8", Some(ContentType::Json)),
            ("application/protobuf", None),
            ("application/jsonl", None),
            ("text/plain", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(ContentType::parse(Some(header)).ok(), expected, "{header}");
        }
        assert!(ContentType::parse(None).is_err());
    }
}
