//! Numbers, sizes and lengths of time, as people write and read them.

use std::time::Duration;

use chrono::DateTime;

/// As [`boot::Period`] reads it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    text.parse().map(|boot::Period(time)| time)
}

/// `512MB`, `100GB`, `64MiB`, `0`: powers of 1,000, or with an i of 1,024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let wrong = || "write a number and B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB, as in 512MB".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim_start().to_ascii_uppercase();
    let (unit, base) = match unit.strip_suffix("IB") {
        Some(letter) if !letter.is_empty() => (format!("{letter}B"), 1_024_u64),
        _ if unit.is_empty() && number == 0 => return Ok(0),
        _ => (unit, 1_000),
    };
    let power = UNITS.iter().position(|known| *known == unit).and_then(|power| u32::try_from(power).ok());
    power.and_then(|power| base.checked_pow(power)?.checked_mul(number)).ok_or_else(wrong)
}

/// `http://host:port`; a host alone is not guessed at.
pub(super) fn url(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some((scheme, rest))
            if ["http", "https"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) && !rest.is_empty() =>
        {
            Ok(text.to_owned())
        }
        Some((scheme, _)) => Err(format!("`{scheme}` is neither http nor https, or nothing comes after it")),
        None => Err(format!("`http://` is missing: write http://{text}")),
    }
}

/// `1,234,567`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `1,234 rows`.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `512 B`, `1.5 MB`: powers of 1,000.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if n < 1_000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `8.2 s`, `3 min`, `5 h`, `2 d`: one unit, rounded down.
pub(super) fn seconds(s: f64) -> String {
    match s {
        s if s < 1.0 => format!("{:.0} ms", s * 1_000.0),
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{} min", s as u64 / 60),
        s if s < 172_800.0 => format!("{} h", s as u64 / 3_600),
        s => format!("{} d", s as u64 / 86_400),
    }
}

/// `2026-11-20 09:15` of a time as the API writes it; another text stays as it is.
pub(super) fn minute(at: &str) -> String {
    match DateTime::parse_from_rfc3339(at) {
        Ok(at) => at.to_utc().format("%Y-%m-%d %H:%M").to_string(),
        Err(_) => at.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        for (text, s) in
            [("30s", 30), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("1h30m", 5_400), ("2w", 1_209_600)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(s)), "{text}");
        }
        for wrong in
            ["", "7", "d", "7 d", "7x", "-7d", "0s", "1.5h", "99999999999999999999d", "18446744073709551615w", "é"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("512MB", 512_000_000),
            ("100GB", 100_000_000_000),
            ("64 MiB", 64 << 20),
            ("7kb", 7_000),
            ("9B", 9),
            ("2TiB", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "512", "MB", "1.5GB", "-1MB", "99999999999999TB", "5iB", "5PB", "5 M B"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_url_needs_its_scheme() {
        for right in ["http://127.0.0.1:4319", "https://plimsoll.example/", "HTTP://[::1]:1"] {
            assert_eq!(url(right), Ok(right.to_owned()));
        }
        assert_eq!(url("127.0.0.1:5319"), Err("`http://` is missing: write http://127.0.0.1:5319".to_owned()));
        assert!(url("ftp://host").is_err() && url("http://").is_err());
    }

    #[test]
    fn a_time_is_told_to_the_minute_in_utc() {
        assert_eq!(minute("2026-11-20T09:15:59.123456Z"), "2026-11-20 09:15");
        assert_eq!(minute("2026-11-20T01:15:00+02:00"), "2026-11-19 23:15");
        assert_eq!(minute("soon"), "soon");
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 2_000].map(|n| counted(n, "row", "rows")), ["0 rows", "1 row", "2,000 rows"]);
        assert_eq!(
            [0, 999, 1_000, 999_949, 999_950, 5_500_000_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "5.5 GB"]
        );
        assert_eq!(
            [0.25, 8.21, 59.9, 200.0, 8_000.0, 1e6].map(seconds),
            ["250 ms", "8.2 s", "60 s", "3 min", "2 h", "11 d"]
        );
    }
}
