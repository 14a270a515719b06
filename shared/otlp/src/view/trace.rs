//! Spans, their events and links.

use crate::wire::{Fields, Malformed, bytes, fixed32, fixed64, varint};

/// A `Span`.
#[derive(Debug, Default)]
pub struct Span<'a> {
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub trace_state: &'a [u8],
    pub parent_span_id: &'a [u8],
    pub flags: u32,
    pub name: &'a [u8],
    pub kind: i32,
    pub start_time_unix_nano: u64,
    pub end_time_unix_nano: u64,
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    pub dropped_attributes_count: u32,
    /// `Span.Event` messages.
    pub events: Vec<&'a [u8]>,
    pub dropped_events_count: u32,
    /// `Span.Link` messages.
    pub links: Vec<&'a [u8]>,
    pub dropped_links_count: u32,
    pub status_message: &'a [u8],
    pub status_code: i32,
}

impl<'a> Span<'a> {
    /// Reads `message`, in place of what was read before.
    pub fn read(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        const TRACE_ID: u32 = bytes(1);
        const SPAN_ID: u32 = bytes(2);
        const TRACE_STATE: u32 = bytes(3);
        const PARENT_SPAN_ID: u32 = bytes(4);
        const NAME: u32 = bytes(5);
        const KIND: u32 = varint(6);
        const START: u32 = fixed64(7);
        const END: u32 = fixed64(8);
        const ATTRIBUTES: u32 = bytes(9);
        const DROPPED_ATTRIBUTES: u32 = varint(10);
        const EVENTS: u32 = bytes(11);
        const DROPPED_EVENTS: u32 = varint(12);
        const LINKS: u32 = bytes(13);
        const DROPPED_LINKS: u32 = varint(14);
        const STATUS: u32 = bytes(15);
        const FLAGS: u32 = fixed32(16);

        self.clear();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                TRACE_ID => self.trace_id = fields.bytes()?,
                SPAN_ID => self.span_id = fields.bytes()?,
                TRACE_STATE => self.trace_state = fields.bytes()?,
                PARENT_SPAN_ID => self.parent_span_id = fields.bytes()?,
                NAME => self.name = fields.bytes()?,
                KIND => self.kind = fields.varint()? as i32,
                START => self.start_time_unix_nano = fields.fixed64()?,
                END => self.end_time_unix_nano = fields.fixed64()?,
                ATTRIBUTES => self.attributes.push(fields.bytes()?),
                DROPPED_ATTRIBUTES => self.dropped_attributes_count = fields.varint()? as u32,
                EVENTS => self.events.push(fields.bytes()?),
                DROPPED_EVENTS => self.dropped_events_count = fields.varint()? as u32,
                LINKS => self.links.push(fields.bytes()?),
                DROPPED_LINKS => self.dropped_links_count = fields.varint()? as u32,
                STATUS => self.merge_status(fields.bytes()?)?,
                FLAGS => self.flags = fields.fixed32()?,
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }

    fn merge_status(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        const MESSAGE: u32 = bytes(2);
        const CODE: u32 = varint(3);

        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                MESSAGE => self.status_message = fields.bytes()?,
                CODE => self.status_code = fields.varint()? as i32,
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }

    /// Empty, with the lists' memory kept.
    fn clear(&mut self) {
        let (mut attributes, mut events, mut links) =
            (std::mem::take(&mut self.attributes), std::mem::take(&mut self.events), std::mem::take(&mut self.links));
        attributes.clear();
        events.clear();
        links.clear();
        *self = Self { attributes, events, links, ..Self::default() };
    }
}

/// A `Span.Event`.
#[derive(Debug, Default)]
pub struct Event<'a> {
    pub time_unix_nano: u64,
    pub name: &'a [u8],
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    pub dropped_attributes_count: u32,
}

impl<'a> Event<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        const TIME: u32 = fixed64(1);
        const NAME: u32 = bytes(2);
        const ATTRIBUTES: u32 = bytes(3);
        const DROPPED_ATTRIBUTES: u32 = varint(4);

        let mut event = Self::default();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                TIME => event.time_unix_nano = fields.fixed64()?,
                NAME => event.name = fields.bytes()?,
                ATTRIBUTES => event.attributes.push(fields.bytes()?),
                DROPPED_ATTRIBUTES => event.dropped_attributes_count = fields.varint()? as u32,
                _ => fields.skip(tag)?,
            }
        }
        Ok(event)
    }
}

/// A `Span.Link`.
#[derive(Debug, Default)]
pub struct Link<'a> {
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub trace_state: &'a [u8],
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    pub dropped_attributes_count: u32,
    pub flags: u32,
}

impl<'a> Link<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        const TRACE_ID: u32 = bytes(1);
        const SPAN_ID: u32 = bytes(2);
        const TRACE_STATE: u32 = bytes(3);
        const ATTRIBUTES: u32 = bytes(4);
        const DROPPED_ATTRIBUTES: u32 = varint(5);
        const FLAGS: u32 = fixed32(6);

        let mut link = Self::default();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                TRACE_ID => link.trace_id = fields.bytes()?,
                SPAN_ID => link.span_id = fields.bytes()?,
                TRACE_STATE => link.trace_state = fields.bytes()?,
                ATTRIBUTES => link.attributes.push(fields.bytes()?),
                DROPPED_ATTRIBUTES => link.dropped_attributes_count = fields.varint()? as u32,
                FLAGS => link.flags = fields.fixed32()?,
                _ => fields.skip(tag)?,
            }
        }
        Ok(link)
    }
}
