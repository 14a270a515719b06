//! The role by which an owner's bucket is entered, the secret of ours that it demands, and the owner's key.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::place::{plain_text, shortened};
use crate::ProjectId;

/// Our functions may assume roles of such names only.
pub const BYO_ROLE_PREFIX: &str = "plimsoll-byo-";
const ROLE_NAME_CHARS_MAX: usize = 64;
const EXTERNAL_ID_PREFIX: &str = "plimsoll-";
/// 128 bits as hex.
const EXTERNAL_ID_HEX_MIN: usize = 32;
const ARN_CHARS_MAX: usize = 256;

/// Why a text is no role, external id or key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidRole {
    #[error(
        "`{0}` is no role that Plimsoll may assume: it looks like `arn:aws:iam::<12 digits>:role/{BYO_ROLE_PREFIX}<name>`, \
         without a path; infra/byo-bucket.yaml makes one and prints it"
    )]
    Role(String),
    #[error("`{0}` is no external id of ours")]
    ExternalId(String),
    #[error("`{0}` is no KMS key: it looks like `arn:aws:kms:<region>:<12 digits>:key/<id>`")]
    KmsKey(String),
}

/// `arn:<partition>:iam::<account>:role/plimsoll-byo-<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleArn(String);

/// `plimsoll-` and at least 128 random bits as hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExternalId(String);

/// `arn:<partition>:kms:<region>:<account>:key/<id>`; no alias, which a policy cannot name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KmsKeyArn(String);

impl RoleArn {
    pub fn parse(text: &str) -> Result<Self, InvalidRole> {
        let invalid = || InvalidRole::Role(shortened(text));
        let [partition, "iam", "", account, resource] = arn(text).ok_or_else(invalid)? else { return Err(invalid()) };
        let name = resource.strip_prefix("role/").ok_or_else(invalid)?;
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"+=,.@_-".contains(&c);
        let fits = is_partition(partition)
            && is_account(account)
            && name.len() > BYO_ROLE_PREFIX.len()
            && name.len() <= ROLE_NAME_CHARS_MAX
            && name.starts_with(BYO_ROLE_PREFIX)
            && name.bytes().all(allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err(invalid()) }
    }

    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).expect("an ARN was parsed")
    }
}

impl ExternalId {
    /// From bytes that nobody can guess.
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self(format!("{EXTERNAL_ID_PREFIX}{}", hex::encode(bytes)))
    }

    pub fn parse(text: &str) -> Result<Self, InvalidRole> {
        let hex = text.strip_prefix(EXTERNAL_ID_PREFIX).unwrap_or_default();
        let fits = (EXTERNAL_ID_HEX_MIN..=2 * EXTERNAL_ID_HEX_MIN).contains(&hex.len())
            && hex.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidRole::ExternalId(shortened(text))) }
    }
}

impl KmsKeyArn {
    pub fn parse(text: &str) -> Result<Self, InvalidRole> {
        let invalid = || InvalidRole::KmsKey(shortened(text));
        let [partition, "kms", region, account, resource] = arn(text).ok_or_else(invalid)? else {
            return Err(invalid());
        };
        let key = resource.strip_prefix("key/").unwrap_or_default();
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
        let fits = is_partition(partition)
            && is_account(account)
            && [region, key].iter().all(|part| !part.is_empty() && part.bytes().all(plain));
        if fits { Ok(Self(text.to_owned())) } else { Err(invalid()) }
    }
}

impl KmsKeyArn {
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).expect("an ARN was parsed")
    }

    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).expect("an ARN was parsed")
    }
}

/// The name that our template gives the role of a project; IAM takes 64 characters, a project id has up to 63.
pub fn suggested_role_name(project: &ProjectId) -> String {
    let kept: String = project.as_str().chars().take(ROLE_NAME_CHARS_MAX - BYO_ROLE_PREFIX.len()).collect();
    format!("{BYO_ROLE_PREFIX}{}", kept.trim_end_matches('-'))
}

/// Partition, service, region, account, resource.
fn arn(text: &str) -> Option<[&str; 5]> {
    if text.len() > ARN_CHARS_MAX {
        return None;
    }
    let mut parts = text.splitn(6, ':');
    (parts.next()? == "arn").then_some(())?;
    Some([parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?])
}

fn is_partition(text: &str) -> bool {
    matches!(text, "aws" | "aws-cn" | "aws-us-gov")
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|c| c.is_ascii_digit())
}

plain_text!(RoleArn: InvalidRole, ExternalId: InvalidRole, KmsKeyArn: InvalidRole);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_of_our_name_are_assumed() {
        let good = "arn:aws:iam::123456789012:role/plimsoll-byo-shop";
        assert_eq!(RoleArn::parse(good).expect("fits").partition(), "aws");
        assert!(RoleArn::parse("arn:aws-us-gov:iam::123456789012:role/plimsoll-byo-a.b@c").is_ok());
        for bad in [
            "",
            "plimsoll-byo-shop",
            "arn:aws:iam::123456789012:role/plimsoll-byo-",
            "arn:aws:iam::123456789012:role/admin",
            "arn:aws:iam::123456789012:role/path/plimsoll-byo-shop",
            "arn:aws:iam::123456789012:role/plimsoll-byo-*",
            "arn:aws:iam::12345678901:role/plimsoll-byo-shop",
            "arn:aws:iam:eu-central-1:123456789012:role/plimsoll-byo-shop",
            "arn:other:iam::123456789012:role/plimsoll-byo-shop",
            "arn:aws:iam::123456789012:user/plimsoll-byo-shop",
            &format!("{good}{}", "a".repeat(60)),
        ] {
            assert!(RoleArn::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_external_id_has_128_random_bits_or_more() {
        let drawn = ExternalId::from_random(&[0xab; 32]);
        assert_eq!(ExternalId::parse(drawn.as_str()), Ok(drawn.clone()));
        assert_eq!(drawn.as_str().len(), "plimsoll-".len() + 64);
        for bad in ["", "plimsoll-", "plimsoll-0123", "plimsoll-0123456789ABCDEF0123456789ABCDEF", "x"] {
            assert!(ExternalId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_named_by_its_arn() {
        let good = "arn:aws:kms:eu-central-1:123456789012:key/mrk-0123abcd";
        assert!(KmsKeyArn::parse(good).is_ok());
        for bad in ["alias/a", "arn:aws:kms:eu-central-1:123456789012:alias/a", "arn:aws:kms:*:123456789012:key/*"] {
            assert!(KmsKeyArn::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_role_name_fits_iam() {
        let name = |id: &str| suggested_role_name(&ProjectId::parse(id).expect("an id"));
        assert_eq!(name("shop"), "plimsoll-byo-shop");
        assert_eq!(name(&"a".repeat(63)).len(), 64);
        assert!(!name(&format!("{}-b", "a".repeat(50))).ends_with('-'));
    }
}
