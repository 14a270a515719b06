//! `template.yaml` as CloudFormation would read it, as far as the dev cloud goes: parameters and their defaults, conditions,
//! mappings, and the functions of both, so that nothing that the template says is said a second time here.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::{ACCOUNT, REGION};
use crate::programs;

/// Conditions may name conditions; deeper than this they name themselves.
const DEPTH_MAX: usize = 32;

/// A template with the values of its parameters and the names of what was made of it.
#[derive(Clone, Debug)]
pub struct Template {
    whole: Value,
    stack: String,
    parameters: BTreeMap<String, String>,
    made: BTreeMap<String, Made>,
}

/// What `Ref` and `GetAtt` say of a resource.
#[derive(Clone, Debug, Default)]
pub struct Made {
    pub reference: String,
    pub attributes: BTreeMap<&'static str, String>,
}

/// What is wrong with a template, or not known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct TemplateError {
    at: String,
    what: String,
}

fn wrong(at: impl ToString, what: impl Into<String>) -> TemplateError {
    TemplateError { at: at.to_string(), what: what.into() }
}

impl Template {
    /// Reads a file; `parameters` go before the defaults.
    pub fn read(path: &Path, stack: &str, parameters: &[(&str, &str)]) -> Result<Self, TemplateError> {
        let mut python = programs::python();
        python.arg(programs::file("cloud/template.py")).arg(path);
        Self::new(programs::json_from(&mut python, None), stack, parameters)
    }

    fn new(whole: Value, stack: &str, parameters: &[(&str, &str)]) -> Result<Self, TemplateError> {
        let mut values = BTreeMap::new();
        for (name, parameter) in whole["Parameters"].as_object().into_iter().flatten() {
            let given = parameters.iter().find(|(given, _)| given == name).map(|(_, value)| (*value).to_owned());
            let value = given.or_else(|| text(&parameter["Default"]));
            values.insert(name.clone(), value.ok_or_else(|| wrong(name, "the parameter has no value"))?);
        }
        if let Some((unknown, _)) = parameters.iter().find(|(name, _)| !values.contains_key(*name)) {
            return Err(wrong(unknown, "the template has no such parameter"));
        }
        Ok(Self { whole, stack: stack.to_owned(), parameters: values, made: BTreeMap::new() })
    }

    /// From now on, `Ref` and `GetAtt` know the resource.
    pub fn made(&mut self, logical_id: &str, made: Made) {
        self.made.insert(logical_id.to_owned(), made);
    }

    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// Resources of a type whose condition holds, with their properties as they are written.
    pub fn resources(&self, kind: &str) -> Result<Vec<(String, Value)>, TemplateError> {
        let mut found = Vec::new();
        for (id, resource) in self.whole["Resources"].as_object().into_iter().flatten() {
            let holds = match resource["Condition"].as_str() {
                Some(condition) => self.condition(condition, 0)?,
                None => true,
            };
            if holds && resource["Type"] == kind {
                found.push((id.clone(), resource["Properties"].clone()));
            }
        }
        Ok(found)
    }

    /// `Globals.<kind>`, as it is written.
    pub fn globals(&self, kind: &str) -> &Value {
        &self.whole["Globals"][kind]
    }

    /// Every parameter with its value.
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// Every output whose value is known here.
    pub fn outputs(&self) -> BTreeMap<String, String> {
        let outputs = self.whole["Outputs"].as_object().into_iter().flatten();
        outputs
            .filter_map(|(name, output)| Some((name.clone(), text(&self.resolve(&output["Value"]).ok()?)?)))
            .collect()
    }

    /// With all functions evaluated; what is `AWS::NoValue` is left out.
    pub fn resolve(&self, value: &Value) -> Result<Value, TemplateError> {
        Ok(self.evaluate(value, 0)?.unwrap_or_default())
    }

    /// The text that a value has.
    pub fn resolve_text(&self, value: &Value) -> Result<String, TemplateError> {
        let resolved = self.resolve(value)?;
        text(&resolved).ok_or_else(|| wrong(value, "this is no text"))
    }

    pub fn resolve_number(&self, value: &Value) -> Result<u64, TemplateError> {
        self.resolve_text(value)?.parse().map_err(|_| wrong(value, "this is no whole number"))
    }

