//! S3's REST requests, path style: `/bucket/key?subresource`.
//! Source of the actions: "Actions, resources, and condition keys for Amazon S3" (Service Authorization Reference).

use percent_encoding::percent_decode_str;

use super::super::Need;
use super::{Asked, Protocol, Reading, parameter, parameters};

/// Query parameters that change nothing about which action is checked.
const PLAIN: [&str; 14] = [
    "x-id",
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "continuation-token",
    "start-after",
    "fetch-owner",
    "encoding-type",
    "marker",
    "partNumber",
    "uploadId",
    "versionId",
    "key-marker",
];

pub(super) fn reading(asked: &Asked) -> Reading {
    let (bucket, key) = bucket_and_key(asked.head.uri.path());
    let parameters = parameters(asked);
    let read = Subject { asked, bucket: &bucket, key: &key, parameters: &parameters };
    let (operation, needs) = match (bucket.is_empty(), key.is_empty()) {
        (true, _) => ("ListBuckets".to_owned(), vec![Need::new("s3:ListAllMyBuckets", "*")]),
        (false, true) => read.of_bucket(),
        (false, false) => read.of_object(),
    };
    let is_head = asked.head.method == http::Method::HEAD;
    Reading { protocol: Protocol::S3, needs, is_head, ..Reading::named("s3", &operation) }
}

struct Subject<'a> {
    asked: &'a Asked,
    bucket: &'a str,
    key: &'a str,
    parameters: &'a [(String, String)],
}

impl Subject<'_> {
    fn of_object(&self) -> (String, Vec<Need>) {
        let object = object_arn(self.bucket, self.key);
        let one = |operation: &str, action: &str| (operation.to_owned(), vec![Need::new(action, object.clone())]);
        let upload = parameter(self.parameters, "uploadId").is_some();
        let version = parameter(self.parameters, "versionId").is_some();
        match (self.asked.head.method.as_str(), self.subresource()) {
            ("GET", None) if upload => one("ListParts", "s3:ListMultipartUploadParts"),
            ("GET", None) if version => one("GetObject", "s3:GetObjectVersion"),
            ("GET", None) => one("GetObject", "s3:GetObject"),
            ("HEAD", None) if version => one("HeadObject", "s3:GetObjectVersion"),
            ("HEAD", None) => one("HeadObject", "s3:GetObject"),
            ("PUT", None) if upload => self.put("UploadPart", "UploadPartCopy", object),
            ("PUT", None) => self.put("PutObject", "CopyObject", object),
            ("POST", Some("uploads")) => one("CreateMultipartUpload", "s3:PutObject"),
            ("POST", None) if upload => ("CompleteMultipartUpload".to_owned(), vec![self.conditional_put(object)]),
            ("DELETE", None) if upload => one("AbortMultipartUpload", "s3:AbortMultipartUpload"),
            ("DELETE", None) if version => one("DeleteObject", "s3:DeleteObjectVersion"),
            ("DELETE", None) => one("DeleteObject", "s3:DeleteObject"),
            (method, other) => unread(method, other, object),
        }
    }

    fn of_bucket(&self) -> (String, Vec<Need>) {
        let bucket = format!("arn:aws:s3:::{}", self.bucket);
        let one = |operation: &str, action: &str| (operation.to_owned(), vec![Need::new(action, bucket.clone())]);
        match (self.asked.head.method.as_str(), self.subresource()) {
            ("GET", None) => self.list(bucket),
            ("HEAD", None) => one("HeadBucket", "s3:ListBucket"),
            ("GET", Some("location")) => one("GetBucketLocation", "s3:GetBucketLocation"),
            ("GET", Some("encryption")) => one("GetBucketEncryption", "s3:GetEncryptionConfiguration"),
            ("GET", Some("versioning")) => one("GetBucketVersioning", "s3:GetBucketVersioning"),
            ("GET", Some("lifecycle")) => one("GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
            ("GET", Some("uploads")) => one("ListMultipartUploads", "s3:ListBucketMultipartUploads"),
            ("PUT", None) => one("CreateBucket", "s3:CreateBucket"),
            ("DELETE", None) => one("DeleteBucket", "s3:DeleteBucket"),
            ("POST", Some("delete")) => self.delete_many(),
            (method, other) => unread(method, other, bucket),
        }
    }

    fn put(&self, operation: &str, copying: &str, object: String) -> (String, Vec<Need>) {
        let source = self.asked.head.headers.get("x-amz-copy-source").and_then(|source| source.to_str().ok());
        let put = self.conditional_put(object);
        let Some(source) = source else { return (operation.to_owned(), vec![put]) };
        let path = source.split('?').next().unwrap_or_default();
        let (bucket, key) = bucket_and_key(&format!("/{}", path.trim_start_matches('/')));
        (copying.to_owned(), vec![put, Need::new("s3:GetObject", object_arn(&bucket, &key))])
    }

    fn conditional_put(&self, object: String) -> Need {
        let need = Need::new("s3:PutObject", object);
        let condition = |header: &str| self.asked.head.headers.get(header).and_then(|value| value.to_str().ok());
        match (condition("if-none-match"), condition("if-match")) {
            (Some(value), _) => need.with("s3:if-none-match", value),
            (None, Some(value)) => need.with("s3:if-match", value),
            (None, None) => need,
        }
    }

    fn list(&self, bucket: String) -> (String, Vec<Need>) {
        let is_v2 = parameter(self.parameters, "list-type") == Some("2");
        let mut need = Need::new("s3:ListBucket", bucket);
        for key in ["prefix", "delimiter", "max-keys"] {
            if let Some(value) = parameter(self.parameters, key) {
                need = need.with(&format!("s3:{key}"), value);
            }
        }
        ((if is_v2 { "ListObjectsV2" } else { "ListObjects" }).to_owned(), vec![need])
    }

    /// Each key is checked by itself; one that lacks permission is an error within the answer.
    fn delete_many(&self) -> (String, Vec<Need>) {
        let body = String::from_utf8_lossy(&self.asked.body);
        let keys = body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        let need = |key| Need::new("s3:DeleteObject", object_arn(self.bucket, &unescaped(key)));
        ("DeleteObjects".to_owned(), keys.map(need).collect())
    }

    /// The parameter that makes it another operation: `?uploads`, `?location`.
    fn subresource(&self) -> Option<&str> {
        let names = self.parameters.iter().map(|(name, _)| name.as_str());
        names.into_iter().find(|name| {
            let of_signature = name.to_ascii_lowercase().starts_with("x-amz-");
            let of_answer = name.starts_with("response-");
            !of_signature && !of_answer && !PLAIN.contains(name)
        })
    }
}

/// No policy allows an action of this name, so a request that this file does not know is found by the check.
fn unread(method: &str, subresource: Option<&str>, resource: String) -> (String, Vec<Need>) {
    let name = format!("{method} ?{}", subresource.unwrap_or_default());
    (name.clone(), vec![Need::new(format!("unread:{name}"), resource)])
}

fn bucket_and_key(path: &str) -> (String, String) {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let path = decode(path.strip_prefix('/').unwrap_or(path));
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    (bucket.to_owned(), key.to_owned())
}

fn object_arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

fn unescaped(xml: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    named.iter().fold(xml.to_owned(), |text, (from, to)| text.replace(from, to))
}
