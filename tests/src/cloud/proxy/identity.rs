//! Who calls: told by the access key id in the signature. Not here: what they may do (`policy`).

use serde::{Deserialize, Serialize};

/// Every id that [`access_key_id`] makes begins so; ids that STS issues begin with `ASIA`.
const OURS: &str = "PLIMSOLL";

/// The access key id of the process that runs as `name`: a function under its own role, or `setup`, `test`, an operator.
/// DynamoDB Local takes letters and digits only.
pub fn access_key_id(name: &str) -> String {
    assert!(
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        "{name}: lower-case letters and digits"
    );
    format!("{OURS}{}", name.to_ascii_uppercase())
}

/// Whose credentials signed a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Who {
    /// A process with the credentials it was started with.
    Own { name: String },
    /// A session of a role, and who assumed that role through this proxy.
    Session { role: String, assumed_by: String },
    /// A signature with an id that nobody here was given.
    Stranger,
    /// No signature.
    Nobody,
}

impl Who {
    /// Of an id that is not a session's.
    pub(super) fn of(access_key: Option<&str>) -> Self {
        match access_key.map(|id| (id, id.strip_prefix(OURS))) {
            None => Self::Nobody,
            Some((_, Some(name))) if !name.is_empty() => Self::Own { name: name.to_ascii_lowercase() },
            Some(_) => Self::Stranger,
        }
    }

    /// The process behind the call, also behind a session.
    pub fn process(&self) -> Option<&str> {
        match self {
            Self::Own { name } => Some(name),
            Self::Session { assumed_by, .. } => Some(assumed_by),
            Self::Stranger | Self::Nobody => None,
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own { name } => f.write_str(name),
            Self::Session { role, assumed_by } => write!(f, "{assumed_by} as {role}"),
            Self::Stranger => f.write_str("a stranger"),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_id_says_whose_it_is() {
        let cases = [
            (Some(access_key_id("ingest")), Who::Own { name: "ingest".to_owned() }),
            (Some("ASIAXYZ".to_owned()), Who::Stranger),
            (Some("PLIMSOLL".to_owned()), Who::Stranger),
            (None, Who::Nobody),
        ];
        for (id, who) in cases {
            assert_eq!(Who::of(id.as_deref()), who, "{id:?}");
        }
    }
}
