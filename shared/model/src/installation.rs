//! The id of an installation: everything that one ledger knows of. A root belongs to one installation, and says so.

use std::fmt;

use serde::{Deserialize, Serialize};

const BYTES: usize = 16;

/// 128 random bits as 32 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstallationId(String);

/// Why a text is no id of an installation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no id of an installation: 32 digits of 0-9 and a-f")]
pub struct InvalidInstallationId(String);

impl InstallationId {
    /// From the first 128 of the bits.
    pub fn from_random(secret: &[u8; 32]) -> Self {
        Self(secret[..BYTES].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub fn parse(text: &str) -> Result<Self, InvalidInstallationId> {
        let fits = text.len() == 2 * BYTES && text.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'a'..=b'f'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidInstallationId(text.chars().take(100).collect())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for InstallationId {
    type Err = InvalidInstallationId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for InstallationId {
    type Error = InvalidInstallationId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<InstallationId> for String {
    fn from(id: InstallationId) -> Self {
        id.0
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_128_bits_in_hex() {
        let id = InstallationId::from_random(&[0xab; 32]);
        assert_eq!(id.as_str(), "ab".repeat(16));
        assert_eq!(InstallationId::parse(id.as_str()), Ok(id));
        for bad in ["", "ab", &"AB".repeat(16), &"ag".repeat(16), &"ab".repeat(17)] {
            assert!(InstallationId::parse(bad).is_err(), "{bad}");
        }
    }
}
