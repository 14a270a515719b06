//! Where a project's data lies: below the installation's own root, or in a bucket that its owner brings.
//!
//! Chosen when the project is made, for good. Every text that ends up in a policy, a URL or a header is checked here
//! once: a checked one cannot widen a policy (no `*`, `?`, `$`) or leave its folder.

mod place;
mod role;

use serde::{Deserialize, Serialize};

pub use place::{BucketName, BucketPrefix, InvalidPlace, Region};
pub use role::{BYO_ROLE_PREFIX, ExternalId, InvalidRole, KmsKeyArn, RoleArn, suggested_role_name};

use crate::{InstallationId, Micros, ProjectId};

/// Stored in the project's item as `{"kind":"own"}` or `{"kind":"bucket","external_id":..,"connected":{..}?}`; absent: own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Storage {
    /// Below the installation's own root.
    #[default]
    Own,
    /// In a bucket of the project's owner.
    Bucket(OwnersBucket),
}

/// A bucket in an account that is not ours, entered by a role that its owner lets us take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnersBucket {
    /// Drawn when the project is made; the owner's role demands it, so that nobody enters it through another project.
    pub external_id: ExternalId,
    /// None: the owner has not said yet where it is; nothing can be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<Connected>,
}

/// Where the bucket is and how it is entered. Bucket and prefix stay for good, the rest may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    pub bucket: BucketName,
    pub region: Region,
    /// The project's objects lie below `<prefix>/<project id>/`.
    #[serde(default)]
    pub prefix: BucketPrefix,
    pub role_arn: RoleArn,
    /// The key by which the bucket encrypts, if it is one of the owner's in KMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<KmsKeyArn>,
    /// When it passed its preflight last.
    pub connected_at: Micros,
    /// Whose mark the folder has borne since then: this installation's. A folder without it is not the one that was connected.
    /// None: connected by a version that did not note it; nobody looks for the mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked_by: Option<InstallationId>,
}

/// Why a place and the way into it cannot go together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Mismatch {
    #[error(
        "role {role_arn} cannot enter a bucket in {region}, which is in partition `{}`: name a role of the bucket's account",
        region.partition()
    )]
    Role { region: Region, role_arn: RoleArn },
    #[error("KMS key {key} is not in {region}: a bucket encrypts by a key of its own region")]
    Key { region: Region, key: KmsKeyArn },
}

impl Storage {
    pub fn bucket(&self) -> Option<&OwnersBucket> {
        match self {
            Self::Own => None,
            Self::Bucket(bucket) => Some(bucket),
        }
    }
}

impl Connected {
    /// The folder of a project's objects in the bucket, without slashes at its ends.
    pub fn folder(&self, project: &ProjectId) -> String {
        match self.prefix.as_str() {
            "" => project.to_string(),
            prefix => format!("{prefix}/{project}"),
        }
    }

    /// True if one of two projects' folders lies within the other: a session of the outer project would reach what is the
    /// inner one's.
    pub fn overlaps(&self, project: &ProjectId, other: &Self, of: &ProjectId) -> bool {
        let (ours, theirs) = (format!("{}/", self.folder(project)), format!("{}/", other.folder(of)));
        self.bucket == other.bucket && (ours.starts_with(&theirs) || theirs.starts_with(&ours))
    }

    /// Role, key and bucket are of one partition of AWS, and the key is where the bucket is.
    pub fn fits_together(&self) -> Result<(), Mismatch> {
        let Self { region, role_arn, kms_key_arn, .. } = self;
        if role_arn.partition() != region.partition() {
            return Err(Mismatch::Role { region: region.clone(), role_arn: role_arn.clone() });
        }
        match kms_key_arn {
            Some(key) if key.partition() != region.partition() || key.region() != region.as_str() => {
                Err(Mismatch::Key { region: region.clone(), key: key.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The same objects: whatever was stored there is still found.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.bucket == other.bucket && self.prefix == other.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_still_reads() {
        let own: Storage = serde_json::from_str(r#"{"kind":"own"}"#).expect("reads");
        assert_eq!(own, Storage::Own);
        let waiting: Storage =
            serde_json::from_str(r#"{"kind":"bucket","external_id":"plimsoll-0123456789abcdef0123456789abcdef"}"#)
                .expect("reads");
        assert!(waiting.bucket().expect("a bucket").connected.is_none());
        let stored = concat!(
            r#"{"kind":"bucket","external_id":"plimsoll-0123456789abcdef0123456789abcdef","connected":{"bucket":"acme","#,
            r#""region":"eu-central-1","prefix":"tele/metry","role_arn":"arn:aws:iam::123456789012:role/plimsoll-byo-shop","#,
            r#""connected_at":7}}"#
        );
        let connected: Storage = serde_json::from_str(stored).expect("reads");
        assert_eq!(serde_json::to_string(&connected).expect("writes"), stored);
        let shop = ProjectId::parse("shop").expect("an id");
        let there = connected.bucket().and_then(|b| b.connected.as_ref()).expect("connected");
        assert_eq!(there.folder(&shop), "tele/metry/shop");
    }

    fn at(bucket: &str, prefix: &str) -> Connected {
        Connected {
            bucket: BucketName::parse(bucket).expect("fits"),
            region: Region::parse("eu-central-1").expect("fits"),
            prefix: BucketPrefix::parse(prefix).expect("fits"),
            role_arn: RoleArn::parse("arn:aws:iam::123456789012:role/plimsoll-byo-shop").expect("fits"),
            kms_key_arn: None,
            connected_at: 0,
            marked_by: None,
        }
    }

    #[test]
    fn folders_overlap_if_one_lies_within_the_other() {
        let id = |text: &str| ProjectId::parse(text).expect("an id");
        for (ours, theirs, overlap) in [
            (("acme", "a", "shop"), ("acme", "a/shop", "landing"), true),
            (("acme", "", "shop"), ("acme", "shop/deep/er", "other"), true),
            (("acme", "a", "shop"), ("acme", "a", "shop-two"), false),
            (("acme", "a", "shop"), ("acme", "a/shop-two", "other"), false),
            (("acme", "a", "shop"), ("acme", "b", "shop"), false),
            (("acme", "a", "shop"), ("another", "a/shop", "landing"), false),
        ] {
            let (here, there) = (at(ours.0, ours.1), at(theirs.0, theirs.1));
            assert_eq!(here.overlaps(&id(ours.2), &there, &id(theirs.2)), overlap, "{ours:?} {theirs:?}");
            assert_eq!(there.overlaps(&id(theirs.2), &here, &id(ours.2)), overlap, "{theirs:?} {ours:?}");
        }
    }

    #[test]
    fn what_was_stored_and_does_not_fit_does_not_read() {
        let widened = concat!(
            r#"{"kind":"bucket","external_id":"plimsoll-0123456789abcdef0123456789abcdef","connected":{"bucket":"acme","#,
            r#""region":"eu-central-1","prefix":"*","role_arn":"arn:aws:iam::123456789012:role/plimsoll-byo-shop","connected_at":7}}"#
        );
        assert!(serde_json::from_str::<Storage>(widened).is_err());
    }
}
