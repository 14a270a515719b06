//! What a request asks of AWS: which operation, and which actions on which resources IAM would check for it.
//! One file a protocol. Not here: who asks, and whether it may.

mod dynamodb;
mod json;
mod query;
mod rest;
mod s3;
mod signature;

use bytes::Bytes;
use http::request::Parts;

use super::{Assumed, Need};

pub(super) use query::issued_access_key;
pub(super) use signature::Signature;

/// A request, whole.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) head: Parts,
    pub(super) body: Bytes,
}

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    S3,
    DynamoDb,
    Json,
    Query,
    Rest,
}

/// What a request asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) service: String,
    pub(super) operation: String,
    pub(super) protocol: Protocol,
    pub(super) needs: Vec<Need>,
    pub(super) consistent: Option<bool>,
    pub(super) assumed: Option<Assumed>,
    /// What DynamoDB charges, where the emulator does not know.
    pub(super) capacity_units: Option<f64>,
    pub(super) is_head: bool,
}

impl Reading {
    /// Of an operation that needs no permission.
    pub(super) fn named(service: &str, operation: &str) -> Self {
        Self {
            service: service.to_owned(),
            operation: operation.to_owned(),
            protocol: Protocol::Rest,
            needs: Vec::new(),
            consistent: None,
            assumed: None,
            capacity_units: None,
            is_head: false,
        }
    }
}

/// Reads a request. What is not understood becomes an operation that no statement allows, never one that needs nothing.
pub(super) fn reading(asked: &Asked, signature: &Signature) -> Reading {
    let region = signature.region.as_str();
    match signature.service.as_str() {
        "s3" => s3::reading(asked),
        "dynamodb" => dynamodb::reading(asked, region),
        "sqs" | "kms" | "secretsmanager" if target(asked).is_some() => json::reading(asked, &signature.service, region),
        "sqs" | "sts" | "cloudformation" => query::reading(asked, &signature.service, region),
        service => rest::reading(asked, service, region),
    }
}

/// The operation of a JSON protocol: `DynamoDB_20120810.PutItem` names PutItem.
fn target(asked: &Asked) -> Option<&str> {
    let target = asked.head.headers.get("x-amz-target")?.to_str().ok()?;
    Some(target.rsplit_once('.').map_or(target, |(_, operation)| operation))
}

