//! The query protocol: a form in the body, XML back. STS, CloudFormation, and SQS of old clients.

use super::super::{Assumed, Need};
use super::json::queue_need;
use super::{Asked, Protocol, Reading, parameter};

pub(super) fn reading(asked: &Asked, service: &str, region: &str) -> Reading {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
    let field = |name: &str| parameter(&form, name);
    let operation = field("Action").unwrap_or("without an action");
    let reading = Reading { protocol: Protocol::Query, ..Reading::named(service, operation) };
    match (service, operation) {
        // IAM checks nothing for it: anybody may ask who they are.
        ("sts", "GetCallerIdentity") => reading,
        ("sts", "AssumeRole") => {
            let role = field("RoleArn").unwrap_or_default();
            let external_id = field("ExternalId");
            let need = Need::new("sts:AssumeRole", role);
            let need = external_id.into_iter().fold(need, |need, id| need.with("sts:ExternalId", id));
            let assumed = Assumed {
                role: role.to_owned(),
                external_id: external_id.map(str::to_owned),
                policy: field("Policy").map(str::to_owned),
                session_name: field("RoleSessionName").map(str::to_owned),
                access_key: None,
            };
            Reading { needs: vec![need], assumed: Some(assumed), ..reading }
        }
        ("sqs", operation) => {
            let path = asked.head.uri.path();
            let queue = field("QueueUrl").or(field("QueueName")).or((path != "/").then_some(path));
            Reading { needs: vec![queue_need(operation, queue, region)], ..reading }
        }
        (service, operation) => Reading { needs: vec![Need::new(format!("{service}:{operation}"), "*")], ..reading },
    }
}

/// The id in an answer to AssumeRole.
pub(in super::super) fn issued_access_key(xml: &[u8]) -> Option<String> {
    let xml = String::from_utf8_lossy(xml);
    let (_, rest) = xml.split_once("<AccessKeyId>")?;
    let (id, _) = rest.split_once("</AccessKeyId>")?;
    Some(id.trim().to_owned())
}
