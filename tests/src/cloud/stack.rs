//! What `sam deploy` would make of `template.yaml`, on emulators: tables, buckets, queues and secrets are created; functions,
//! routes, event source mappings and schedules are handed to the dev cloud, with every variable as the template has it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aws::{Cloud, Endpoints, Service};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, PublicAccessBlockConfiguration};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use super::function::Function;
use super::http::{Route, Throttling, UrlAuth};
use super::mapping::Mapping;
use super::proxy::access_key_id;
use super::schedule::Schedule;
use super::signature::Signers;
use super::template::{Made, Template, TemplateError};
use super::{ACCOUNT, REGION, emulators};

/// Of every HTTP API here, in the host name that it would have at AWS.
const API_ID: &str = "devcloud";

/// A template whose stores exist, and what is to run.
#[derive(Debug)]
pub struct Stack {
    pub template: Template,
    pub functions: Vec<Function>,
    pub routes: Vec<Route>,
    /// Functions with a URL of their own, and who may call it.
    pub urls: Vec<(String, UrlAuth)>,
    pub mappings: Vec<Mapping>,
    pub schedules: Vec<Schedule>,
}

/// Where the programs are and what they are told beside the template.
pub struct Deployment<'d> {
    /// Holds a program for each function, named as the last part of its `CodeUri`.
    pub programs: &'d Path,
    /// Where functions reach AWS.
    pub endpoints: &'d Endpoints,
    /// Instead of what the template says: how long a message that was received stays hidden.
    pub visibility: Option<Duration>,
    pub concurrency_max: usize,
}

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("template: {0}")]
    Template(#[from] TemplateError),
    #[error("cannot create {resource}: {why}")]
    Create { resource: String, why: String },
}

impl StackError {
    fn create(resource: &str, error: impl std::error::Error) -> Self {
        Self::Create { resource: resource.to_owned(), why: DisplayErrorContext(error).to_string() }
    }
}

impl Stack {
    /// Creates the stores by `cloud`, one after the other, and reads the rest.
    pub async fn create(mut template: Template, cloud: &Cloud, how: &Deployment<'_>) -> Result<Self, StackError> {
        create_tables(&mut template, cloud).await?;
        create_buckets(&mut template, cloud).await?;
        create_queues(&mut template, cloud, how.visibility).await?;
        create_secrets(&mut template, cloud).await?;
        let described = template.resources("AWS::Serverless::Function")?;
        for (id, function) in &described {
            let name = name_of(&template, id, &function["FunctionName"])?;
            let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}");
            template.made(&format!("{id}.Alias"), made(&format!("{arn}:live"), &[]));
            template.made(id, made(&name, &[("Arn", arn)]));
        }
        for (id, _) in template.resources("AWS::Serverless::HttpApi")? {
            template.made(&id, made(API_ID, &[]));
        }
        for (id, _) in template.resources("AWS::Lambda::Url")? {
            let url = format!("https://{}.lambda-url.{REGION}.on.aws/", id.to_lowercase());
            template.made(&id, made(&id, &[("FunctionUrl", url)]));
        }
        let mut stack = Self {
            functions: Vec::new(),
            routes: routes(&template)?,
            urls: urls(&template)?,
            mappings: Vec::new(),
            schedules: Vec::new(),
            template,
        };
        for (id, function) in &described {
            stack.add_function(id, function, how)?;
        }
        Ok(stack)
    }

    fn add_function(&mut self, id: &str, properties: &Value, how: &Deployment<'_>) -> Result<(), StackError> {
        let template = &self.template;
        let say = |value: &Value| template.resolve_text(value);
        let name = say(&serde_json::json!({ "Ref": id }))?;
        let code = say(&properties["CodeUri"])?;
        let program = code.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let mut environment = variables(template, template.globals("Function"))?;
        environment.extend(variables(template, properties)?);
        environment.extend(how.endpoints.variables().into_iter().map(|(name, url)| (name.to_owned(), url)));
        environment.extend(credentials(id));
        self.functions.push(Function {
            environment,
            timeout: Duration::from_secs(template.resolve_number(&properties["Timeout"])?),
            memory_mib: template.resolve_number(&properties["MemorySize"])?,
            concurrency_max: how.concurrency_max,
            ..Function::new(&name, how.programs.join(program))
        });
        for (event, described) in properties["Events"].as_object().into_iter().flatten() {
            let of = &described["Properties"];
            match described["Type"].as_str() {
                Some("SQS") => {
                    let queue_arn = say(&of["Queue"])?;
                    let maximum = template.resolve_number(&of["ScalingConfig"]["MaximumConcurrency"])?;
                    self.mappings.push(Mapping {
                        function: name.clone(),
                        queue_url: queue_url(&queue_arn, how.endpoints),
                        queue_arn,
                        batch_size: usize::try_from(template.resolve_number(&of["BatchSize"])?).unwrap_or(usize::MAX),
                        window: Duration::from_secs(template.resolve_number(&of["MaximumBatchingWindowInSeconds"])?),
                        concurrency_max: usize::try_from(maximum).unwrap_or(usize::MAX).min(how.concurrency_max),
                    });
                }
                Some("ScheduleV2") => self.schedules.push(Schedule {
                    name: event.to_lowercase(),
                    function: name.clone(),
                    expression: say(&of["ScheduleExpression"])?,
                    input: say(&of["Input"])?,
                }),
                other => {
                    let why = format!("events of type {other:?} are not known here");
                    return Err(StackError::Create { resource: format!("{id}.{event}"), why });
                }
            }
        }
        Ok(())
    }

    /// The function that a program makes: `ingest`.
    pub fn function(&self, program: &str) -> &Function {
        let found = self.functions.iter().find(|function| function.program.ends_with(program));
        found.unwrap_or_else(|| panic!("the template has no function {program}"))
    }
}