/// The parameters of the query string, decoded.
fn parameters(asked: &Asked) -> Vec<(String, String)> {
    let query = asked.head.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn parameter<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::json;

    use super::*;

    /// `METHOD path?query`, headers, body.
    pub(super) fn asked(line: &str, headers: &[(&'static str, &str)], body: &str) -> Asked {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Asked { head, body: Bytes::from(body.to_owned()) }
    }

    fn signed(service: &str) -> Signature {
        Signature { access_key: None, service: service.to_owned(), region: "eu-west-1".to_owned() }
    }

    /// `action resource {context}` of each need, after the operation.
    fn told(reading: &Reading) -> String {
        let need = |need: &Need| {
            let mut text = format!("{} {}", need.action, need.resource);
            text.extend(need.item.iter().map(|item| format!(" {item}")));
            text.extend(need.context.iter().map(|(key, values)| format!(" {key}={}", values.join(","))));
            text
        };
        let needs: Vec<_> = reading.needs.iter().map(need).collect();
        format!("{}: {}", reading.operation, needs.join("; "))
    }

    #[test]
    fn s3_requests_are_read_from_method_path_and_query() {
        let keys = "<Delete><Object><Key>a/1</Key></Object><Object><Key>a&amp;2</Key></Object></Delete>";
        let cases = [
            ("GET /b/p/x%20y", "", "GetObject: s3:GetObject arn:aws:s3:::b/p/x y"),
            ("GET /b/x?x-id=GetObject", "", "GetObject: s3:GetObject arn:aws:s3:::b/x"),
            ("GET /b/x?versionId=1", "", "GetObject: s3:GetObjectVersion arn:aws:s3:::b/x"),
            ("HEAD /b/x", "", "HeadObject: s3:GetObject arn:aws:s3:::b/x"),
            ("PUT /b/x", "", "PutObject: s3:PutObject arn:aws:s3:::b/x"),
            ("PUT /b/x?partNumber=1&uploadId=u", "", "UploadPart: s3:PutObject arn:aws:s3:::b/x"),
            ("POST /b/x?uploads", "", "CreateMultipartUpload: s3:PutObject arn:aws:s3:::b/x"),
            ("POST /b/x?uploadId=u", "", "CompleteMultipartUpload: s3:PutObject arn:aws:s3:::b/x"),
            ("DELETE /b/x?uploadId=u", "", "AbortMultipartUpload: s3:AbortMultipartUpload arn:aws:s3:::b/x"),
            ("GET /b/x?uploadId=u", "", "ListParts: s3:ListMultipartUploadParts arn:aws:s3:::b/x"),
            ("DELETE /b/x", "", "DeleteObject: s3:DeleteObject arn:aws:s3:::b/x"),
            (
                "POST /b?delete",
                keys,
                "DeleteObjects: s3:DeleteObject arn:aws:s3:::b/a/1; s3:DeleteObject arn:aws:s3:::b/a&2",
            ),
            (
                "GET /b?list-type=2&prefix=root%2Fp1%2F&delimiter=%2F",
                "",
                "ListObjectsV2: s3:ListBucket arn:aws:s3:::b s3:delimiter=/ s3:prefix=root/p1/",
            ),
            ("GET /b?list-type=2", "", "ListObjectsV2: s3:ListBucket arn:aws:s3:::b"),
            ("GET /b/", "", "ListObjects: s3:ListBucket arn:aws:s3:::b"),
            ("HEAD /b", "", "HeadBucket: s3:ListBucket arn:aws:s3:::b"),
            ("GET /b?location", "", "GetBucketLocation: s3:GetBucketLocation arn:aws:s3:::b"),
            ("GET /b?encryption", "", "GetBucketEncryption: s3:GetEncryptionConfiguration arn:aws:s3:::b"),
            ("GET /b?uploads", "", "ListMultipartUploads: s3:ListBucketMultipartUploads arn:aws:s3:::b"),
            ("PUT /b", "", "CreateBucket: s3:CreateBucket arn:aws:s3:::b"),
            ("DELETE /b", "", "DeleteBucket: s3:DeleteBucket arn:aws:s3:::b"),
            ("GET /", "", "ListBuckets: s3:ListAllMyBuckets *"),
            ("GET /b/x?torrent", "", "GET ?torrent: unread:GET ?torrent arn:aws:s3:::b/x"),
            ("PUT /b?policy", "", "PUT ?policy: unread:PUT ?policy arn:aws:s3:::b"),
        ];
        for (line, body, told_as) in cases {
            let reading = reading(&asked(line, &[], body), &signed("s3"));
            assert_eq!(told(&reading), told_as, "{line}");
            assert_eq!(reading.is_head, line.starts_with("HEAD"), "{line}");
        }
    }

    #[test]
    fn a_copy_reads_its_source_and_a_conditional_put_says_so() {
        let copy = asked("PUT /b/x", &[("x-amz-copy-source", "/c/from%2Fhere?versionId=3")], "");
        let told_as = "CopyObject: s3:PutObject arn:aws:s3:::b/x; s3:GetObject arn:aws:s3:::c/from/here";
        assert_eq!(told(&reading(&copy, &signed("s3"))), told_as);
        let put = asked("PUT /b/x", &[("if-none-match", "*")], "");
        let told_as = "PutObject: s3:PutObject arn:aws:s3:::b/x s3:if-none-match=*";
        assert_eq!(told(&reading(&put, &signed("s3"))), told_as);
    }

    #[test]
    fn dynamodb_requests_are_read_as_iam_checks_them() {
        let table = "arn:aws:dynamodb:eu-west-1:123456789012:table/t";
        let cases = [
            (
                "GetItem",
                r#"{"TableName":"t","Key":{"pk":{"S":"a"}},"ConsistentRead":true}"#,
                format!(r#"GetItem: dynamodb:GetItem {table} {{"pk":{{"S":"a"}}}}"#),
                Some(true),
            ),
            (
                "Query",
                r#"{"TableName":"t","IndexName":"i"}"#,
                format!("Query: dynamodb:Query {table}/index/i"),
                Some(false),
            ),
            (
                "PutItem",
                r#"{"TableName":"t","Item":{"pk":{"S":"a"},"sk":{"S":"b"},"n":{"N":"1"}}}"#,
                format!(r#"PutItem: dynamodb:PutItem {table} {{"pk":{{"S":"a"}},"sk":{{"S":"b"}}}}"#),
                None,
            ),
            (
                "TransactWriteItems",
                r#"{"TransactItems":[{"Put":{"TableName":"t","Item":{}}},{"Update":{"TableName":"t"}},
                    {"Delete":{"TableName":"t"}},{"ConditionCheck":{"TableName":"u"}}]}"#,
                format!(
                    "TransactWriteItems: dynamodb:PutItem {table}; dynamodb:UpdateItem {table}; \
                     dynamodb:DeleteItem {table}; dynamodb:ConditionCheckItem {}u",
                    table.strip_suffix('t').unwrap()
                ),
                None,
            ),
            (
                "TransactGetItems",
                r#"{"TransactItems":[{"Get":{"TableName":"t"}}]}"#,
                format!("TransactGetItems: dynamodb:GetItem {table}"),
                None,
            ),
            (
                "BatchGetItem",
                r#"{"RequestItems":{"t":{"Keys":[{"pk":{"S":"a"}}],"ConsistentRead":true}}}"#,
                format!("BatchGetItem: dynamodb:BatchGetItem {table}"),
                Some(true),
            ),
            (
                "BatchWriteItem",
                r#"{"RequestItems":{"t":[{"PutRequest":{"Item":{}}}]}}"#,
                format!("BatchWriteItem: dynamodb:BatchWriteItem {table}"),
                None,
            ),
            ("ListTables", "{}", "ListTables: dynamodb:ListTables *".to_owned(), None),
        ];
        for (operation, body, told_as, consistent) in cases {
            let target = format!("DynamoDB_20120810.{operation}");
            let reading = reading(&asked("POST /", &[("x-amz-target", &target)], body), &signed("dynamodb"));
            assert_eq!(told(&reading), told_as);
            assert_eq!(reading.consistent, consistent, "{operation}");
        }
    }

    #[test]
    fn a_transaction_costs_two_units_for_each_started_kb_of_each_item() {
        let put = |n: usize| json!({"Put": {"TableName": "t", "Item": {"pk": {"S": "a"}, "v": {"S": "x".repeat(n)}}}});
        let check = json!({"ConditionCheck": {"TableName": "t", "Key": {"pk": {"S": "b"}}}});
        let nested = json!({"Put": {"TableName": "t", "Item": {"m": {"M": {"l": {"L": [{"S": "x".repeat(1_020)}]}}}}}});
        let cases = [
            (vec![put(10)], 2.0),
            (vec![put(10), put(10)], 4.0),
            (vec![put(1_020), put(1_021)], 6.0),
            (vec![put(2_000), check.clone()], 6.0),
            (vec![nested], 4.0),
        ];
        for (items, units) in cases {
            let body = json!({ "TransactItems": items }).to_string();
            let target = [("x-amz-target", "DynamoDB_20120810.TransactWriteItems")];
            let read = reading(&asked("POST /", &target, &body), &signed("dynamodb"));
            assert_eq!(read.capacity_units, Some(units), "{body}");
        }
    }

    #[test]
    fn queues_keys_and_secrets_are_read_from_their_json() {
        let queue = "arn:aws:sqs:eu-west-1:123456789012:q";
        let url = r#"{"QueueUrl":"http://127.0.0.1:1/123456789012/q"}"#;
        let key = "arn:aws:kms:eu-west-1:123456789012:key/k1";
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-AbCdEf";
        let cases = [
            ("sqs", "AmazonSQS.SendMessage", url, format!("SendMessage: sqs:SendMessage {queue}")),
            ("sqs", "AmazonSQS.SendMessageBatch", url, format!("SendMessageBatch: sqs:SendMessage {queue}")),
            ("sqs", "AmazonSQS.DeleteMessageBatch", url, format!("DeleteMessageBatch: sqs:DeleteMessage {queue}")),
            ("sqs", "AmazonSQS.GetQueueUrl", r#"{"QueueName":"q"}"#, format!("GetQueueUrl: sqs:GetQueueUrl {queue}")),
            (
                "kms",
                "TrentService.Encrypt",
                r#"{"KeyId":"k1","EncryptionContext":{"project":"p1"}}"#,
                format!("Encrypt: kms:Encrypt {key} kms:EncryptionContext:project=p1"),
            ),
            ("kms", "TrentService.Decrypt", "{}", "Decrypt: kms:Decrypt *".to_owned()),
            (
                "secretsmanager",
                "secretsmanager.GetSecretValue",
                &format!(r#"{{"SecretId":"{secret}"}}"#),
                format!("GetSecretValue: secretsmanager:GetSecretValue {secret}"),
            ),
            (
                "secretsmanager",
                "secretsmanager.GetSecretValue",
                r#"{"SecretId":"s"}"#,
                "GetSecretValue: secretsmanager:GetSecretValue \
                 arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-000000"
                    .to_owned(),
            ),
        ];
        for (service, target, body, told_as) in cases {
            let reading = reading(&asked("POST /", &[("x-amz-target", target)], body), &signed(service));
            assert_eq!(told(&reading), told_as);
        }
    }

    #[test]
    fn forms_are_read_and_an_assumed_role_keeps_what_was_asked_for() {
        let body = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A2%3Arole%2Fr&ExternalId=e%2F1\
                    &RoleSessionName=s&Policy=%7B%7D";
        let assumed = reading(&asked("POST /", &[], body), &signed("sts"));
        assert_eq!(told(&assumed), "AssumeRole: sts:AssumeRole arn:aws:iam::2:role/r sts:ExternalId=e/1");
        let expected = Assumed {
            role: "arn:aws:iam::2:role/r".to_owned(),
            external_id: Some("e/1".to_owned()),
            policy: Some("{}".to_owned()),
            session_name: Some("s".to_owned()),
            access_key: None,
        };
        assert_eq!(assumed.assumed, Some(expected));
        let caller = reading(&asked("POST /", &[], "Action=GetCallerIdentity"), &signed("sts"));
        assert_eq!(told(&caller), "GetCallerIdentity: ");
        let body = "Action=SendMessage&QueueUrl=http%3A%2F%2Fx%2F123456789012%2Fq";
        let told_as = "SendMessage: sqs:SendMessage arn:aws:sqs:eu-west-1:123456789012:q";
        assert_eq!(told(&reading(&asked("POST /123456789012/q", &[], body), &signed("sqs"))), told_as);
    }

    #[test]
    fn paths_of_rest_services_are_read() {
        let function = "arn:aws:lambda:eu-west-1:123456789012:function:plimsoll-query";
        let cases = [
            (
                "lambda",
                "POST /2015-03-31/functions/plimsoll-query/invocations?Qualifier=live".to_owned(),
                format!("Invoke: lambda:InvokeFunction {function}:live"),
            ),
            (
                "lambda",
                format!("POST /2015-03-31/functions/{}%3Alive/invocations", function.replace(':', "%3A")),
                format!("Invoke: lambda:InvokeFunction {function}:live"),
            ),
            (
                "ses",
                "POST /v2/email/outbound-emails".to_owned(),
                "SendEmail: ses:SendEmail arn:aws:ses:eu-west-1:123456789012:identity/a@b.example".to_owned(),
            ),
            ("ses", "GET /v2/email/account".to_owned(), "GetAccount: ses:GetAccount *".to_owned()),
            ("states", "POST /x/y".to_owned(), "POST /x/y: unread:POST /x/y *".to_owned()),
        ];
        for (service, line, told_as) in cases {
            let body = r#"{"FromEmailAddress":"Plimsoll <a@b.example>"}"#;
            assert_eq!(told(&reading(&asked(&line, &[], body), &signed(service))), told_as);
        }
    }
}
