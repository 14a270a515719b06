//! `s3://bucket/prefix`: where an installation keeps its objects.

use std::fmt;
use std::str::FromStr;

use model::storage::{BucketName, BucketPrefix, InvalidPlace};

/// A bucket and the folders in it below which every project has its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct S3Root {
    bucket: BucketName,
    prefix: BucketPrefix,
}

/// Why a text is no root on S3.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidS3Root {
    #[error("`{0}` is no root on S3: it looks like `s3://bucket` or `s3://bucket/prefix`")]
    Scheme(String),
    #[error(transparent)]
    Place(#[from] InvalidPlace),
}

impl S3Root {
    pub fn bucket(&self) -> &str {
        self.bucket.as_str()
    }

    /// Without slashes at its ends; empty: the bucket itself.
    pub fn prefix(&self) -> &str {
        self.prefix.as_str()
    }
}

impl FromStr for S3Root {
    type Err = InvalidS3Root;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let scheme = || InvalidS3Root::Scheme(text.chars().take(100).collect());
        let place = text.strip_prefix("s3://").ok_or_else(scheme)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        Ok(Self { bucket: BucketName::parse(bucket)?, prefix: BucketPrefix::parse(prefix)? })
    }
}

impl fmt::Display for S3Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        match self.prefix.as_str() {
            "" => Ok(()),
            prefix => write!(f, "/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_read_and_written_alike() {
        for (text, bucket, prefix, said) in [
            ("s3://acme-data", "acme-data", "", "s3://acme-data"),
            ("s3://acme-data/", "acme-data", "", "s3://acme-data"),
            ("s3://acme-data/tele/metry/", "acme-data", "tele/metry", "s3://acme-data/tele/metry"),
        ] {
            let root: S3Root = text.parse().expect(text);
            assert_eq!((root.bucket(), root.prefix(), root.to_string().as_str()), (bucket, prefix, said));
        }
        for bad in ["", "acme-data", "https://acme-data", "s3://", "s3://A", "s3://acme-data/../x", "s3://acme-data/*"]
        {
            assert!(bad.parse::<S3Root>().is_err(), "{bad}");
        }
    }
}
