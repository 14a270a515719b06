//! What an operator's command line goes by (`--stack NAME`): the stack's outputs in CloudFormation, with the addresses of this
//! machine, and the first keys in its secret. The stack's resources are not told: the emulator would make them once more.

use std::collections::BTreeMap;

use aws::{Cloud, Service};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::Parameter;
use local::serve::Credentials;
use serde_json::{Value, json};

use super::stack::Stack;

/// A stack needs one.
const PLACEHOLDER: &str = "AWS::SNS::Topic";

/// Describes the stack, by its name, to whoever asks the emulated CloudFormation.
pub(super) async fn describe(stack: &Stack, aws: &Cloud, keys: &Credentials, query_url: &str) {
    let outputs = with_addresses(stack.template.outputs(), keys, query_url);
    keep_keys(aws, &outputs["AdminKeySecretArn"], keys).await;
    let outputs = outputs.into_iter().map(|(name, value)| (name, json!({ "Value": value })));
    let parameters = stack.template.parameters();
    let described = parameters.keys().map(|name| (name.clone(), json!({ "Type": "String" })));
    let template = json!({
        "Parameters": Value::Object(described.collect()),
        "Resources": { "Placeholder": { "Type": PLACEHOLDER } },
        "Outputs": Value::Object(outputs.collect()),
    });
    let client = Client::new(&aws.config(Service::CloudFormation));
    let given =
        |(name, value): (&String, &String)| Parameter::builder().parameter_key(name).parameter_value(value).build();
    let created = client.create_stack().stack_name(stack.template.stack()).template_body(template.to_string());
    let created = created.set_parameters(Some(parameters.iter().map(given).collect()));
    created.send().await.expect("the emulator takes a stack");
}

/// Where the template names hosts of AWS, those of this machine, also within longer texts.
fn with_addresses(
    mut outputs: BTreeMap<String, String>,
    keys: &Credentials,
    query_url: &str,
) -> BTreeMap<String, String> {
    let here = [
        ("OtlpEndpoint", keys.otlp_url.as_str()),
        ("QueryEndpoint", query_url),
        ("ApiEndpoint", keys.api_url.as_str()),
    ];
    for (name, url) in here {
        let there = outputs.insert(name.to_owned(), url.to_owned());
        if let Some(there) = there {
            outputs.values_mut().for_each(|value| *value = value.replace(&there, url));
        }
    }
    outputs
}

/// As `plimsoll stack init` leaves them; the command line tests the format where it is read.
async fn keep_keys(aws: &Cloud, secret: &str, keys: &Credentials) {
    let Credentials { project, ingest_key, read_key, admin_key, .. } = keys;
    let kept = json!({
        "v": 1, "project": project, "ingest_key": ingest_key, "read_key": read_key, "admin_key": admin_key, "enrolled": true,
    });
    aws.secrets().put(secret, &kept.to_string()).await.expect("the emulator takes a secret");
}
