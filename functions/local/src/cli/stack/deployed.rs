//! A deployed stack as its outputs describe it.

use std::sync::Arc;

use aws::{Cloud, CloudError, Fault, FaultKind, Signer, Stack, StackError};
use clock::SystemClock;
use model::ProjectSettings;

use super::block_on;
use super::keys::StackKeys;
use crate::cli::CliError;

/// The outputs of template.yaml that commands need.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Deployed {
    pub(in crate::cli) name: String,
    pub(in crate::cli) otlp_url: String,
    pub(in crate::cli) query_url: String,
    pub(in crate::cli) api_url: String,
    /// Of requests to `otlp_url` and `query_url`, if they are function URLs that ask for signatures.
    pub(in crate::cli) signer: Option<Arc<Signer>>,
    pub(super) table: String,
    pub(super) bucket: String,
    /// `s3://<bucket>/<prefix>`
    pub(super) root: String,
    pub(super) queue_url: String,
    pub(super) dead_letters_url: String,
    pub(super) secret: String,
    pub(super) collector: String,
    /// Of a new project, as the stack's parameters say.
    pub(super) settings: ProjectSettings,
}

/// What must be there for any of it.
const OUTPUTS: [&str; 10] = [
    "OtlpEndpoint",
    "QueryEndpoint",
    "ApiEndpoint",
    "TableName",
    "BucketName",
    "RootUri",
    "TriggerQueueUrl",
    "DeadLetterQueueUrl",
    "AdminKeySecretArn",
    "CollectorConfig",
];

impl Deployed {
    /// Its outputs and its keys, for commands that speak HTTP.
    pub(in crate::cli) fn open(name: &str) -> Result<(Self, StackKeys), CliError> {
        block_on(async {
            let cloud = cloud().await?;
            let deployed = Self::read(&cloud, name).await?;
            let keys = deployed.keys(&cloud).await?.ok_or_else(|| no_keys(name))?;
            Ok((deployed, keys))
        })?
    }

    pub(super) async fn read(cloud: &Cloud, name: &str) -> Result<Self, CliError> {
        let stack = cloud.stack(name).await.map_err(|error| unreadable(&error))?;
        Self::of(&stack, cloud).map_err(|missing| CliError::Cloud {
            what: format!("stack `{name}` ({}) lacks the outputs {}", stack.status, missing.join(", ")),
            advice: "deploy Plimsoll's template under this name, or wait until it is deployed".to_owned(),
        })
    }

    pub(super) fn of(stack: &Stack, cloud: &Cloud) -> Result<Self, Vec<&'static str>> {
        let missing: Vec<_> = OUTPUTS.into_iter().filter(|name| !stack.outputs.contains_key(*name)).collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let output = |name: &str| stack.outputs[name].clone();
        let url = |name: &str| output(name).trim_end_matches('/').to_owned();
        Ok(Self {
            name: stack.name.clone(),
            otlp_url: url("OtlpEndpoint"),
            query_url: url("QueryEndpoint"),
            api_url: url("ApiEndpoint"),
            signer: is_signed(stack).then(|| Arc::new(cloud.signer(Arc::new(SystemClock)))),
            table: output("TableName"),
            bucket: output("BucketName"),
            root: output("RootUri"),
            queue_url: output("TriggerQueueUrl"),
            dead_letters_url: output("DeadLetterQueueUrl"),
            secret: output("AdminKeySecretArn"),
            collector: output("CollectorConfig"),
            settings: settings(stack),
        })
    }

    /// None: nobody has put any there.
    pub(super) async fn keys(&self, cloud: &Cloud) -> Result<Option<StackKeys>, CliError> {
        let text = cloud.secrets().get(&self.secret).await;
        let text = text.map_err(|fault| refused(&format!("cannot read secret {}", self.secret), &fault))?;
        text.map(|text| StackKeys::parse(&text, &self.secret)).transpose()
    }
}

/// Management stays behind the HTTP API, which takes keys alone.
fn is_signed(stack: &Stack) -> bool {
    let is = |name: &str, value: &str| stack.parameters.get(name).is_some_and(|given| given == value);
    is("Edge", "function-url") && is("FunctionUrlAuth", "AWS_IAM")
}

/// A parameter that is not there takes the program's default.
fn settings(stack: &Stack) -> ProjectSettings {
    fn or<T: std::str::FromStr>(stack: &Stack, name: &str, default: T) -> T {
        stack.parameters.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }
    let default = ProjectSettings::default();
    ProjectSettings {
        retention_days_logs_and_spans: or(
            stack,
            "DefaultRetentionDaysLogsAndSpans",
            default.retention_days_logs_and_spans,
        ),
        retention_days_metrics: or(stack, "DefaultRetentionDaysMetrics", default.retention_days_metrics),
        requests_per_second_max: or(stack, "DefaultRequestsPerSecond", default.requests_per_second_max),
        bytes_per_day_max: or(stack, "DefaultBytesPerDay", default.bytes_per_day_max),
    }
}

