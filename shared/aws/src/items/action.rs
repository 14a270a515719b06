//! An operation of the store as DynamoDB's own: a put, an update, a delete or a check, with its condition expression.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use meta::{Condition, Operation};
use model::Micros;

use super::layout::{EXPIRES_AT, PARTITION_KEY, PLAIN, Stored, TAG, TEXT, TTL, VERSION, content, integer, key, stored};

/// What an unconditional put expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// An item that stands, or no item at all: the version counts up.
    Standing,
    /// An expired item, or no item at all: the version is 1.
    Nothing,
}

impl Over {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Standing => Self::Nothing,
            Self::Nothing => Self::Standing,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Put { item: Stored, guard: Guard },
    Update { key: Stored, update: String, guard: Guard },
    Delete { key: Stored, guard: Guard },
    Check { key: Stored, guard: Guard },
}

/// An expression and what it names.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    clauses: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

/// True if such a put always goes through: what refuses it is only the wrong [`Over`].
pub(super) fn is_unconditional_put(operation: &Operation) -> bool {
    matches!(operation, Operation::Put { conditions, .. } if conditions.is_empty())
}

impl Action {
    /// `over` matters to unconditional puts only; `tag` is that of a single write.
    pub(super) fn of(operation: &Operation, over: Over, tag: Option<&str>, now: Micros) -> Self {
        let guard = Guard::of(operation.conditions(), now);
        match operation {
            Operation::Put { key: at, attributes, expires_at, conditions } => {
                let mut content = content(attributes, *expires_at);
                content.extend(tag.map(|tag| (TAG.to_owned(), AttributeValue::S(tag.to_owned()))));
                match version_made(conditions, over) {
                    Some(version) => {
                        let guard = if conditions.is_empty() { Guard::absent(now) } else { guard };
                        content.insert(VERSION.to_owned(), integer(version));
                        content.extend(key(at));
                        Self::Put { item: content, guard }
                    }
                    None => {
                        let guard = if conditions.is_empty() { Guard::unexpired(now) } else { guard };
                        update(key(at), content, guard)
                    }
                }
            }
            Operation::Delete { key: at, .. } => Self::Delete { key: key(at), guard },
            Operation::Check { key: at, conditions } => {
                let guard = if conditions.is_empty() { Guard::always() } else { guard };
                Self::Check { key: key(at), guard }
            }
        }
    }
}

/// The version that a put makes if it goes through, where that is known beforehand.
fn version_made(conditions: &[Condition], over: Over) -> Option<u64> {
    if conditions.is_empty() {
        return (over == Over::Nothing).then_some(1);
    }
    conditions.iter().find_map(|condition| match condition {
        Condition::Absent => Some(1),
        Condition::Version(version) => Some(version.saturating_add(1)),
        Condition::Present | Condition::Equals(..) | Condition::Below(..) => None,
    })
}

/// Sets everything that an item has and removes what it does not have.
fn update(key: Stored, content: Stored, mut guard: Guard) -> Action {
    let mut set = vec![format!("{VERSION} = if_not_exists({VERSION}, :zero) + :one")];
    let mut remove = Vec::new();
    for name in [PLAIN, TEXT, EXPIRES_AT, TTL, TAG] {
        // `ttl` is a word of DynamoDB's own.
        let placed = format!("#{name}");
        match content.get(name) {
            Some(value) => {
                set.push(format!("{placed} = :{name}"));
                guard.values.insert(format!(":{name}"), value.clone());
            }
            None => remove.push(placed.clone()),
        }
        guard.names.insert(placed, name.to_owned());
    }
    guard.values.extend([(":zero".to_owned(), integer(0)), (":one".to_owned(), integer(1))]);
    let removed = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
    Action::Update { key, update: format!("SET {}{removed}", set.join(", ")), guard }
}

impl Guard {
    /// All of the conditions hold of what stands there; what has expired does not stand there.
    fn of(conditions: &[Condition], now: Micros) -> Self {
        let mut guard = Self::default();
        for (place, condition) in conditions.iter().enumerate() {
            if *condition == Condition::Absent {
                guard.push(ABSENT);
            } else {
                guard.push(UNEXPIRED);
            }
            guard.values.insert(":now".to_owned(), integer(now));
            match condition {
                Condition::Absent => {}
                Condition::Present => guard.push(&format!("attribute_exists({PARTITION_KEY})")),
                Condition::Version(version) => {
                    guard.push(&format!("{VERSION} = :c{place}"));
                    guard.values.insert(format!(":c{place}"), integer(version));
                }
                Condition::Equals(name, value) => {
                    let (map, stored) = stored(value);
                    guard.compare(place, map, name, "=", stored);
                }
                // Of anything but a number DynamoDB says that it is not below one.
                Condition::Below(name, bound) => guard.compare(place, PLAIN, name, "<", integer(bound)),
            }
        }
        guard
    }

    fn absent(now: Micros) -> Self {
        Self::of(&[Condition::Absent], now)
    }

    fn unexpired(now: Micros) -> Self {
        let values = HashMap::from([(":now".to_owned(), integer(now))]);
        Self { clauses: vec![UNEXPIRED.to_owned()], names: HashMap::new(), values }
    }

    /// A check needs an expression, even one of nothing.
    fn always() -> Self {
        Self { clauses: vec![ALWAYS.to_owned()], ..Self::default() }
    }

    fn compare(&mut self, place: usize, map: &str, name: &str, by: &str, value: AttributeValue) {
        self.push(&format!("{map}.#c{place} {by} :c{place}"));
        self.names.insert(format!("#c{place}"), name.to_owned());
        self.values.insert(format!(":c{place}"), value);
    }

    fn push(&mut self, clause: &str) {
        if !self.clauses.iter().any(|known| known == clause) {
            self.clauses.push(clause.to_owned());
        }
    }

    /// None: there is no condition.
    pub(super) fn text(&self) -> Option<String> {
        (!self.clauses.is_empty()).then(|| self.clauses.join(" AND "))
    }

    /// DynamoDB refuses an empty map.
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// DynamoDB refuses an empty map.
    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

const ABSENT: &str = "(attribute_not_exists(pk) OR x <= :now)";
/// Holds of nothing, too.
pub(super) const UNEXPIRED: &str = "(attribute_not_exists(x) OR x > :now)";
const ALWAYS: &str = "(attribute_exists(pk) OR attribute_not_exists(pk))";