/// The role's temporary credentials, as Lambda hands them over; the key id says whose they are.
fn credentials(id: &str) -> [(String, String); 3] {
    let name = id.trim_end_matches("Function").to_lowercase();
    [
        ("AWS_ACCESS_KEY_ID".to_owned(), access_key_id(&name)),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), "secret".to_owned()),
        ("AWS_SESSION_TOKEN".to_owned(), format!("session of {id}")),
    ]
}

fn variables(template: &Template, properties: &Value) -> Result<BTreeMap<String, String>, TemplateError> {
    let variables = properties["Environment"]["Variables"].as_object().into_iter().flatten();
    variables.map(|(name, value)| Ok((name.clone(), template.resolve_text(value)?))).collect()
}

/// From the paths of the HTTP API's description, each with the function that its integration names.
fn routes(template: &Template) -> Result<Vec<Route>, TemplateError> {
    let mut routes = Vec::new();
    for (_, api) in template.resources("AWS::Serverless::HttpApi")? {
        let body = template.resolve(&api["DefinitionBody"])?;
        let (general, special) =
            (template.resolve(&api["DefaultRouteSettings"])?, template.resolve(&api["RouteSettings"])?);
        for (path, verbs) in body["paths"].as_object().into_iter().flatten() {
            for (verb, operation) in verbs.as_object().into_iter().flatten() {
                let mut integration = &operation["x-amazon-apigateway-integration"];
                if let Some(reference) = integration["$ref"].as_str() {
                    integration = body.pointer(reference.trim_start_matches('#')).unwrap_or(integration);
                }
                let function = function_in(integration["uri"].as_str().unwrap_or_default());
                let key = format!("{} {path}", verb.to_uppercase());
                let throttling = throttling(special.get(&key).unwrap_or(&general));
                routes.push(Route { key, function, throttling });
            }
        }
    }
    Ok(routes)
}

/// `...:function:<name>:live/invocations`
fn function_in(arn: &str) -> String {
    let name = arn.split(":function:").nth(1).unwrap_or_default();
    name.split([':', '/']).next().unwrap_or_default().to_owned()
}

fn throttling(settings: &Value) -> Option<Throttling> {
    let rate_per_second = settings["ThrottlingRateLimit"].as_f64()?;
    Some(Throttling { rate_per_second, burst: settings["ThrottlingBurstLimit"].as_f64()? })
}

/// A signature must be the operator's.
fn urls(template: &Template) -> Result<Vec<(String, UrlAuth)>, TemplateError> {
    let operator = emulators::keys();
    let mut urls = Vec::new();
    for (_, url) in template.resources("AWS::Lambda::Url")? {
        let auth = match template.resolve_text(&url["AuthType"])?.as_str() {
            "AWS_IAM" => {
                UrlAuth::Signed(Signers::default().with(operator.access_key_id(), operator.secret_access_key()))
            }
            _ => UrlAuth::Open,
        };
        urls.push((template.resolve_text(&url["TargetFunctionArn"])?, auth));
    }
    Ok(urls)
}

async fn create_tables(template: &mut Template, cloud: &Cloud) -> Result<(), StackError> {
    let dynamodb = aws_sdk_dynamodb::Client::new(&cloud.config(Service::DynamoDb));
    for (id, table) in template.resources("AWS::DynamoDB::Table")? {
        let name = name_of(template, &id, &table["TableName"])?;
        let protected = table["DeletionProtectionEnabled"].as_bool();
        let create = dynamodb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        let mut create = create.set_deletion_protection_enabled(protected);
        for attribute in table["AttributeDefinitions"].as_array().into_iter().flatten() {
            let definition = AttributeDefinition::builder()
                .attribute_name(template.resolve_text(&attribute["AttributeName"])?)
                .attribute_type(ScalarAttributeType::from(&*template.resolve_text(&attribute["AttributeType"])?));
            create = create.attribute_definitions(definition.build().expect("name and type are set"));
        }
        for key in table["KeySchema"].as_array().into_iter().flatten() {
            let element = KeySchemaElement::builder()
                .attribute_name(template.resolve_text(&key["AttributeName"])?)
                .key_type(KeyType::from(&*template.resolve_text(&key["KeyType"])?));
            create = create.key_schema(element.build().expect("name and type are set"));
        }
        create.send().await.map_err(|error| StackError::create(&id, error))?;
        let expiry = &table["TimeToLiveSpecification"];
        if !expiry.is_null() {
            let expiry = TimeToLiveSpecification::builder()
                .attribute_name(template.resolve_text(&expiry["AttributeName"])?)
                .enabled(true)
                .build()
                .expect("both are set");
            let set = dynamodb.update_time_to_live().table_name(&name).time_to_live_specification(expiry);
            set.send().await.map_err(|error| StackError::create(&id, error))?;
        }
        let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}");
        template.made(&id, made(&name, &[("Arn", arn)]));
    }
    Ok(())
}

