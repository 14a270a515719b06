//! Views of OTLP messages: what the fields of one message are, as slices of the body.
//!
//! A view is read from wire bytes by `read` (or `merge` where protobuf merges a repeated occurrence of a message) and borrows
//! from them; the lists inside are kept and refilled for the next record, so reading a record allocates nothing. Attribute
//! lists and nested values stay wire bytes until somebody walks them. Lists of whole records ([`Messages`], and the points of a
//! metric) are counted and walked, never collected: a body can hold tens of millions of empty ones.
//!
//! Where protobuf is looser than the encoders that exist: if one `AnyValue` or one `KeyValue.value` is given twice, the last one
//! counts, also where protobuf would merge two lists. References into the dictionary of the profiles signal
//! (`*_strindex`) have no meaning in the other signals and are skipped as unknown fields.

pub mod common;
pub mod logs;
pub mod metrics;
pub mod trace;

use crate::wire::{Fields, Malformed, Tag, bytes};

/// The messages in one field of a message, walked when iterated; takes no memory however many there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages<'a> {
    holder: &'a [u8],
    tag: Tag,
    count: usize,
}

impl Messages<'_> {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Messages<'a> {
    /// Those in field `tag` of `holder`; none are counted yet.
    fn of(holder: &'a [u8], tag: Tag) -> Self {
        Self { holder, tag, count: 0 }
    }

    fn count(&mut self, fields: &mut Fields<'a>) -> Result<(), Malformed> {
        fields.bytes()?;
        self.count += 1;
        Ok(())
    }
}

impl<'a> IntoIterator for Messages<'a> {
    type Item = Result<&'a [u8], Malformed>;
    type IntoIter = MessagesIter<'a>;

    fn into_iter(self) -> MessagesIter<'a> {
        // A message without any need not be walked.
        MessagesIter { fields: Fields::new(if self.is_empty() { &[] } else { self.holder }), tag: self.tag }
    }
}

/// Iterates over [`Messages`]; nothing comes after an error.
#[derive(Debug)]
pub struct MessagesIter<'a> {
    fields: Fields<'a>,
    tag: Tag,
}

impl<'a> Iterator for MessagesIter<'a> {
    type Item = Result<&'a [u8], Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.fields.next_bytes(self.tag).transpose();
        if matches!(next, Some(Err(_))) {
            self.fields = Fields::new(&[]);
        }
        next
    }
}

/// A `Resource*` message of any signal, for example `ResourceSpans`.
#[derive(Debug, Default)]
pub struct ResourceGroup<'a> {
    /// `Resource` messages: usually one; more are to be merged.
    pub resource: Messages<'a>,
    /// `Scope*` messages.
    pub scopes: Messages<'a>,
    pub schema_url: &'a [u8],
}

/// A `Scope*` message of any signal, for example `ScopeSpans`.
#[derive(Debug, Default)]
pub struct ScopeGroup<'a> {
    /// `InstrumentationScope` messages: usually one; more are to be merged.
    pub scope: Messages<'a>,
    /// `Span`, `LogRecord` or `Metric` messages.
    pub records: Messages<'a>,
    pub schema_url: &'a [u8],
}

// The three signals number these alike.
const FIRST: u32 = bytes(1);
const ITEMS: u32 = bytes(2);
const SCHEMA_URL: u32 = bytes(3);

/// The `Resource*` messages of an export request.
pub fn resource_groups(request: &[u8]) -> Result<Messages<'_>, Malformed> {
    let mut groups = Messages::of(request, FIRST);
    let mut fields = Fields::new(request);
    while let Some(tag) = fields.tag()? {
        match tag {
            FIRST => groups.count(&mut fields)?,
            _ => fields.skip(tag)?,
        }
    }
    Ok(groups)
}

impl<'a> ResourceGroup<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (resource, scopes) = (Messages::of(message, FIRST), Messages::of(message, ITEMS));
        let mut group = Self { resource, scopes, schema_url: &[] };
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                FIRST => group.resource.count(&mut fields)?,
                ITEMS => group.scopes.count(&mut fields)?,
                SCHEMA_URL => group.schema_url = fields.bytes()?,
                _ => fields.skip(tag)?,
            }
        }
        Ok(group)
    }
}

impl<'a> ScopeGroup<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (scope, records) = (Messages::of(message, FIRST), Messages::of(message, ITEMS));
        let mut group = Self { scope, records, schema_url: &[] };
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                FIRST => group.scope.count(&mut fields)?,
                ITEMS => group.records.count(&mut fields)?,
                SCHEMA_URL => group.schema_url = fields.bytes()?,
                _ => fields.skip(tag)?,
            }
        }
        Ok(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_and_walked_past_other_fields() {
        // Record, schema URL, scope, record, unknown field.
        let message = [&[0x12, 1, 7][..], &[0x1a, 1, b'u'], &[0x0a, 0], &[0x12, 0], &[0x78, 5]].concat();
        let group = ScopeGroup::read(&message).expect("valid");
        assert_eq!((group.scope.len(), group.records.len(), group.schema_url), (1, 2, &b"u"[..]));
        let records: Vec<_> = group.records.into_iter().map(|record| record.expect("valid")).collect();
        assert_eq!(records, [&[7][..], &[]]);
        assert!(ScopeGroup::read(&message[..message.len() - 1]).is_err(), "cut off behind the last record");
        let mut broken = Messages { holder: &[0x12, 9], tag: ITEMS, count: 1 }.into_iter();
        assert!(broken.next().is_some_and(|record| record.is_err()) && broken.next().is_none());
    }
}
