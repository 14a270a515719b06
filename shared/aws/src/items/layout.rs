//! What an item of ours is in the table. Layout 1:
//!
//! | attribute | type | what |
//! |---|---|---|
//! | `pk`, `sk` | S | partition key and sort key |
//! | `v` | N | version |
//! | `a` | M | attributes that are strings, integers, booleans or null, each as its own type |
//! | `j` | M | the other attributes, each as JSON text with its objects' names in order; left out if there are none |
//! | `x` | N | expiry in microseconds; left out if there is none |
//! | `ttl` | N | the same in seconds, rounded up: when DynamoDB may delete it |
//! | `w` | S | tag of the single write that put it; left out if a transaction did |
//!
//! Conditions reach each attribute by name, in `a` or in `j`. A double lies in `j`, since DynamoDB's numbers know neither
//! all doubles nor the difference between 2 and 2.0; a list or an object lies there because it is then no bigger than its
//! text, which [`meta::ITEM_BYTES_MAX`] bounds, and may be nested as deep as it likes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use meta::{Attributes, Item, ItemKey, StoreError};
use model::Micros;
use serde_json::{Map, Value};

pub const PARTITION_KEY: &str = "pk";
pub const SORT_KEY: &str = "sk";
/// The attribute by which DynamoDB deletes.
pub const TTL: &str = "ttl";

pub(super) const VERSION: &str = "v";
pub(super) const PLAIN: &str = "a";
pub(super) const TEXT: &str = "j";
pub(super) const EXPIRES_AT: &str = "x";
pub(super) const TAG: &str = "w";

/// An item, or its key, as DynamoDB has it.
pub(super) type Stored = HashMap<String, AttributeValue>;

pub(super) fn key(key: &ItemKey) -> Stored {
    Stored::from([
        (PARTITION_KEY.to_owned(), AttributeValue::S(key.partition.clone())),
        (SORT_KEY.to_owned(), AttributeValue::S(key.sort.clone())),
    ])
}

/// Attributes and expiry: what is left out has no place in the map.
pub(super) fn content(attributes: &Attributes, expires_at: Option<Micros>) -> Stored {
    let (mut plain, mut text) = (Stored::new(), Stored::new());
    for (name, value) in attributes {
        let (place, stored) = stored(value);
        let map = if place == PLAIN { &mut plain } else { &mut text };
        map.insert(name.clone(), stored);
    }
    let mut content = Stored::from([(PLAIN.to_owned(), AttributeValue::M(plain))]);
    if !text.is_empty() {
        content.insert(TEXT.to_owned(), AttributeValue::M(text));
    }
    if let Some(at) = expires_at {
        content.insert(EXPIRES_AT.to_owned(), integer(at));
        content.insert(TTL.to_owned(), integer(seconds_after(at)));
    }
    content
}

/// In which map an attribute of this value lies, and as what.
pub(super) fn stored(value: &Value) -> (&'static str, AttributeValue) {
    match value {
        Value::Null => (PLAIN, AttributeValue::Null(true)),
        Value::Bool(yes) => (PLAIN, AttributeValue::Bool(*yes)),
        Value::String(text) => (PLAIN, AttributeValue::S(text.clone())),
        Value::Number(number) => match number.as_i64() {
            Some(n) => (PLAIN, integer(n)),
            None => (TEXT, AttributeValue::S(number.to_string())),
        },
        Value::Array(_) | Value::Object(_) => (TEXT, AttributeValue::S(in_order(value).to_string())),
    }
}

pub(super) fn integer(n: impl ToString) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

/// An item read back; one that does not read was not written by us.
pub(super) fn item(stored: &Stored) -> Result<Item, StoreError> {
    let text = |name: &str| stored.get(name).and_then(|value| value.as_s().ok()).cloned();
    let key = ItemKey::new(text(PARTITION_KEY).unwrap_or_default(), text(SORT_KEY).unwrap_or_default());
    let strange =
        |what: &str| StoreError::Invalid(format!("item {} / {} has a strange {what}", key.partition, key.sort));
    let version = stored.get(VERSION).and_then(number).ok_or_else(|| strange("version"))?;
    let expires_at = match stored.get(EXPIRES_AT) {
        Some(at) => Some(number(at).ok_or_else(|| strange("expiry"))?),
        None => None,
    };
    let mut attributes = Attributes::new();
    for place in [PLAIN, TEXT] {
        let Some(map) = stored.get(place) else { continue };
        for (name, value) in map.as_m().map_err(|_| strange(place))? {
            let read = if place == PLAIN { plain(value) } else { from_text(value) };
            attributes.insert(name.clone(), read.ok_or_else(|| strange(name))?);
        }
    }
    Ok(Item { key, attributes, version, expires_at })
}

fn plain(value: &AttributeValue) -> Option<Value> {
    match value {
        AttributeValue::Null(_) => Some(Value::Null),
        AttributeValue::Bool(yes) => Some(Value::Bool(*yes)),
        AttributeValue::S(text) => Some(Value::String(text.clone())),
        AttributeValue::N(_) => number::<i64>(value).map(Value::from),
        _ => None,
    }
}

fn from_text(value: &AttributeValue) -> Option<Value> {
    serde_json::from_str(value.as_s().ok()?).ok()
}

fn number<N: std::str::FromStr>(value: &AttributeValue) -> Option<N> {
    value.as_n().ok()?.parse().ok()
}

/// DynamoDB may delete from the second after on.
fn seconds_after(at: Micros) -> i64 {
    at.div_euclid(1_000_000) + i64::from(at.rem_euclid(1_000_000) > 0)
}

/// Equal values have one text.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(in_order).collect(),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(name, _)| *name);
            Value::Object(Map::from_iter(entries.into_iter().map(|(name, value)| (name.clone(), in_order(value)))))
        }
        other => other.clone(),
    }
}
