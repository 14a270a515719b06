//! The id of a project: the unit of isolation. It names a folder, a ledger partition and a key's owner.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `[a-z0-9]` and inner dashes, 1 to 63 characters. Never reused once a project is gone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectId(String);

/// Why a text is no project id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no project id: 1 to 63 characters of a-z, 0-9 and inner dashes")]
pub struct InvalidProjectId(String);

impl ProjectId {
    pub fn parse(text: &str) -> Result<Self, InvalidProjectId> {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let fits =
            (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidProjectId(text.chars().take(80).collect())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProjectId {
    type Error = InvalidProjectId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ProjectId> for String {
    fn from(id: ProjectId) -> Self {
        id.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_their_folder_are_refused() {
        for bad in ["", "-a", "a-", "A", "a/b", "..", "a b", "ü", &"a".repeat(64)] {
            assert!(ProjectId::parse(bad).is_err(), "{bad}");
        }
        for good in ["a", "default", "shop-2", &"a".repeat(63)] {
            assert_eq!(ProjectId::parse(good).expect("valid").as_str(), good);
        }
    }
}