    fn evaluate(&self, value: &Value, depth: usize) -> Result<Option<Value>, TemplateError> {
        if depth > DEPTH_MAX {
            return Err(wrong(value, "too deep"));
        }
        let each = |value: &Value| self.evaluate(value, depth + 1);
        Ok(match value {
            Value::Array(values) => {
                let values: Result<Vec<_>, _> = values.iter().map(each).collect();
                Some(values?.into_iter().flatten().collect())
            }
            Value::Object(entries) => {
                if let Some((name, argument)) = entries.iter().next().filter(|_| entries.len() == 1)
                    && (name == "Ref" || name.starts_with("Fn::"))
                {
                    return self.call(name, argument, depth + 1);
                }
                let mut resolved = Map::new();
                for (name, value) in entries {
                    if let Some(value) = each(value)? {
                        resolved.insert(name.clone(), value);
                    }
                }
                Some(resolved.into())
            }
            plain => Some(plain.clone()),
        })
    }

    fn call(&self, name: &str, argument: &Value, depth: usize) -> Result<Option<Value>, TemplateError> {
        let known = |value: &Value| self.evaluate(value, depth)?.ok_or_else(|| wrong(value, "no value"));
        let say = |value: &Value| text(&known(value)?).ok_or_else(|| wrong(value, "this is no text"));
        Ok(Some(match (name, argument) {
            ("Ref", Value::String(name)) if name == "AWS::NoValue" => return Ok(None),
            ("Ref", Value::String(name)) => self.reference(name)?.into(),
            ("Fn::GetAtt", Value::Array(path)) => self.attribute(&say(&path[0])?, &say(&path[1])?)?.into(),
            ("Fn::Sub", Value::String(pattern)) => self.substitute(pattern, &BTreeMap::new())?.into(),
            ("Fn::Sub", Value::Array(both)) => {
                let names = both[1].as_object().into_iter().flatten();
                let names: Result<_, _> = names.map(|(name, value)| Ok((name.clone(), say(value)?))).collect();
                self.substitute(&say(&both[0])?, &names?)?.into()
            }
            ("Fn::If", Value::Array(parts)) => {
                let holds = self.condition(parts[0].as_str().unwrap_or_default(), depth)?;
                return self.evaluate(&parts[if holds { 1 } else { 2 }], depth);
            }
            ("Fn::FindInMap", Value::Array(path)) => {
                let [map, first, second] = [say(&path[0])?, say(&path[1])?, say(&path[2])?];
                let found = &self.whole["Mappings"][&map][&first][&second];
                (!found.is_null()).then(|| found.clone()).ok_or_else(|| wrong(argument, "not in the mapping"))?
            }
            ("Fn::Join", Value::Array(parts)) => {
                let texts: Result<Vec<_>, _> = parts[1].as_array().into_iter().flatten().map(say).collect();
                texts?.join(&say(&parts[0])?).into()
            }
            ("Fn::Split", Value::Array(parts)) => {
                let (by, whole) = (say(&parts[0])?, say(&parts[1])?);
                whole.split(&by).map(Value::from).collect()
            }
            ("Fn::Select", Value::Array(parts)) => {
                let (at, list) = (say(&parts[0])?, known(&parts[1])?);
                let at: usize = at.parse().map_err(|_| wrong(argument, "no index"))?;
                list.get(at).cloned().ok_or_else(|| wrong(argument, "no such item"))?
            }
            _ => return Err(wrong(argument, format!("{name} is not known here"))),
        }))
    }

    fn condition(&self, name: &str, depth: usize) -> Result<bool, TemplateError> {
        self.holds(&self.whole["Conditions"][name], depth + 1)
    }

