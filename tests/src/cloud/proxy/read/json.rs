//! SQS, KMS and Secrets Manager, whose requests are one JSON object and a target header.

use serde_json::Value;

use super::super::{ACCOUNT, Need};
use super::{Asked, Protocol, Reading, target};

/// Secrets Manager ends a secret's ARN with six characters of its own; stands for them where only the name is known.
const ANY_SUFFIX: &str = "000000";

pub(super) fn reading(asked: &Asked, service: &str, region: &str) -> Reading {
    let operation = target(asked).unwrap_or("without a target");
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str();
    let need = match service {
        "sqs" => queue_need(operation, text("QueueUrl").or(text("QueueName")), region),
        "kms" => key_need(operation, &body, region),
        _ => Need::new(
            format!("{service}:{operation}"),
            text("SecretId").map_or("*".to_owned(), |id| secret(id, region)),
        ),
    };
    Reading { protocol: Protocol::Json, needs: vec![need], ..Reading::named(service, operation) }
}

/// A batch is checked as its single operation. `queue`: its URL or name.
pub(super) fn queue_need(operation: &str, queue: Option<&str>, region: &str) -> Need {
    let action = format!("sqs:{}", operation.strip_suffix("Batch").unwrap_or(operation));
    let name = queue.map(|queue| queue.rsplit_once('/').map_or(queue, |(_, name)| name));
    Need::new(action, name.map_or("*".to_owned(), |name| format!("arn:aws:sqs:{region}:{ACCOUNT}:{name}")))
}

/// Decrypt may leave the key to what the ciphertext names.
fn key_need(operation: &str, body: &Value, region: &str) -> Need {
    let key = body["KeyId"].as_str().map_or("*".to_owned(), |id| match id {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        alias if alias.starts_with("alias/") => format!("arn:aws:kms:{region}:{ACCOUNT}:{alias}"),
        id => format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}"),
    });
    let context = body["EncryptionContext"].as_object().into_iter().flatten();
    let context = context.filter_map(|(name, value)| Some((name, value.as_str()?)));
    let need = Need::new(format!("kms:{operation}"), key);
    context.fold(need, |need, (name, value)| need.with(&format!("kms:EncryptionContext:{name}"), value))
}

fn secret(id: &str, region: &str) -> String {
    if id.starts_with("arn:") {
        return id.to_owned();
    }
    format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{id}-{ANY_SUFFIX}")
}
