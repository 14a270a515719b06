//! Lists come in pages.

use edge::ApiError;
use serde::Deserialize;
use utoipa::IntoParams;

/// Items of a page, unless asked otherwise, and at most.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageOf {
    /// At most this many, 1 to 1,000; 100 unless given.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl PageOf {
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit),
            other => Err(ApiError::bad_request(format!("`limit` is {other}; it goes from 1 to {LIMIT_MAX}"))),
        }
    }

    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}
