//! Objects inside lists: span events, span links, exemplars.

use super::{Lossy, ValueError, hex, int, separate, unsigned};

/// An object inside a list of objects; fields that are empty or 0 are left out.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    /// Begins the `n`th object of a list.
    pub(crate) fn begin(out: &'o mut Vec<u8>, n: usize) -> Self {
        separate(out, n);
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// Writes a key; its value is to follow.
    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(crate) fn text(&mut self, key: &str, text: &[u8], lossy: &mut Lossy) {
        if !text.is_empty() {
            lossy.string(self.key(key), text);
        }
    }

    pub(crate) fn hex(&mut self, key: &str, bytes: &[u8]) {
        if !bytes.is_empty() {
            let out = self.key(key);
            out.push(b'"');
            hex(out, bytes);
            out.push(b'"');
        }
    }

    pub(crate) fn number(&mut self, key: &str, number: u32) {
        if number != 0 {
            int(self.key(key), i64::from(number));
        }
    }

    pub(crate) fn unsigned(&mut self, key: &str, number: u64) {
        if number != 0 {
            unsigned(self.key(key), number);
        }
    }

    /// A list of numbers, each written by `write`.
    pub(crate) fn list<N>(&mut self, key: &str, numbers: impl Iterator<Item = N>, write: fn(&mut Vec<u8>, N)) {
        let mut numbers = numbers.peekable();
        if numbers.peek().is_none() {
            return;
        }
        let out = self.key(key);
        out.push(b'[');
        for (n, number) in numbers.enumerate() {
            separate(out, n);
            write(out, number);
        }
        out.push(b']');
    }

    /// The same time twice: to be read, and exact for programs that take 64-bit numbers as text.
    pub(crate) fn time(&mut self, unix_nano: u64) {
        if unix_nano != 0 {
            let out = self.key("timestamp");
            out.push(b'"');
            rfc3339_nanos(out, unix_nano);
            out.push(b'"');
            let out = self.key("time_unix_nano");
            out.push(b'"');
            unsigned(out, unix_nano);
            out.push(b'"');
        }
    }

    /// `pairs` are `KeyValue` messages.
    pub(crate) fn attributes(&mut self, pairs: &[&[u8]], lossy: &mut Lossy) -> Result<(), ValueError> {
        if pairs.is_empty() { Ok(()) } else { lossy.object(self.key("attributes"), pairs) }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// RFC 3339 in UTC with nine decimals. Years past 9999 cannot be: 64 bits of nanoseconds end in 2554.
fn rfc3339_nanos(out: &mut Vec<u8>, unix_nano: u64) {
    let seconds = unix_nano / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a date of the Gregorian calendar: http://howardhinnant.github.io/date_algorithms.html, for days since 1970.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);

    decimal(out, year, 4);
    for (mark, number) in
        [(b'-', month), (b'-', day), (b'T', second / 3_600), (b':', second / 60 % 60), (b':', second % 60)]
    {
        out.push(mark);
        decimal(out, number, 2);
    }
    out.push(b'.');
    decimal(out, unix_nano % 1_000_000_000, 9);
    out.push(b'Z');
}

/// The last `width` digits, with leading zeros.
fn decimal(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_says() {
        let times = [
            1,
            951_782_399_999_999_999,
            951_782_400_000_000_000,
            951_868_800_000_000_000,
            1_795_000_000_123_456_789,
            u64::MAX,
        ];
        for nanos in times {
            let mut out = Vec::new();
            rfc3339_nanos(&mut out, nanos);
            let micros = model::rfc3339((nanos / 1_000) as i64);
            let expected = format!("{}{:03}Z", micros.trim_end_matches('Z'), nanos % 1_000);
            assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
        }
    }

    #[test]
    fn objects_leave_out_what_is_empty() {
        let mut out = Vec::new();
        for n in 0..2 {
            let mut object = Object::begin(&mut out, n);
            object.text("name", b"", &mut Lossy::default());
            object.number("n", n as u32);
            object.hex("id", &[0xab; 2][..n]);
            object.time(0);
            object.end();
        }
        assert_eq!(String::from_utf8(out).expect("ASCII"), r#"{},{"n":1,"id":"ab"}"#);
    }
}
