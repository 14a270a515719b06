//! What every implementation of [`ItemStore`](crate::ItemStore) checks alike: sizes, numbers, conditions.
//!
//! A store of ours refuses here what DynamoDB would refuse, so that a laptop and the cloud fail on the same calls.

use std::collections::HashSet;

use model::Micros;
use serde_json::Value;

use crate::{
    Attributes, Condition, ITEM_BYTES_MAX, Item, ItemKey, Operation, SortRange, StoreError, TRANSACTION_BYTES_MAX,
    TRANSACTION_ITEMS_MAX,
};

/// Most bytes of a partition key, and of a sort key.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Most bytes of an attribute's name, so that conditions can name it.
pub const NAME_BYTES_MAX: usize = 255;

impl Condition {
    /// True if it holds of what stands at the key. An expired item does not stand there: see [`unexpired`].
    pub fn holds(&self, stood: Option<&Item>) -> bool {
        match (self, stood) {
            (Self::Absent, stood) => stood.is_none(),
            (_, None) => false,
            (Self::Present, Some(_)) => true,
            (Self::Version(version), Some(item)) => item.version == *version,
            (Self::Equals(name, value), Some(item)) => item.attributes.get(*name) == Some(value),
            (Self::Below(name, bound), Some(item)) => {
                item.attributes.get(*name).and_then(Value::as_i64).is_some_and(|n| n < *bound)
            }
        }
    }
}

impl Operation {
    pub fn conditions(&self) -> &[Condition] {
        match self {
            Self::Put { conditions, .. } | Self::Delete { conditions, .. } | Self::Check { conditions, .. } => {
                conditions
            }
        }
    }
}

/// True if an item with this expiry still stands at `now`.
pub fn unexpired(expires_at: Option<Micros>, now: Micros) -> bool {
    expires_at.is_none_or(|at| at > now)
}

/// Refuses a transaction of no or too many operations, of two on one key, or of too many bytes in all.
pub fn check_transaction(operations: &[Operation]) -> Result<(), StoreError> {
    if !(1..=TRANSACTION_ITEMS_MAX).contains(&operations.len()) {
        return Err(StoreError::Invalid(format!(
            "a transaction of {} operations; 1 to {TRANSACTION_ITEMS_MAX} are possible",
            operations.len()
        )));
    }
    let mut keys = HashSet::with_capacity(operations.len());
    if let Some(twice) = operations.iter().find(|operation| !keys.insert(operation.key())) {
        return Err(StoreError::Invalid(format!("a transaction with two operations on {}", name(twice.key()))));
    }
    let bytes: usize = operations.iter().map(put_bytes).sum();
    if bytes > TRANSACTION_BYTES_MAX {
        return Err(StoreError::Invalid(format!(
            "a transaction of {bytes} bytes; at most {TRANSACTION_BYTES_MAX} are possible"
        )));
    }
    Ok(())
}

/// What an operation adds to its transaction, counted as [`encode`] counts.
fn put_bytes(operation: &Operation) -> usize {
    let Operation::Put { key, attributes, .. } = operation else { return 0 };
    let mut text = Counted(0);
    // One that does not serialise is refused when it is encoded.
    let _ = serde_json::to_writer(&mut text, attributes);
    key.partition.len() + key.sort.len() + text.0
}

/// Counts what is written, and keeps nothing of it.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Refuses a query of no items, of a partition that cannot be, or to an end that no key can reach.
pub fn check_query(partition: &str, range: &SortRange, limit: usize) -> Result<(), StoreError> {
    if limit == 0 {
        return Err(StoreError::Invalid("a query with a limit of 0".into()));
    }
    check_part(partition, 1, || format!("partition {}", cut(partition)))?;
    let ends: &[&String] = match range {
        SortRange::All => &[],
        SortRange::Prefix(prefix) => &[prefix],
        SortRange::Between(first, last) => &[first, last],
    };
    ends.iter().try_for_each(|end| check_part(end, 0, || format!("the end {} of a range", cut(end))))
}

/// Refuses keys that are empty or too long.
pub fn check_key(key: &ItemKey) -> Result<(), StoreError> {
    [&key.partition, &key.sort]
        .iter()
        .try_for_each(|part| check_part(part, 1, || format!("a part of key {}", name(key))))
}

fn check_part(part: &str, bytes_min: usize, what: impl FnOnce() -> String) -> Result<(), StoreError> {
    if (bytes_min..=KEY_BYTES_MAX).contains(&part.len()) {
        return Ok(());
    }
    let bytes = part.len();
    Err(StoreError::Invalid(format!("{} has {bytes} bytes; {bytes_min} to {KEY_BYTES_MAX} are possible", what())))
}

/// The attributes of an item as JSON text; refuses what is too big or holds a number beyond i64.
pub fn encode(key: &ItemKey, attributes: &Attributes) -> Result<String, StoreError> {
    check_key(key)?;
    if let Some(bad) = attributes.keys().find(|name| !(1..=NAME_BYTES_MAX).contains(&name.len())) {
        return Err(StoreError::Invalid(format!(
            "an attribute of {} has a name of {} bytes; 1 to {NAME_BYTES_MAX} are possible",
            name(key),
            bad.len()
        )));
    }
    if let Some((bad, _)) = attributes.iter().find(|(_, value)| !numbers_fit(value)) {
        return Err(StoreError::Invalid(format!("attribute `{bad}` of {} holds a number beyond i64", name(key))));
    }
    let text = serde_json::to_string(attributes)
        .map_err(|source| StoreError::Invalid(format!("item {} does not serialise: {source}", name(key))))?;
    let bytes = key.partition.len() + key.sort.len() + text.len();
    if bytes > ITEM_BYTES_MAX {
        return Err(StoreError::Invalid(format!(
            "item {} of {bytes} bytes; at most {ITEM_BYTES_MAX} are possible",
            name(key)
        )));
    }
    Ok(text)
}

