//! The roles that `template.yaml` gives its functions.

use serde_json::Value;

use super::Statement;
use crate::programs;

/// What one function may do.
#[derive(Clone, Debug)]
pub struct Role {
    /// As its process is named: `ingest` for IngestFunction.
    pub function: String,
    pub statements: Vec<Statement>,
}

/// The template as SAM expands it, with the defaults of its parameters.
pub fn expanded_template() -> Value {
    programs::json_from(programs::sam_python().arg(programs::file("template/expand.py")), None)
}

/// One for each function of a template.
pub fn roles(template: &Value) -> Vec<Role> {
    let resources = template["Resources"].as_object().expect("a template has resources");
    let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function");
    let role = |(id, function): (&String, &Value)| Role {
        function: process_of(id),
        statements: statements_of(id, &template["Resources"][role_of(id, function)]),
    };
    functions.map(role).collect()
}

fn process_of(id: &str) -> String {
    let name = id.strip_suffix("Function").unwrap_or_else(|| panic!("{id}: functions are named <Name>Function"));
    name.to_lowercase()
}

/// The logical id of the role.
fn role_of<'a>(id: &str, function: &'a Value) -> &'a str {
    let role = &function["Properties"]["Role"];
    let path = role["Fn::GetAtt"].as_array().map(Vec::as_slice);
    match path {
        Some([Value::String(name), attribute]) if attribute == "Arn" => name,
        _ => panic!("{id}: its role is not one of the template's: {role}"),
    }
}

fn statements_of(function: &str, role: &Value) -> Vec<Statement> {
    let properties = &role["Properties"];
    assert!(properties["ManagedPolicyArns"].is_null(), "{function}: only statements that are written out are checked");
    let policies = properties["Policies"].as_array();
    let policies = policies.unwrap_or_else(|| panic!("{function}: its role has no list of policies"));
    policies.iter().flat_map(|policy| Statement::all_of(&policy["PolicyDocument"])).collect()
}