/// The operator's way to AWS.
pub(super) async fn cloud() -> Result<Cloud, CliError> {
    Cloud::load().await.map_err(|error| {
        let advice = match error {
            CloudError::NoRegion | CloudError::Region(_) | CloudError::NoCredentials => {
                "set AWS_PROFILE, or AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            }
            CloudError::Endpoint(_) => "set it to where that service is, or unset it",
        };
        CliError::Cloud { what: error.to_string(), advice: advice.to_owned() }
    })
}

/// A failed call as the operator is told of it.
pub(super) fn refused(what: &str, fault: &Fault) -> CliError {
    CliError::Cloud { what: format!("{what}: {fault}"), advice: advice(fault).to_owned() }
}

pub(super) fn advice(fault: &Fault) -> &'static str {
    match fault.kind {
        FaultKind::Denied => "your AWS credentials may not do this: ask for it, or set AWS_PROFILE to others",
        FaultKind::NoKeys => {
            "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` shows who you are"
        }
        FaultKind::Unavailable | FaultKind::TimedOut => {
            "is the network there? AWS_REGION, and AWS_ENDPOINT_URL if it is set, say where AWS is; then try again"
        }
        FaultKind::Refused => {
            "is it still there? `aws cloudformation describe-stack-resources` lists what the stack has"
        }
    }
}

pub(super) fn unreadable(error: &StackError) -> CliError {
    let advice = match error {
        StackError::Missing { .. } => {
            "`sam list stack-outputs --stack-name NAME` shows a stack; AWS_REGION says where".to_owned()
        }
        StackError::Unreadable { fault, .. } => advice(fault).to_owned(),
    };
    CliError::Cloud { what: error.to_string(), advice }
}

fn no_keys(name: &str) -> CliError {
    CliError::Cloud {
        what: format!("stack `{name}` has no keys yet"),
        advice: format!("run `plimsoll stack init --stack {name}`"),
    }
}

#[cfg(test)]
mod tests {
    use aws::Endpoints;
    use aws_credential_types::Credentials;

    use super::*;

    fn cloud() -> Cloud {
        let keys = Credentials::new("id", "secret", None, None, "test");
        Cloud::with_keys("eu-central-1", keys, Endpoints::default())
    }

    #[test]
    fn all_outputs_that_are_missing_are_told_at_once() {
        let outputs = OUTPUTS[2..].iter().map(|name| ((*name).to_owned(), format!("https://{name}/"))).collect();
        let parameters = [("DefaultRetentionDaysMetrics".to_owned(), "7".to_owned())].into();
        let mut stack = Stack { name: "s".into(), status: "CREATE_COMPLETE".into(), parameters, outputs };
        assert_eq!(Deployed::of(&stack, &cloud()).expect_err("two are missing"), OUTPUTS[..2]);
        stack.outputs.extend(OUTPUTS[..2].iter().map(|name| ((*name).to_owned(), String::new())));
        let deployed = Deployed::of(&stack, &cloud()).expect("all there");
        assert_eq!(deployed.api_url, "https://ApiEndpoint");
        assert_eq!(deployed.settings, ProjectSettings { retention_days_metrics: 7, ..ProjectSettings::default() });
    }

    #[test]
    fn requests_are_signed_where_function_urls_ask_for_it() {
        for (edge, auth, signed) in [
            ("http-api", "NONE", false),
            ("http-api", "AWS_IAM", false),
            ("function-url", "NONE", false),
            ("function-url", "AWS_IAM", true),
        ] {
            let outputs = OUTPUTS.iter().map(|name| ((*name).to_owned(), String::new())).collect();
            let parameters = [("Edge", edge), ("FunctionUrlAuth", auth)];
            let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let stack = Stack { name: "s".into(), status: "CREATE_COMPLETE".into(), parameters, outputs };
            let deployed = Deployed::of(&stack, &cloud()).expect("all there");
            assert_eq!(deployed.signer.is_some(), signed, "{edge} {auth}");
        }
    }

    /// What is read here is what template.yaml says.
    #[test]
    fn the_template_has_these_outputs() {
        let template = include_str!("../../../../../template.yaml");
        let outputs = template.split("\nOutputs:\n").nth(1).expect("a list of outputs");
        for name in OUTPUTS {
            assert!(
                outputs.contains(&format!("\n  {name}:\n")) || outputs.starts_with(&format!("  {name}:\n")),
                "{name}"
            );
        }
    }
}
