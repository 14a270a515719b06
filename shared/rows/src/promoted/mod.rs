//! Promoted attributes: the semantic-convention keys that have a typed column of their own.
//!
//! One table per place ([`Place`]) lists key, type and older spellings; column names follow from the keys. The same attribute
//! keys are promoted for spans, logs and metric points.
//!
//! What a promoted column holds:
//! - A value of exactly the column's type is held by the column alone; `attributes` does not repeat it.
//! - A value that converts without loss (the text `"200"` or the double `200.0` for an integer column, any number or boolean
//!   for a text column) fills the column, and the original stays in `attributes`, so nothing is lost.
//! - A value that does not convert stays in `attributes` only, and the column is null.
//! - A key that comes twice in one record: the first fills the column, later ones stay in `attributes`.
//! - An older spelling fills the column when the record has no value for the newer key, and always stays in `attributes`.

mod attributes;
mod lookup;
mod resource;

use std::sync::LazyLock;

use arrow_schema::DataType;

pub(crate) use lookup::{Lookup, Slot, Target};

/// Where an attribute is said: of the record, or of its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Of a span, a log record or a metric point; columns `attributes___...`, the rest in `attributes`.
    Attributes,
    /// Of the resource; columns `resource___...`, the rest in `resource`.
    Resource,
}

impl Place {
    /// The column that holds, as JSON, what has no column of its own.
    pub fn json_column(self) -> &'static str {
        match self {
            Place::Attributes => "attributes",
            Place::Resource => "resource",
        }
    }
}

/// The type of a promoted column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Text,
    Int,
    Float,
    Flag,
}

impl Type {
    pub fn data_type(self) -> DataType {
        match self {
            Type::Text => DataType::Utf8,
            Type::Int => DataType::Int64,
            Type::Float => DataType::Float64,
            Type::Flag => DataType::Boolean,
        }
    }
}

/// One promoted key.
#[derive(Debug)]
pub struct Promoted {
    pub place: Place,
    /// The key of the current semantic conventions: `http.request.method`.
    pub key: &'static str,
    /// The column: `attributes___http___request___method`.
    pub column: String,
    pub kind: Type,
    /// Spellings that the column takes when `key` is absent; the first that is there wins.
    pub older: &'static [Older],
}

/// An older spelling of a key, and when it means the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Older {
    pub key: &'static str,
    pub rule: Rule,
}

/// What an older spelling gives to the newer key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The value as it is.
    Same,
    /// The value as it is, but only on spans of kind server: there the peer is the client.
    OnServer,
    /// The value as it is, on everything but spans of kind server.
    ElseThanServer,
    /// What stands before the first `?`.
    BeforeQuestionMark,
    /// What stands after the first `?`, if it is there.
    AfterQuestionMark,
}

/// The promoted attributes of `place`, in column order.
pub fn promoted(place: Place) -> &'static [Promoted] {
    static ATTRIBUTES: LazyLock<Vec<Promoted>> = LazyLock::new(|| columns(Place::Attributes, attributes::TABLE));
    static RESOURCE: LazyLock<Vec<Promoted>> = LazyLock::new(|| columns(Place::Resource, resource::TABLE));
    match place {
        Place::Attributes => &ATTRIBUTES,
        Place::Resource => &RESOURCE,
    }
}

/// The promoted column of a current key; older spellings have none, they are found in the JSON under their own name.
pub fn promoted_column(key: &str, place: Place) -> Option<&'static Promoted> {
    match lookup::of(place).find(key.as_bytes()) {
        Slot::Current(column) => Some(&promoted(place)[column]),
        Slot::Older(_) | Slot::None => None,
    }
}

/// A row of the tables: key, type, older spellings.
struct Row(&'static str, Type, &'static [Older]);

const fn same(key: &'static str) -> Older {
    Older { key, rule: Rule::Same }
}

fn columns(place: Place, table: &'static [Row]) -> Vec<Promoted> {
    let name = |key: &str| format!("{}___{}", place.json_column(), key.replace('.', "___"));
    table.iter().map(|Row(key, kind, older)| Promoted { place, key, column: name(key), kind: *kind, older }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_after_their_keys() {
        let method = promoted_column("http.request.method", Place::Attributes).expect("promoted");
        assert_eq!(method.column, "attributes___http___request___method");
        let status = promoted_column("http.response.status_code", Place::Attributes).expect("promoted");
        assert_eq!((status.column.as_str(), status.kind), ("attributes___http___response___status_code", Type::Int));
        assert_eq!(
            promoted_column("service.name", Place::Resource).expect("promoted").column,
            "resource___service___name"
        );
        assert!(promoted_column("http.method", Place::Attributes).is_none());
        assert!(promoted_column("service.name", Place::Attributes).is_none());
        assert!(promoted_column("", Place::Attributes).is_none());
    }

    #[test]
    fn every_key_is_listed_once_and_found() {
        for place in [Place::Attributes, Place::Resource] {
            let mut seen = std::collections::HashSet::new();
            for (n, row) in promoted(place).iter().enumerate() {
                assert!(seen.insert(row.key), "{} twice", row.key);
                assert_eq!(lookup::of(place).find(row.key.as_bytes()), Slot::Current(n));
            }
            for row in promoted(place) {
                for older in row.older {
                    assert!(!seen.contains(older.key), "{} is both current and older", older.key);
                    assert!(matches!(lookup::of(place).find(older.key.as_bytes()), Slot::Older(_)), "{}", older.key);
                }
            }
        }
    }
}
