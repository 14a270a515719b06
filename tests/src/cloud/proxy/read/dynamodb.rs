//! DynamoDB's JSON requests. IAM checks a transaction item by item, under the names of the single operations.
//! Source: "Using IAM with DynamoDB transactions" (DynamoDB Developer Guide).

use serde_json::{Map, Value};

use super::super::{ACCOUNT, Need};
use super::{Asked, Protocol, Reading, target};

/// The key attributes of Plimsoll's one table: enough to tell an item in the journal.
const KEY_ATTRIBUTES: [&str; 2] = ["pk", "sk"];

pub(super) fn reading(asked: &Asked, region: &str) -> Reading {
    let operation = target(asked).unwrap_or("without a target");
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let tables = Tables { region };
    let needs = match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let items = body["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object);
            items.flatten().map(|(kind, item)| tables.need(checked_as(kind), item)).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let names = body["RequestItems"].as_object().into_iter().flat_map(Map::keys);
            names.map(|table| Need::new(format!("dynamodb:{operation}"), tables.arn(table))).collect()
        }
        single => vec![tables.need(single, &body)],
    };
    let consistent = match operation {
        "GetItem" | "Query" | "Scan" => Some(body["ConsistentRead"] == true),
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flat_map(Map::values);
            Some(tables.into_iter().all(|table| table["ConsistentRead"] == true))
        }
        _ => None,
    };
    let capacity_units = (operation == "TransactWriteItems").then(|| transaction_units(&body));
    Reading { protocol: Protocol::DynamoDb, needs, consistent, capacity_units, ..Reading::named("dynamodb", operation) }
}

/// What DynamoDB counts for a transaction that writes: two units for each started KB of each item. DynamoDB Local counts
/// only the largest item. The size of an item that is updated or deleted is known only as far as the request says it.
fn transaction_units(body: &Value) -> f64 {
    const UNIT_BYTES: usize = 1024;
    let items = body["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object);
    let bytes = items.flatten().map(|(_, item)| {
        let written = [&item["Item"], &item["Key"], &item["ExpressionAttributeValues"]];
        written.into_iter().filter_map(Value::as_object).map(attributes_bytes).sum::<usize>()
    });
    bytes.map(|bytes| 2.0 * bytes.div_ceil(UNIT_BYTES).max(1) as f64).sum()
}

/// Names in UTF-8, and values: text and bytes as long as they are, numbers about half their digits, one byte for others.
/// Source: "DynamoDB item sizes and formats" (Developer Guide).
fn attributes_bytes(attributes: &Map<String, Value>) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    const OF_COLLECTION: usize = 3;
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else { return 0 };
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => text.len(),
        ("B", Value::String(base64)) => base64.len() / 4 * 3,
        ("N", Value::String(number)) => number.len() / 2 + 1,
        ("M", Value::Object(entries)) => OF_COLLECTION + entries.len() + attributes_bytes(entries),
        ("L", Value::Array(values)) => OF_COLLECTION + values.len() + values.iter().map(value_bytes).sum::<usize>(),
        ("SS" | "NS" | "BS", Value::Array(values)) => {
            values.iter().filter_map(Value::as_str).map(str::len).sum::<usize>() + OF_COLLECTION
        }
        _ => 1,
    }
}

/// The action for an item of a transaction.
fn checked_as(kind: &str) -> &str {
    match kind {
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        "ConditionCheck" => "ConditionCheckItem",
        "Get" => "GetItem",
        other => other,
    }
}

struct Tables<'a> {
    region: &'a str,
}

impl Tables<'_> {
    fn need(&self, action: &str, asked: &Value) -> Need {
        let table = asked["TableName"].as_str().map(|name| self.arn(name));
        let resource = match (table, asked["IndexName"].as_str()) {
            (Some(table), Some(index)) => format!("{table}/index/{index}"),
            (Some(table), None) => table,
            (None, _) => "*".to_owned(),
        };
        let key = asked["Key"].as_object().or_else(|| asked["Item"].as_object());
        Need { item: key.and_then(key_of), ..Need::new(format!("dynamodb:{action}"), resource) }
    }

    fn arn(&self, table: &str) -> String {
        if table.starts_with("arn:") {
            return table.to_owned();
        }
        format!("arn:aws:dynamodb:{}:{ACCOUNT}:table/{table}", self.region)
    }
}

fn key_of(item: &Map<String, Value>) -> Option<String> {
    let of_key = |(name, _): &(&String, &Value)| KEY_ATTRIBUTES.contains(&name.as_str());
    let key: Map<_, _> = item.iter().filter(of_key).map(|(name, value)| (name.clone(), value.clone())).collect();
    (!key.is_empty()).then(|| Value::Object(key).to_string())
}