    fn holds(&self, condition: &Value, depth: usize) -> Result<bool, TemplateError> {
        let Some((name, argument)) = condition.as_object().and_then(|entries| entries.iter().next()) else {
            return Err(wrong(condition, "this is no condition"));
        };
        if depth > DEPTH_MAX {
            return Err(wrong(condition, "too deep"));
        }
        let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let each: &mut dyn Iterator<Item = Result<bool, _>> = &mut parts.iter().map(|part| self.holds(part, depth + 1));
        match name.as_str() {
            "Condition" => self.condition(argument.as_str().unwrap_or_default(), depth),
            "Fn::Equals" => Ok(self.resolve_text(&parts[0])? == self.resolve_text(&parts[1])?),
            "Fn::Not" => each.next().unwrap_or(Ok(false)).map(|holds| !holds),
            "Fn::And" => Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().all(|holds| holds)),
            "Fn::Or" => Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().any(|holds| holds)),
            _ => Err(wrong(condition, "this is no condition")),
        }
    }

    fn reference(&self, name: &str) -> Result<String, TemplateError> {
        let of_aws = match name {
            "AWS::StackName" => self.stack.as_str(),
            "AWS::Region" => REGION,
            "AWS::AccountId" => ACCOUNT,
            "AWS::Partition" => "aws",
            "AWS::URLSuffix" => "amazonaws.com",
            _ => "",
        };
        let found = Some(of_aws).filter(|value| !value.is_empty()).or(self.parameters.get(name).map(String::as_str));
        let found = found.or(self.made.get(name).map(|made| made.reference.as_str()));
        found.map(str::to_owned).ok_or_else(|| wrong(name, "nothing of that name was made here"))
    }

    fn attribute(&self, of: &str, name: &str) -> Result<String, TemplateError> {
        let made = self.made.get(of).ok_or_else(|| wrong(of, "nothing of that name was made here"))?;
        let attribute = made.attributes.get(name);
        attribute.cloned().ok_or_else(|| wrong(of, format!("its {name} is not known here")))
    }

    /// `${Name}`, `${Name.Attribute}`, `${!literal}`.
    fn substitute(&self, pattern: &str, names: &BTreeMap<String, String>) -> Result<String, TemplateError> {
        let mut out = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or_else(|| wrong(pattern, "a brace is open"))?;
            out.push_str(before);
            match (name.strip_prefix('!'), names.get(name), name.split_once('.')) {
                (Some(literal), ..) => out.push_str(&format!("${{{literal}}}")),
                (_, Some(value), _) => out.push_str(value),
                (_, _, Some((of, attribute))) => out.push_str(&self.attribute(of, attribute)?),
                _ => out.push_str(&self.reference(name)?),
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(parameters: &[(&str, &str)]) -> Template {
        let whole = json!({
            "Parameters": { "Edge": { "Default": "http-api" }, "Size": { "Default": 512 } },
            "Mappings": { "Spill": { "512": { "Bytes": 7 } } },
            "Conditions": {
                "IsUrl": { "Fn::Equals": [{ "Ref": "Edge" }, "function-url"] },
                "IsApi": { "Fn::Not": [{ "Condition": "IsUrl" }] },
            },
        });
        let mut template = Template::new(whole, "dev", parameters).expect("a template");
        template.made(
            "Bucket",
            Made { reference: "dev-bucket".into(), attributes: [("Arn", "arn:aws:s3:::dev-bucket".into())].into() },
        );
        template
    }

    #[test]
    fn functions_say_what_cloudformation_says() {
        let cases = [
            (json!({ "Fn::Sub": "s3://${Bucket}/p/${!kept}" }), Ok(json!("s3://dev-bucket/p/${kept}"))),
            (
                json!({ "Fn::Sub": ["${Bucket.Arn}/${x}", { "x": { "Ref": "Edge" } }] }),
                Ok(json!("arn:aws:s3:::dev-bucket/http-api")),
            ),
            (json!({ "Fn::FindInMap": ["Spill", { "Ref": "Size" }, "Bytes"] }), Ok(json!(7))),
            (json!({ "a": { "Fn::If": ["IsUrl", 1, { "Ref": "AWS::NoValue" }] }, "b": 2 }), Ok(json!({ "b": 2 }))),
            (json!([{ "Fn::If": ["IsApi", "api", "url"] }]), Ok(json!(["api"]))),
            (json!({ "Fn::Select": [1, { "Fn::Split": ["-", { "Ref": "Bucket" }] }] }), Ok(json!("bucket"))),
            (json!({ "Fn::GetAtt": ["Queue", "Arn"] }), Err("Queue: nothing of that name was made here")),
            (json!({ "Fn::Cidr": [] }), Err("[]: Fn::Cidr is not known here")),
        ];
        for (value, expected) in cases {
            let said = template(&[]).resolve(&value).map_err(|error| error.to_string());
            assert_eq!(said, expected.map_err(str::to_owned), "{value}");
        }
    }

    #[test]
    fn parameters_go_before_defaults_and_unknown_ones_are_refused() {
        let value = json!({ "Fn::If": ["IsUrl", "url", "api"] });
        assert_eq!(template(&[("Edge", "function-url")]).resolve_text(&value).as_deref(), Ok("url"));
        let error = Template::new(json!({ "Parameters": {} }), "dev", &[("Edge", "x")]).expect_err("unknown");
        assert_eq!(error.to_string(), "Edge: the template has no such parameter");
    }
}