/// Reads back what [`encode`] wrote.
pub fn decode(key: &ItemKey, text: &str) -> Result<Attributes, StoreError> {
    serde_json::from_str(text)
        .map_err(|source| StoreError::Invalid(format!("item {} does not read: {source}", name(key))))
}

fn numbers_fit(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64() || number.is_f64(),
        Value::Array(values) => values.iter().all(numbers_fit),
        Value::Object(map) => map.values().all(numbers_fit),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// Both parts of a key, cut so that an error stays readable.
fn name(key: &ItemKey) -> String {
    format!("{} / {}", cut(&key.partition), cut(&key.sort))
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(sort: &str) -> ItemKey {
        ItemKey::new("p", sort)
    }

    fn item(attributes: &Value) -> Item {
        let attributes = attributes.as_object().expect("an object").clone();
        Item { key: key("s"), attributes, version: 3, expires_at: None }
    }

    #[test]
    fn conditions_hold_of_what_stands_there() {
        let stood = item(&json!({"n": 5, "s": "x", "d": 5.5}));
        let cases = [
            (Condition::Absent, false, true),
            (Condition::Present, true, false),
            (Condition::Version(3), true, false),
            (Condition::Version(2), false, false),
            (Condition::Equals("s", json!("x")), true, false),
            (Condition::Equals("s", json!("y")), false, false),
            (Condition::Equals("gone", json!(null)), false, false),
            (Condition::Below("n", 6), true, false),
            (Condition::Below("n", 5), false, false),
            (Condition::Below("d", 6), false, false),
            (Condition::Below("s", 6), false, false),
        ];
        for (condition, with_item, without) in cases {
            assert_eq!(condition.holds(Some(&stood)), with_item, "{condition:?} of an item");
            assert_eq!(condition.holds(None), without, "{condition:?} of nothing");
        }
    }

    #[test]
    fn limits_are_crossed_by_one() {
        assert!(check_key(&key(&"a".repeat(KEY_BYTES_MAX))).is_ok());
        assert!(check_key(&key(&"a".repeat(KEY_BYTES_MAX + 1))).is_err());
        assert!(check_key(&key("")).is_err());

        let sized = |bytes: usize| Attributes::from_iter([("a".to_owned(), json!("x".repeat(bytes - 10)))]);
        assert_eq!(encode(&key("s"), &sized(ITEM_BYTES_MAX)).expect("fits").len() + 2, ITEM_BYTES_MAX);
        assert!(encode(&key("s"), &sized(ITEM_BYTES_MAX + 1)).is_err());

        let of = |n: usize| (0..n).map(|i| Operation::delete(key(&i.to_string()))).collect::<Vec<_>>();
        assert!(check_transaction(&of(TRANSACTION_ITEMS_MAX)).is_ok());
        assert!(check_transaction(&of(TRANSACTION_ITEMS_MAX + 1)).is_err());
        assert!(check_transaction(&of(0)).is_err());
        assert!(check_transaction(&[Operation::check(key("a")), Operation::delete(key("a"))]).is_err());

        let of_bytes = |bytes: usize| {
            let (whole, rest) = (bytes / ITEM_BYTES_MAX, bytes % ITEM_BYTES_MAX);
            let sizes =
                std::iter::repeat_n(ITEM_BYTES_MAX, whole - 1).chain([ITEM_BYTES_MAX / 2, ITEM_BYTES_MAX / 2 + rest]);
            let puts = sizes.enumerate().map(|(n, bytes)| Operation::put(key(&format!("{n:x}")), sized(bytes)));
            puts.collect::<Vec<_>>()
        };
        assert!(check_transaction(&of_bytes(TRANSACTION_BYTES_MAX)).is_ok());
        assert!(check_transaction(&of_bytes(TRANSACTION_BYTES_MAX + 1)).is_err());

        let named = |bytes: usize| Attributes::from_iter([("n".repeat(bytes), json!(1))]);
        assert!(encode(&key("s"), &named(1)).is_ok() && encode(&key("s"), &named(NAME_BYTES_MAX)).is_ok());
        assert!(encode(&key("s"), &named(0)).is_err() && encode(&key("s"), &named(NAME_BYTES_MAX + 1)).is_err());

        let range = |last: usize| SortRange::Between(String::new(), "x".repeat(last));
        assert!(check_query("p", &range(KEY_BYTES_MAX), 1).is_ok());
        assert!(check_query("p", &range(KEY_BYTES_MAX + 1), 1).is_err());
        assert!(check_query("p", &SortRange::All, 0).is_err());
        assert!(check_query("", &SortRange::All, 1).is_err());
    }

    #[test]
    fn numbers_beyond_i64_are_refused_at_any_depth() {
        let deep = |n: Value| Attributes::from_iter([("a".to_owned(), json!({"b": [n]}))]);
        assert!(encode(&key("s"), &deep(json!(i64::MAX))).is_ok());
        assert!(encode(&key("s"), &deep(json!(1.5))).is_ok());
        assert!(encode(&key("s"), &deep(json!(i64::MAX as u64 + 1))).is_err());
    }

    #[test]
    fn an_item_ends_at_its_expiry() {
        assert!(unexpired(None, 10) && unexpired(Some(11), 10));
        assert!(!unexpired(Some(10), 10));
    }
}
