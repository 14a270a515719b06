//! Structs as items and back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Attributes, Item, StoreError};

/// A value as item attributes.
pub(crate) fn attributes<T: Serialize>(value: &T) -> Attributes {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => unreachable!("stored items are structs of plain fields, which serialise to objects"),
    }
}

/// An item read back; one that does not parse was written by a newer version, or damaged.
pub(crate) fn parse<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    serde_json::from_value(Value::Object(item.attributes.clone())).map_err(|source| {
        StoreError::Invalid(format!("item {} / {} does not read: {source}", item.key.partition, item.key.sort))
    })
}