async fn create_buckets(template: &mut Template, cloud: &Cloud) -> Result<(), StackError> {
    let config = aws_sdk_s3::config::Builder::from(&cloud.config(Service::S3)).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    for (id, bucket) in template.resources("AWS::S3::Bucket")? {
        let name = name_of(template, &id, &bucket["BucketName"])?.to_lowercase();
        let place = BucketLocationConstraint::from(REGION);
        let place = CreateBucketConfiguration::builder().location_constraint(place).build();
        let create = s3.create_bucket().bucket(&name).create_bucket_configuration(place);
        create.send().await.map_err(|error| StackError::create(&id, error))?;
        let said = &bucket["PublicAccessBlockConfiguration"];
        let blocked = PublicAccessBlockConfiguration::builder()
            .set_block_public_acls(said["BlockPublicAcls"].as_bool())
            .set_block_public_policy(said["BlockPublicPolicy"].as_bool())
            .set_ignore_public_acls(said["IgnorePublicAcls"].as_bool())
            .set_restrict_public_buckets(said["RestrictPublicBuckets"].as_bool());
        let block = s3.put_public_access_block().bucket(&name).public_access_block_configuration(blocked.build());
        block.send().await.map_err(|error| StackError::create(&id, error))?;
        template.made(&id, made(&name, &[("Arn", format!("arn:aws:s3:::{name}"))]));
    }
    Ok(())
}

async fn create_queues(template: &mut Template, cloud: &Cloud, visibility: Option<Duration>) -> Result<(), StackError> {
    let sqs = aws_sdk_sqs::Client::new(&cloud.config(Service::Sqs));
    let mut queues = template.resources("AWS::SQS::Queue")?;
    // A dead-letter queue is named by the others.
    queues.sort_by_key(|(_, queue)| !queue["RedrivePolicy"].is_null());
    for (id, queue) in queues {
        let name = name_of(template, &id, &queue["QueueName"])?;
        let mut create = sqs.create_queue().queue_name(&name);
        let redrive = &queue["RedrivePolicy"];
        if !redrive.is_null() {
            create = create.attributes(QueueAttributeName::RedrivePolicy, template.resolve(redrive)?.to_string());
        }
        let hidden_s = match (visibility, &queue["VisibilityTimeout"]) {
            (_, Value::Null) => None,
            (Some(visibility), _) => Some(visibility.as_secs()),
            (None, described) => Some(template.resolve_number(described)?),
        };
        if let Some(hidden_s) = hidden_s {
            create = create.attributes(QueueAttributeName::VisibilityTimeout, hidden_s.to_string());
        }
        let created = create.send().await.map_err(|error| StackError::create(&id, error))?;
        let url = created.queue_url().unwrap_or_default();
        let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}");
        template.made(&id, made(url, &[("Arn", arn), ("QueueName", name)]));
    }
    Ok(())
}

async fn create_secrets(template: &mut Template, cloud: &Cloud) -> Result<(), StackError> {
    let secrets = aws_sdk_secretsmanager::Client::new(&cloud.config(Service::SecretsManager));
    for (id, secret) in template.resources("AWS::SecretsManager::Secret")? {
        let name = name_of(template, &id, &secret["Name"])?;
        let created = secrets.create_secret().name(&name).send().await;
        let created = created.map_err(|error| StackError::create(&id, error))?;
        template.made(&id, made(created.arn().unwrap_or_default(), &[]));
    }
    Ok(())
}

/// As the template says, else as CloudFormation names things, but always the same.
fn name_of(template: &Template, id: &str, said: &Value) -> Result<String, TemplateError> {
    match said {
        Value::Null => Ok(format!("{}-{id}", template.stack())),
        said => template.resolve_text(said),
    }
}

/// `<endpoint>/<account>/<name>`, as moto and AWS have it.
fn queue_url(arn: &str, endpoints: &Endpoints) -> String {
    let name = arn.rsplit(':').next().unwrap_or_default();
    format!("{}/{ACCOUNT}/{name}", endpoints.of(Service::Sqs).unwrap_or_default())
}

fn made(reference: &str, attributes: &[(&'static str, String)]) -> Made {
    Made { reference: reference.to_owned(), attributes: attributes.iter().cloned().collect() }
}
