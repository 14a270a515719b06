//! What a session in an owner's bucket may do: what the role allows, and of that only these acts, in the project's folder.

use model::ProjectId;
use model::storage::Connected;
use serde_json::{Value, json};

/// The session policy of one project, as JSON; about 600 characters of the 2,048 that STS takes.
///
/// Without s3:ListBucket S3 answers 403 for an absent key, and nobody could tell a lost object from a locked one.
pub(crate) fn session_policy(project: &ProjectId, at: &Connected) -> String {
    let partition = at.role_arn.partition();
    let bucket = format!("arn:{partition}:s3:::{}", at.bucket);
    let folder = at.folder(project);
    let mut statements = vec![
        json!({
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": format!("{bucket}/{folder}/*"),
        }),
        json!({
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket,
            "Condition": { "StringLike": { "s3:prefix": format!("{folder}/*") } },
        }),
    ];
    statements.extend(with_key(at));
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// The owner's key, through S3 alone.
fn with_key(at: &Connected) -> Option<Value> {
    let key = at.kms_key_arn.as_ref()?;
    let suffix = if at.role_arn.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(json!({
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": key.as_str(),
        "Condition": { "StringEquals": { "kms:ViaService": format!("s3.{}.{suffix}", at.region) } },
    }))
}

#[cfg(test)]
mod tests {
    use model::storage::{BucketName, BucketPrefix, KmsKeyArn, Region, RoleArn};

    use super::*;

    fn at(prefix: &str, key: Option<&str>) -> Connected {
        Connected {
            bucket: BucketName::parse("acme-telemetry").expect("fits"),
            region: Region::parse("eu-central-1").expect("fits"),
            prefix: BucketPrefix::parse(prefix).expect("fits"),
            role_arn: RoleArn::parse("arn:aws:iam::123456789012:role/plimsoll-byo-shop").expect("fits"),
            kms_key_arn: key.map(|key| KmsKeyArn::parse(key).expect("fits")),
            connected_at: 0,
            marked_by: None,
        }
    }

    fn policy(at: &Connected) -> Value {
        serde_json::from_str(&session_policy(&ProjectId::parse("shop").expect("an id"), at)).expect("JSON")
    }

    #[test]
    fn a_session_reaches_one_folder_of_one_bucket() {
        for (prefix, folder) in [("", "shop"), ("tele/metry", "tele/metry/shop")] {
            let policy = policy(&at(prefix, None));
            let statements = policy["Statement"].as_array().expect("a list");
            assert_eq!(statements.len(), 2);
            assert_eq!(statements[0]["Resource"], format!("arn:aws:s3:::acme-telemetry/{folder}/*"));
            assert_eq!(statements[1]["Resource"], "arn:aws:s3:::acme-telemetry");
            assert_eq!(statements[1]["Condition"]["StringLike"]["s3:prefix"], format!("{folder}/*"));
            assert!(!policy.to_string().contains("s3:*"));
        }
    }

    #[test]
    fn the_owners_key_is_used_through_s3_alone() {
        let key = "arn:aws:kms:eu-central-1:123456789012:key/0123abcd";
        let policy = policy(&at("", Some(key)));
        let statement = &policy["Statement"][2];
        assert_eq!(statement["Resource"], key);
        assert_eq!(statement["Condition"]["StringEquals"]["kms:ViaService"], "s3.eu-central-1.amazonaws.com");
    }

    #[test]
    fn the_longest_policy_fits_sts() {
        let key = format!("arn:aws:kms:eu-central-1:123456789012:key/{}", "a".repeat(36));
        let mut longest = at(&"p".repeat(300), Some(&key));
        longest.bucket = BucketName::parse(&"b".repeat(63)).expect("fits");
        let project = ProjectId::parse(&"a".repeat(63)).expect("an id");
        assert!(session_policy(&project, &longest).len() <= 2_048);
    }
}
