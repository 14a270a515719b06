//! Parameters of the GET paths, checked one by one: an error names the parameter.

use chrono::DateTime;
use edge::ApiError;
use model::Micros;

use crate::functions::span::Span;

/// Longest text of a parameter.
const TEXT_BYTES_MAX: usize = 1_000;

pub(super) fn wrong(name: &str, what: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(format!("parameter `{name}`: {what}"))
}

/// A time: RFC 3339, `now`, or relative to now as in `-1h` and `-1d12h`.
pub(super) fn time(name: &str, text: &str, now: Micros) -> Result<Micros, ApiError> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Some(back) = text.strip_prefix('-') {
        return match Span::parse(back) {
            Some(Span { months: 0, micros }) => Ok(now.saturating_sub(micros)),
            _ => Err(wrong(name, format_args!("`{text}` is no time before now; write -15m, -1h or -7d"))),
        };
    }
    // A `+` that was not escaped arrives as a space.
    let at = DateTime::parse_from_rfc3339(&text.replace(' ', "+")).or_else(|_| DateTime::parse_from_rfc3339(text));
    at.map(|at| at.timestamp_micros())
        .map_err(|_| wrong(name, format_args!("`{text}` is neither a time like 2026-11-20T09:15:00Z nor one like -1h")))
}

/// The range from `start`, by default `back` before now, to `end`, by default open.
pub(super) fn range(
    start: Option<&str>,
    end: Option<&str>,
    back: Micros,
    now: Micros,
) -> Result<(Micros, Option<Micros>), ApiError> {
    let end = end.map(|end| time("end", end, now)).transpose()?;
    let start = match start {
        Some(start) => time("start", start, now)?,
        None => end.unwrap_or(now).saturating_sub(back),
    };
    match end {
        Some(end) if end <= start => Err(wrong("end", "it is not after `start`")),
        end => Ok((start, end)),
    }
}

/// A number of items, 1 to `max`.
pub(super) fn limit(given: Option<&str>, default: usize, max: usize) -> Result<usize, ApiError> {
    let Some(given) = given else { return Ok(default) };
    match given.parse() {
        Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
        _ => Err(wrong("limit", format_args!("`{given}` is no number from 1 to {max}"))),
    }
}

pub(super) fn text<'a>(name: &str, given: &'a str) -> Result<&'a str, ApiError> {
    if given.is_empty() || given.len() > TEXT_BYTES_MAX {
        return Err(wrong(name, format_args!("it has {} bytes; it may have 1 to {TEXT_BYTES_MAX}", given.len())));
    }
    Ok(given)
}

/// One of a fixed list, in any case; as the list has it.
pub(super) fn one_of(name: &str, given: &str, list: &[&'static str]) -> Result<&'static str, ApiError> {
    let found = list.iter().find(|known| known.eq_ignore_ascii_case(given.trim()));
    found.copied().ok_or_else(|| wrong(name, format_args!("`{given}` is none of {}", list.join(", "))))
}

/// A trace id, in lower case.
pub(super) fn trace_id(name: &str, given: &str) -> Result<String, ApiError> {
    let fits = given.len() == 32 && given.bytes().all(|c| c.is_ascii_hexdigit());
    if fits {
        Ok(given.to_ascii_lowercase())
    } else {
        Err(wrong(name, format_args!("`{given}` is no trace id: 32 hex digits")))
    }
}

/// A length of time in nanoseconds: `250ms`, `1.5s`.
pub(super) fn duration_nanos(name: &str, given: &str) -> Result<i64, ApiError> {
    let nanos = match Span::parse(given) {
        Some(Span { months: 0, micros }) => micros.checked_mul(1_000),
        _ => None,
    };
    nanos.ok_or_else(|| wrong(name, format_args!("`{given}` is no duration; write 250ms or 1.5s")))
}

/// A pattern for LIKE that finds `text` anywhere, taken letter by letter.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_000_000_000_000_000;

    #[test]
    fn times_absolute_and_relative() {
        for (given, at) in [
            ("now", Some(NOW)),
            ("-1h", Some(NOW - 3_600_000_000)),
            ("-1d12h", Some(NOW - 36 * 3_600_000_000)),
            ("1970-01-01T00:00:01Z", Some(1_000_000)),
            ("1970-01-01T02:00:01+02:00", Some(1_000_000)),
            ("1970-01-01T02:00:01 02:00", Some(1_000_000)),
            ("1970-01-01 00:00:01Z", Some(1_000_000)),
            ("yesterday", None),
            ("-", None),
            ("-1 month", None),
            ("", None),
        ] {
            assert_eq!(time("start", given, NOW).ok(), at, "{given}");
        }
        assert_eq!(range(None, None, 10, NOW).expect("the default"), (NOW - 10, None));
        assert_eq!(range(None, Some("-1s"), 10, NOW).expect("before"), (NOW - 1_000_010, Some(NOW - 1_000_000)));
        assert!(range(Some("-1s"), Some("-2s"), 10, NOW).expect_err("reversed").message.contains("`end`"));
    }

    #[test]
    fn searched_text_is_taken_letter_by_letter() {
        assert_eq!(containing("100%_\\"), "%100\\%\\_\\\\%");
    }

    #[test]
    fn durations_in_nanoseconds() {
        assert_eq!(duration_nanos("min_duration", "1.5s").ok(), Some(1_500_000_000));
        assert_eq!(duration_nanos("min_duration", "250ms").ok(), Some(250_000_000));
        for wrong in ["", "5", "-1s", "1 month", "9999999999999 h"] {
            assert!(duration_nanos("min_duration", wrong).is_err(), "{wrong}");
        }
    }
}
