//! Views of OTLP messages: what the fields of one message are, as slices of the body.
//!
//! A view is read from wire bytes by `read` (or `merge` where protobuf merges a repeated occurrence of a message) and borrows
//! from them; the lists inside are kept and refilled for the next record, so reading a record allocates nothing. Attribute
//! lists and nested values stay wire bytes until somebody walks them.
//!
//! Where protobuf is looser than the encoders that exist: if one `AnyValue` or one `KeyValue.value` is given twice, the last one
//! counts, also where protobuf would merge two lists. References into the dictionary of the profiles signal
//! (`*_strindex`) have no meaning in the other signals and are skipped as unknown fields.

pub mod common;
pub mod logs;
pub mod metrics;
pub mod trace;

use crate::wire::{Fields, Malformed, bytes};

/// A `Resource*` message of any signal, for example `ResourceSpans`.
#[derive(Debug, Default)]
pub struct ResourceGroup<'a> {
    /// `Resource` messages: usually one; more are to be merged.
    pub resource: Vec<&'a [u8]>,
    /// `Scope*` messages.
    pub scopes: Vec<&'a [u8]>,
    pub schema_url: &'a [u8],
}

/// A `Scope*` message of any signal, for example `ScopeSpans`.
#[derive(Debug, Default)]
pub struct ScopeGroup<'a> {
    /// `InstrumentationScope` messages: usually one; more are to be merged.
    pub scope: Vec<&'a [u8]>,
    /// `Span`, `LogRecord` or `Metric` messages.
    pub records: Vec<&'a [u8]>,
    pub schema_url: &'a [u8],
}

// The three signals number these alike.
const FIRST: u32 = bytes(1);
const ITEMS: u32 = bytes(2);
const SCHEMA_URL: u32 = bytes(3);

/// The `Resource*` messages of an export request.
pub fn resource_groups(request: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut groups = Vec::new();
    let mut fields = Fields::new(request);
    while let Some(tag) = fields.tag()? {
        match tag {
            FIRST => groups.push(fields.bytes()?),
            _ => fields.skip(tag)?,
        }
    }
    Ok(groups)
}

impl<'a> ResourceGroup<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut group = Self::default();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                FIRST => group.resource.push(fields.bytes()?),
                ITEMS => group.scopes.push(fields.bytes()?),
                SCHEMA_URL => group.schema_url = fields.bytes()?,
                _ => fields.skip(tag)?,
            }
        }
        Ok(group)
    }
}

impl<'a> ScopeGroup<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut group = Self::default();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                FIRST => group.scope.push(fields.bytes()?),
                ITEMS => group.records.push(fields.bytes()?),
                SCHEMA_URL => group.schema_url = fields.bytes()?,
                _ => fields.skip(tag)?,
            }
        }
        Ok(group)
    }
}
