//! Lengths of time as users write them: `5 minutes`, `1h`, `1 day 12 hours`, `00:05:00`, `1 month`.

/// A length of time: whole months, and microseconds. Days count as 24 hours: all times are UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) months: i64,
    pub(crate) micros: i64,
}

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

impl Span {
    /// Numbers with units, in any number and order, or `hh:mm[:ss[.ffffff]]`. None: not a length of time.
    pub(crate) fn parse(text: &str) -> Option<Span> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let mut span = Span { months: 0, micros: 0 };
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, after) = rest.split_at(digits);
            if after.starts_with(':') {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                span.micros = span.micros.checked_add(clock_face(&rest[..digits + end])?)?;
                rest = rest[digits + end..].trim_start();
                continue;
            }
            let after = after.trim_start();
            let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(letters);
            span.add(number, unit)?;
            rest = after.trim_start().trim_start_matches(',').trim_start();
        }
        Some(span)
    }

    fn add(&mut self, number: &str, unit: &str) -> Option<()> {
        let unit = unit.to_ascii_lowercase();
        let months = match unit.as_str() {
            "mon" | "mons" | "month" | "months" => 1,
            "y" | "yr" | "year" | "years" => 12,
            _ => 0,
        };
        if months > 0 {
            self.months = self.months.checked_add(number.parse::<i64>().ok()?.checked_mul(months)?)?;
            return Some(());
        }
        let micros = match unit.as_str() {
            "us" | "µs" | "microsecond" | "microseconds" => 1,
            "ms" | "msec" | "millisecond" | "milliseconds" => 1_000,
            "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
            "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
            "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
            "d" | "day" | "days" => DAY,
            "w" | "week" | "weeks" => 7 * DAY,
            _ => return None,
        };
        let added = match number.parse::<i64>() {
            Ok(whole) => whole.checked_mul(micros)?,
            Err(_) => {
                let scaled = number.parse::<f64>().ok()? * micros as f64;
                if !scaled.is_finite() || scaled >= i64::MAX as f64 {
                    return None;
                }
                scaled.round() as i64
            }
        };
        self.micros = self.micros.checked_add(added)?;
        Some(())
    }
}

fn clock_face(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next().unwrap_or("0").parse().ok()?;
    if parts.next().is_some() || !(0..60).contains(&minutes) || !(0.0..60.0).contains(&seconds) {
        return None;
    }
    hours.checked_mul(HOUR)?.checked_add(minutes * MINUTE + (seconds * SECOND as f64).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_as_people_write_them() {
        for (text, months, micros) in [
            ("5 minutes", 0, 5 * MINUTE),
            ("5m", 0, 5 * MINUTE),
            ("1h", 0, HOUR),
            ("1 hour", 0, HOUR),
            ("1 day 12 hours", 0, DAY + 12 * HOUR),
            ("1d12h", 0, DAY + 12 * HOUR),
            ("00:05:00", 0, 5 * MINUTE),
            ("1 day 01:30", 0, DAY + HOUR + 30 * MINUTE),
            ("1.5 s", 0, 1_500_000),
            ("250ms", 0, 250_000),
            ("1 month", 1, 0),
            ("1 year 2 mons", 14, 0),
            ("2 weeks", 0, 14 * DAY),
        ] {
            assert_eq!(Span::parse(text), Some(Span { months, micros }), "{text}");
        }
        for text in ["", "5", "minutes", "5 parsecs", "1:2:3:4", "-1h", "99999999999999999999 s", "1e300 s", "1:99"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
