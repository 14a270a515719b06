//! What the logical ids of a template stand for in one deployed stack, and the intrinsic functions resolved with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cloud::proxy::ACCOUNT;

/// What `Ref` and `Fn::GetAtt` give, by `LogicalId` and `LogicalId.Attribute`; parameters and `AWS::Region` too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    pub fn new<K: Into<String>, V: Into<String>>(names: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(names.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// What the roles in `template.yaml` name, in a stack with these resources.
    pub fn of_stack(region: &str, table: &str, bucket: &str, queue: &str) -> Self {
        let logs = |function: &str| {
            let name = format!("{function}Logs.Arn");
            (name, format!("arn:aws:logs:{region}:{ACCOUNT}:log-group:/aws/lambda/{}:*", function.to_lowercase()))
        };
        let stores = [
            ("AWS::Partition".to_owned(), "aws".to_owned()),
            ("Table.Arn".to_owned(), format!("arn:aws:dynamodb:{region}:{ACCOUNT}:table/{table}")),
            ("Bucket.Arn".to_owned(), format!("arn:aws:s3:::{bucket}")),
            ("TriggerQueue.Arn".to_owned(), format!("arn:aws:sqs:{region}:{ACCOUNT}:{queue}")),
        ];
        Self::new(stores.into_iter().chain(["Ingest", "Compact", "Query", "Api"].map(logs)))
    }

    pub fn get(&self, name: &str) -> &str {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("the journal does not say what {name} stands for: {:?}", self.0.keys()))
    }

    /// The text of a value in a template.
    pub fn resolve(&self, value: &Value) -> String {
        if let Some(text) = value.as_str() {
            return text.to_owned();
        }
        let function = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
        let Some((function, argument)) = function else { panic!("not a text: {value}") };
        match (function.as_str(), argument) {
            ("Ref", Value::String(name)) => self.get(name).to_owned(),
            ("Fn::GetAtt", Value::String(name)) => self.get(name).to_owned(),
            ("Fn::GetAtt", Value::Array(path)) => {
                let path: Vec<_> = path.iter().map(|part| self.resolve(part)).collect();
                self.get(&path.join(".")).to_owned()
            }
            ("Fn::Sub", Value::String(text)) => self.substituted(text, &Names::default()),
            ("Fn::Sub", Value::Array(parts)) => {
                let [Value::String(text), Value::Object(own)] = parts.as_slice() else {
                    panic!("not a Fn::Sub: {value}")
                };
                let own = Names::new(own.iter().map(|(name, value)| (name.as_str(), self.resolve(value))));
                self.substituted(text, &own)
            }
            ("Fn::Join", Value::Array(parts)) => {
                let [Value::String(between), Value::Array(parts)] = parts.as_slice() else {
                    panic!("not a Fn::Join: {value}")
                };
                parts.iter().map(|part| self.resolve(part)).collect::<Vec<_>>().join(between)
            }
            _ => panic!("{function} is not understood here: {value}"),
        }
    }

    /// `${Name}` and `${Name.Attribute}`; `${!Literal}` stands for `${Literal}`.
    fn substituted(&self, text: &str, own: &Names) -> String {
        let mut parts = text.split("${");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or_else(|| panic!("an open ${{ in {text}"));
            match name.strip_prefix('!') {
                Some(literal) => out += &format!("${{{literal}}}"),
                None => out += own.0.get(name).map_or_else(|| self.get(name), String::as_str),
            }
            out += rest;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn intrinsic_functions_are_resolved() {
        let names = Names::new([("Bucket", "b"), ("Bucket.Arn", "arn:aws:s3:::b"), ("AWS::Region", "eu-west-1")]);
        let cases = [
            (json!("plain"), "plain"),
            (json!({"Ref": "Bucket"}), "b"),
            (json!({"Fn::GetAtt": ["Bucket", "Arn"]}), "arn:aws:s3:::b"),
            (json!({"Fn::GetAtt": "Bucket.Arn"}), "arn:aws:s3:::b"),
            (json!({"Fn::Sub": "${Bucket.Arn}/x-${AWS::Region}/*"}), "arn:aws:s3:::b/x-eu-west-1/*"),
            (json!({"Fn::Sub": ["${Own}/${!aws:username}", {"Own": {"Ref": "Bucket"}}]}), "b/${aws:username}"),
            (json!({"Fn::Join": ["/", ["a", {"Ref": "Bucket"}]]}), "a/b"),
        ];
        for (value, text) in cases {
            assert_eq!(names.resolve(&value), text, "{value}");
        }
    }

    #[test]
    #[should_panic(expected = "the journal does not say what Queue stands for")]
    fn an_unknown_name_ends_the_test() {
        Names::default().resolve(&json!({"Ref": "Queue"}));
    }
}
