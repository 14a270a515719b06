//! Dates as partitions spell them.

use model::{MICROS_PER_DAY, Micros};

/// `2026-11-20` of a day since 1970-01-01.
pub(crate) fn text(day: i32) -> String {
    model::rfc3339(Micros::from(day) * MICROS_PER_DAY).chars().take_while(|c| *c != 'T').collect()
}

/// The day of a date; none if it is no date.
pub(crate) fn parse(date: &str) -> Option<i32> {
    let mut parts = date.splitn(3, '-');
    let (year, month, day): (i32, i32, i32) =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1..=9_999).contains(&year) {
        return None;
    }
    // Days from civil, counting years from March.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1;
    let since_epoch = days - 719_468;
    (text(since_epoch) == date).then_some(since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_back() {
        for day in [-1, 0, 1, 58, 59, 60, 789, 11_016, 20_412, 24_855] {
            assert_eq!(parse(&text(day)), Some(day), "{}", text(day));
        }
        assert_eq!(parse("2026-11-20"), Some(20_777));
        for bad in ["", "2026", "2026-02-30", "2026-13-01", "2026-1-1", "x-y-z", "2026-11-20T00"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
