//! In which form an answer is wanted.

use edge::{ApiError, ErrorCode};
use http::HeaderMap;
use http::header::ACCEPT;

/// JSON in one piece, or rows as a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Streamed(RowsAs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowsAs {
    Ndjson,
    Csv,
    Arrow,
}

impl RowsAs {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// Of a file that holds them.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Arrow => "arrows",
        }
    }
}

impl Format {
    /// The first form in `Accept` that is possible here; JSON if nothing is said.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut said = Vec::new();
        for value in headers.get_all(ACCEPT) {
            let value = value.to_str().map_err(|_| ApiError::bad_request("the header `accept` is not text"))?;
            said.extend(value.split(',').map(str::trim).filter(|range| !range.is_empty()));
        }
        if said.is_empty() {
            return Ok(Self::Json);
        }
        said.iter().find_map(|range| Self::of_range(range)).ok_or_else(|| {
            let message = format!("no answer can be made as `{}`", said.join(", "));
            ApiError::new(ErrorCode::UnsupportedMediaType, message)
                .hint("ask for application/json, application/x-ndjson, text/csv or application/vnd.apache.arrow.stream")
        })
    }

    fn of_range(range: &str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next()?.to_ascii_lowercase();
        let refused = |part: &str| part.replace(' ', "").eq_ignore_ascii_case("q=0") || part.starts_with("q=0.000");
        if parts.any(refused) {
            return None;
        }
        match media_type.as_str() {
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Some(Self::Streamed(RowsAs::Ndjson))
            }
            "text/csv" | "text/*" => Some(Self::Streamed(RowsAs::Csv)),
            "application/vnd.apache.arrow.stream" => Some(Self::Streamed(RowsAs::Arrow)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_possible_form_is_taken() {
        for (accept, format) in [
            (None, Some(Format::Json)),
            (Some("*/*"), Some(Format::Json)),
            (Some("text/csv"), Some(Format::Streamed(RowsAs::Csv))),
            (Some("text/html, application/x-ndjson;q=0.9, */*;q=0.1"), Some(Format::Streamed(RowsAs::Ndjson))),
            (Some("application/vnd.apache.arrow.stream"), Some(Format::Streamed(RowsAs::Arrow))),
            (Some("text/csv;q=0, application/json"), Some(Format::Json)),
            (Some("image/png"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Format::of(&headers).ok(), format, "{accept:?}");
        }
    }
}
