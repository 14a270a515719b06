//! Walks protobuf wire bytes without building anything.
//!
//! [`Fields`] steps through the fields of one message; what is length-delimited comes out as a slice of the body. Every error
//! says where in the body it is. Field numbers that a caller does not know are skipped, groups included, as is a known number
//! with another wire type than the schema has (what the reference implementations do). No input makes this panic.

/// Bytes that are no valid protobuf message of the type they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broken protobuf at byte {offset}: {what}")]
pub struct DecodeError {
    /// Offset in the decompressed body.
    pub offset: usize,
    pub what: &'static str,
}

/// A [`DecodeError`] that does not know yet where the body begins.
///
/// Walking hands around plain slices, so that the hot path carries no offsets; the place of an error is its address, from which
/// [`Malformed::within`] subtracts that of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    address: usize,
    what: &'static str,
}

impl Malformed {
    #[cold]
    pub fn at(place: &[u8], what: &'static str) -> Self {
        Self { address: place.as_ptr().addr(), what }
    }

    /// The error, as one of `body`, of which the broken bytes are a part.
    pub fn within(self, body: &[u8]) -> DecodeError {
        DecodeError { offset: self.address.saturating_sub(body.as_ptr().addr()).min(body.len()), what: self.what }
    }
}

/// A field's number and wire type as they stand on the wire: `number << 3 | wire type`.
pub type Tag = u32;

/// Tag of a varint field.
pub const fn varint(number: u32) -> Tag {
    number << 3
}

/// Tag of a field of 8 bytes.
pub const fn fixed64(number: u32) -> Tag {
    number << 3 | 1
}

/// Tag of a length-delimited field: text, bytes, messages, packed numbers.
pub const fn bytes(number: u32) -> Tag {
    number << 3 | 2
}

/// Tag of a field of 4 bytes.
pub const fn fixed32(number: u32) -> Tag {
    number << 3 | 5
}

/// Groups may nest this deep in fields that are skipped.
const GROUP_DEPTH_MAX: usize = 32;

const START_GROUP: u32 = 3;
const END_GROUP: u32 = 4;

/// The fields of one message, in wire order: [`Fields::tag`], then exactly one of the readers below it.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline]
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// True when nothing is left; for packed numbers, which have no tags.
    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field that has `wanted`, others skipped; None at the end.
    pub fn next_bytes(&mut self, wanted: Tag) -> Result<Option<&'a [u8]>, Malformed> {
        while let Some(tag) = self.tag()? {
            if tag == wanted {
                return self.bytes().map(Some);
            }
            self.skip(tag)?;
        }
        Ok(None)
    }

    /// The next field, if it has `wanted`, which is a tag of one byte, and is shorter than 128 bytes; otherwise nothing is read.
    #[inline(always)]
    pub fn next_short(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let [tag, length @ 0..0x80, rest @ ..] = self.rest else { return None };
        let (head, rest) = rest.split_at_checked(usize::from(*length)).filter(|_| *tag == wanted)?;
        self.rest = rest;
        Some(head)
    }

    /// The next field's tag, or None at the end.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<Tag>, Malformed> {
        match self.rest {
            [] => Ok(None),
            // The usual case: a field number below 16, which is not 0.
            [first @ 8..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(Some(Tag::from(*first)))
            }
            _ => self.long_tag(),
        }
    }

    fn long_tag(&mut self) -> Result<Option<Tag>, Malformed> {
        let place = self.rest;
        let tag = Tag::try_from(self.varint()?).map_err(|_| Malformed::at(place, "field number too large"))?;
        if tag < 8 {
            return Err(Malformed::at(place, "field number 0"));
        }
        Ok(Some(tag))
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        match self.rest {
            [first @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (n, byte) in self.rest.iter().enumerate().take(10) {
            if n == 9 && *byte > 1 {
                return Err(Malformed::at(self.rest, "number longer than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * n);
            if *byte < 0x80 {
                self.rest = &self.rest[n + 1..];
                return Ok(value);
            }
        }
        let what = if self.rest.len() < 10 { "ends inside a number" } else { "number longer than 64 bits" };
        Err(Malformed::at(self.rest, what))
    }

    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let place = self.rest;
        let length = self.varint()?;
        match usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length)) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(Malformed::at(place, "a field is longer than what holds it")),
        }
    }

    #[inline]
    pub fn fixed64(&mut self) -> Result<u64, Malformed> {
        match self.rest.split_first_chunk() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(u64::from_le_bytes(*head))
            }
            None => Err(Malformed::at(self.rest, "ends inside a number")),
        }
    }

    #[inline]
    pub fn fixed32(&mut self) -> Result<u32, Malformed> {
        match self.rest.split_first_chunk() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(u32::from_le_bytes(*head))
            }
            None => Err(Malformed::at(self.rest, "ends inside a number")),
        }
    }

    #[inline]
    pub fn double(&mut self) -> Result<f64, Malformed> {
        self.fixed64().map(f64::from_bits)
    }

    /// Steps over the field whose tag was just read.
    pub fn skip(&mut self, tag: Tag) -> Result<(), Malformed> {
        self.skip_nested(tag, 0)
    }

    fn skip_nested(&mut self, tag: Tag, depth: usize) -> Result<(), Malformed> {
        match tag & 7 {
            0 => self.varint().map(drop),
            1 => self.fixed64().map(drop),
            2 => self.bytes().map(drop),
            5 => self.fixed32().map(drop),
            START_GROUP if depth < GROUP_DEPTH_MAX => loop {
                let place = self.rest;
                match self.tag()? {
                    Some(inner) if inner & 7 == END_GROUP && inner >> 3 == tag >> 3 => return Ok(()),
                    Some(inner) if inner & 7 == END_GROUP => {
                        return Err(Malformed::at(place, "the end of a group that was not begun"));
                    }
                    Some(inner) => self.skip_nested(inner, depth + 1)?,
                    None => return Err(Malformed::at(place, "ends inside a group")),
                }
            },
            START_GROUP => Err(Malformed::at(self.rest, "groups nested too deep")),
            END_GROUP => Err(Malformed::at(self.rest, "the end of a group that was not begun")),
            _ => Err(Malformed::at(self.rest, "unknown wire type")),
        }
    }
}

