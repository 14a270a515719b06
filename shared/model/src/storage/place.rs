//! Bucket, prefix and region, as texts that cannot mean anything else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most characters of a prefix; S3 takes keys of 1,024 bytes, and ours need about 250 of them.
const PREFIX_CHARS_MAX: usize = 300;
/// Names that S3 keeps for itself: what is behind them is no general-purpose bucket, which lists in order and appends to none.
const KEPT_STARTS: [&str; 2] = ["xn--", "sthree-"];
const KEPT_ENDS: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
const REGION_CHARS_MAX: usize = 32;

/// Why a text is no bucket, prefix or region.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidPlace {
    #[error(
        "`{0}` is no bucket name: 3 to 63 characters of a-z, 0-9, inner dots and dashes; and no access point, directory bucket or \
         other name that S3 keeps for itself"
    )]
    Bucket(String),
    #[error(
        "`{0}` is no prefix: folders of A-Z, a-z, 0-9, `.`, `_`, `=` and `-` with `/` between them, none of them dots only, \
         {PREFIX_CHARS_MAX} characters at most"
    )]
    Prefix(String),
    #[error("`{0}` is no AWS region, say `eu-central-1`")]
    Region(String),
}

/// Name of a general-purpose bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(String);

/// Folders in a bucket, without slashes at the ends; empty: the bucket itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketPrefix(String);

/// An AWS region, or what an S3-compatible store calls one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

impl BucketName {
    /// The naming rules of S3, section "General purpose bucket naming rules" of its user guide.
    pub fn parse(text: &str) -> Result<Self, InvalidPlace> {
        let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
        let fits = (3..=63).contains(&text.len())
            && text.bytes().all(inner)
            && edge(text.bytes().next())
            && edge(text.bytes().last())
            && !text.contains("..")
            && !is_ipv4(text)
            && !KEPT_STARTS.iter().any(|start| text.starts_with(start))
            && !KEPT_ENDS.iter().any(|end| text.ends_with(end));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidPlace::Bucket(shortened(text))) }
    }
}

impl BucketPrefix {
    /// Slashes at the ends are taken off.
    pub fn parse(text: &str) -> Result<Self, InvalidPlace> {
        let inner = text.trim_matches('/');
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'=' | b'-');
        let folder =
            |folder: &str| !folder.is_empty() && folder.bytes().all(plain) && folder.bytes().any(|c| c != b'.');
        let fits = inner.len() <= PREFIX_CHARS_MAX && (inner.is_empty() || inner.split('/').all(folder));
        if fits { Ok(Self(inner.to_owned())) } else { Err(InvalidPlace::Prefix(shortened(text))) }
    }
}

impl Region {
    pub fn parse(text: &str) -> Result<Self, InvalidPlace> {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let fits = (2..=REGION_CHARS_MAX).contains(&text.len())
            && text.bytes().all(inner)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidPlace::Region(shortened(text))) }
    }
}

impl Region {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        match self.0.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

/// What S3 forbids as a name since it would be taken for an address.
fn is_ipv4(text: &str) -> bool {
    text.split('.').count() == 4 && text.split('.').all(|part| part.parse::<u8>().is_ok())
}

/// For an error's text.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

macro_rules! plain_text {
    ($($kind:ident: $error:ty),*) => {$(
        impl $kind {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $kind {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$kind> for String {
            fn from(text: $kind) -> Self {
                text.0
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
pub(super) use plain_text;

plain_text!(BucketName: InvalidPlace, BucketPrefix: InvalidPlace, Region: InvalidPlace);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_the_naming_rules_of_s3() {
        for good in ["abc", "my-bucket.of.logs", "0-9", &"a".repeat(63)] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "",
            "ab",
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "a..b",
            "192.168.0.1",
            "a/b",
            "a*c",
            &long,
            "a--x-s3",
            "a-s3alias",
        ] {
            assert!(BucketName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_cannot_leave_its_folder_or_widen_a_policy() {
        for (text, prefix) in [("", ""), ("/", ""), ("a", "a"), ("/a/b-2_x=1.0/", "a/b-2_x=1.0")] {
            assert_eq!(BucketPrefix::parse(text).expect(text).as_str(), prefix);
        }
        let long = "a".repeat(301);
        for bad in ["a//b", "..", "a/../b", ".", "a/*", "a?", "${aws:username}", "a b", "ü", "a\\b", "%2e", &long] {
            assert!(BucketPrefix::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn regions_are_one_word_of_a_host_name() {
        for good in ["eu-central-1", "us-gov-west-1", "auto"] {
            assert!(Region::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "EU", "eu.central", "eu-", "1eu", "a/b", "eu central"] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
    }
}
