//! Log records.

use super::common::Value;
use crate::wire::{Fields, Malformed, bytes, fixed32, fixed64, varint};

/// A `LogRecord`.
#[derive(Debug)]
pub struct LogRecord<'a> {
    pub time_unix_nano: u64,
    pub observed_time_unix_nano: u64,
    pub severity_number: i32,
    pub severity_text: &'a [u8],
    pub body: Value<'a>,
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    pub dropped_attributes_count: u32,
    pub flags: u32,
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub event_name: &'a [u8],
}

impl Default for LogRecord<'_> {
    fn default() -> Self {
        Self {
            time_unix_nano: 0,
            observed_time_unix_nano: 0,
            severity_number: 0,
            severity_text: &[],
            body: Value::Empty,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            flags: 0,
            trace_id: &[],
            span_id: &[],
            event_name: &[],
        }
    }
}

impl<'a> LogRecord<'a> {
    /// Reads `message`, in place of what was read before.
    pub fn read(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        const TIME: u32 = fixed64(1);
        const SEVERITY_NUMBER: u32 = varint(2);
        const SEVERITY_TEXT: u32 = bytes(3);
        const BODY: u32 = bytes(5);
        const ATTRIBUTES: u32 = bytes(6);
        const DROPPED_ATTRIBUTES: u32 = varint(7);
        const FLAGS: u32 = fixed32(8);
        const TRACE_ID: u32 = bytes(9);
        const SPAN_ID: u32 = bytes(10);
        const OBSERVED_TIME: u32 = fixed64(11);
        const EVENT_NAME: u32 = bytes(12);

        let mut attributes = std::mem::take(&mut self.attributes);
        attributes.clear();
        *self = Self { attributes, ..Self::default() };
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                TIME => self.time_unix_nano = fields.fixed64()?,
                SEVERITY_NUMBER => self.severity_number = fields.varint()? as i32,
                SEVERITY_TEXT => self.severity_text = fields.bytes()?,
                BODY => self.body = Value::read(fields.bytes()?)?,
                ATTRIBUTES => self.attributes.push(fields.bytes()?),
                DROPPED_ATTRIBUTES => self.dropped_attributes_count = fields.varint()? as u32,
                FLAGS => self.flags = fields.fixed32()?,
                TRACE_ID => self.trace_id = fields.bytes()?,
                SPAN_ID => self.span_id = fields.bytes()?,
                OBSERVED_TIME => self.observed_time_unix_nano = fields.fixed64()?,
                EVENT_NAME => self.event_name = fields.bytes()?,
                _ => fields.skip(tag)?,
            }
        }
        Ok(())
    }
}