/// `sint32` and `sint64`: small negative numbers as small varints.
#[inline]
pub fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks `message` to its end, skipping everything.
    fn walk(message: &[u8]) -> Result<usize, Malformed> {
        let mut fields = Fields::new(message);
        let mut n = 0;
        while let Some(tag) = fields.tag()? {
            fields.skip(tag)?;
            n += 1;
        }
        Ok(n)
    }

    #[test]
    fn broken_bytes_are_named_with_their_place() {
        let cases: &[(&[u8], usize, &str)] = &[
            (&[0x08], 1, "ends inside a number"),
            (&[0x08, 0x80], 1, "ends inside a number"),
            (&[0x08, 1, 0x09, 1, 2], 3, "ends inside a number"),
            (&[0x0d, 1], 1, "ends inside a number"),
            (&[0x0a, 2, 1], 1, "a field is longer than what holds it"),
            (
                &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                1,
                "a field is longer than what holds it",
            ),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], 1, "number longer than 64 bits"),
            (&[0x00, 1], 0, "field number 0"),
            (&[0x05, 1], 0, "field number 0"),
            (&[0xff, 0xff, 0xff, 0xff, 0x7f, 1], 0, "field number too large"),
            (&[0x0e], 1, "unknown wire type"),
            (&[0x0f], 1, "unknown wire type"),
            (&[0x0c], 1, "the end of a group that was not begun"),
            (&[0x0b, 0x08, 1], 3, "ends inside a group"),
            (&[0x0b, 0x14], 1, "the end of a group that was not begun"),
        ];
        for (message, offset, what) in cases {
            let error = walk(message).expect_err(what).within(message);
            assert_eq!((error.offset, error.what), (*offset, *what), "{message:x?}");
        }
    }

    #[test]
    fn unknown_fields_of_every_wire_type_are_skipped() {
        let message = [
            &[0x08, 0x96, 0x01][..],            // varint
            &[0x11, 1, 2, 3, 4, 5, 6, 7, 8],    // 8 bytes
            &[0x1a, 3, 1, 2, 3],                // length-delimited
            &[0x23, 0x08, 1, 0x2b, 0x2c, 0x24], // a group in a group
            &[0x35, 1, 2, 3, 4],                // 4 bytes
            &[0x80, 0x7d, 1],                   // field 2,000
        ]
        .concat();
        assert_eq!(walk(&message).map_err(|broken| broken.within(&message)), Ok(6));
    }

    #[test]
    fn groups_nest_only_so_deep() {
        let nested = |depth: usize| [vec![0x0b; depth], vec![0x0c; depth]].concat();
        assert!(walk(&nested(GROUP_DEPTH_MAX)).is_ok());
        assert!(walk(&nested(GROUP_DEPTH_MAX + 1)).is_err());
        assert!(walk(&vec![0x0b; 1 << 20]).is_err());
    }

    #[test]
    fn numbers_are_read_as_protobuf_says() {
        let read = |bytes: &[u8]| Fields::new(bytes).varint();
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), Ok(u64::MAX));
        assert_eq!(read(&[0x80, 0x80, 0x00]), Ok(0), "longer than needed, still valid");
        assert_eq!([0, 1, 2, 3, u64::MAX].map(zigzag), [0, -1, 1, -2, i64::MIN]);
    }
}
