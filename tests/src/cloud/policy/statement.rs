//! One statement of a policy, and whether it grants what a call needs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Names;
use super::wildcard::fits;
use crate::cloud::proxy::Need;

/// An `Allow`: each action on each resource, if the conditions hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sid: String,
    pub actions: Vec<String>,
    /// As the policy says them, unresolved.
    pub resources: Vec<Value>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
struct Condition {
    operator: String,
    key: String,
    values: Vec<Value>,
}

impl Statement {
    /// Every statement of a policy document.
    pub fn all_of(document: &Value) -> Vec<Self> {
        one_or_many(&document["Statement"]).iter().map(Self::of).collect()
    }

    fn of(statement: &Value) -> Self {
        let fields = statement.as_object().unwrap_or_else(|| panic!("not a statement: {statement}"));
        let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
        let unknown = fields.keys().find(|name| !known.contains(&name.as_str()));
        assert!(unknown.is_none(), "{unknown:?} is not understood here: {statement}");
        assert_eq!(fields.get("Effect"), Some(&Value::from("Allow")), "only Allow is understood here: {statement}");
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("not an action: {value}")).to_owned();
        Self {
            sid: statement["Sid"].as_str().unwrap_or_default().to_owned(),
            actions: one_or_many(&statement["Action"]).iter().map(text).collect(),
            resources: one_or_many(&statement["Resource"]),
            conditions: statement["Condition"].as_object().into_iter().flatten().flat_map(conditions).collect(),
        }
    }

    /// Which of its actions and resources grants the need; none: it does not.
    pub fn grants(&self, need: &Need, names: &Names) -> Option<(&str, &Value)> {
        let action = self.actions.iter().find(|action| fits(&action.to_lowercase(), &need.action.to_lowercase()))?;
        let resource = self.resources.iter().find(|resource| fits(&names.resolve(resource), &need.resource))?;
        self.conditions
            .iter()
            .all(|condition| condition.holds(&need.context, names))
            .then_some((action.as_str(), resource))
    }

    /// What the values of a condition key are limited to; none: they are not limited.
    pub fn limits_of(&self, key: &str, names: &Names) -> Option<Vec<String>> {
        let of_key = self.conditions.iter().find(|condition| condition.key.eq_ignore_ascii_case(key))?;
        Some(of_key.values.iter().map(|value| names.resolve(value)).collect())
    }
}

fn conditions((operator, keys): (&String, &Value)) -> Vec<Condition> {
    let keys: &Map<String, Value> = keys.as_object().unwrap_or_else(|| panic!("not a condition: {keys}"));
    let condition = |(key, values): (&String, &Value)| Condition {
        operator: operator.clone(),
        key: key.clone(),
        values: one_or_many(values),
    };
    keys.iter().map(condition).collect()
}

impl Condition {
    /// Any of the values fits; a key that the call does not have fits nothing.
    fn holds(&self, context: &BTreeMap<String, Vec<String>>, names: &Names) -> bool {
        let has =
            context.iter().find(|(key, _)| key.eq_ignore_ascii_case(&self.key)).map(|(_, values)| values.as_slice());
        let values: Vec<String> = self.values.iter().map(|value| names.resolve(value)).collect();
        let like = |text: &String| values.iter().any(|value| fits(value, text));
        let equals = |text: &String| values.contains(text);
        let has = has.unwrap_or_default();
        match self.operator.as_str() {
            "StringLike" => !has.is_empty() && has.iter().all(like),
            "StringEquals" => !has.is_empty() && has.iter().all(equals),
            "StringLikeIfExists" | "ForAllValues:StringLike" => has.iter().all(like),
            "StringEqualsIfExists" | "ForAllValues:StringEquals" => has.iter().all(equals),
            other => panic!("the condition {other} is not understood here"),
        }
    }
}

fn one_or_many(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(many) => many.clone(),
        one => vec![one.clone()],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn need(action: &str, resource: &str, context: &[(&str, &str)]) -> Need {
        let context = context.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
        Need { action: action.to_owned(), resource: resource.to_owned(), item: None, context }
    }

    #[test]
    fn a_statement_grants_what_action_resource_and_condition_say() {
        let names = Names::new([("Bucket.Arn", "arn:aws:s3:::b")]);
        let read = json!({"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": {"Fn::Sub": "${Bucket.Arn}/root/*"}});
        let list = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": {"Fn::GetAtt": ["Bucket", "Arn"]},
            "Condition": {"StringLike": {"s3:prefix": ["root/*", "other"]}}});
        let exact = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*",
            "Condition": {"StringEquals": {"s3:prefix": "root/*"}}});
        let cases = [
            (&read, need("s3:GetObject", "arn:aws:s3:::b/root/x", &[]), true),
            (&read, need("s3:getobject", "arn:aws:s3:::b/root/x", &[]), true),
            (&read, need("s3:DeleteObject", "arn:aws:s3:::b/root/x", &[]), false),
            (&read, need("s3:GetObject", "arn:aws:s3:::b/x", &[]), false),
            (&list, need("s3:ListBucket", "arn:aws:s3:::b", &[("s3:prefix", "root/p1/")]), true),
            (&list, need("s3:ListBucket", "arn:aws:s3:::b", &[("s3:prefix", "")]), false),
            (&list, need("s3:ListBucket", "arn:aws:s3:::b", &[]), false),
            (&exact, need("s3:ListBucket", "arn:aws:s3:::b", &[("s3:prefix", "root/p1/")]), false),
            (&exact, need("s3:ListBucket", "arn:aws:s3:::b", &[("s3:prefix", "root/*")]), true),
        ];
        for (statement, need, granted) in cases {
            let statements = Statement::all_of(&json!({ "Statement": [statement] }));
            assert_eq!(statements[0].grants(&need, &names).is_some(), granted, "{statement} {need:?}");
        }
    }

    #[test]
    fn what_is_not_understood_ends_the_test() {
        let documents = [
            json!({"Statement": {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}}),
            json!({"Statement": {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}}),
            json!({"Statement": {"Effect": "Allow", "Action": "a:b", "Resource": "*",
                "Condition": {"DateLessThan": {"aws:CurrentTime": "x"}}}}),
        ];
        for document in documents {
            let judged = std::panic::catch_unwind(|| {
                Statement::all_of(&document)
                    .iter()
                    .all(|s| s.grants(&need("a:b", "c", &[]), &Names::default()).is_some())
            });
            assert!(judged.is_err(), "{document}");
        }
    }
}
