//! A deployed stack, as far as the operator's command line sees it: CloudFormation outputs, table, bucket, queues and secret on
//! emulators; and behind the outputs' addresses ingest, query and management in this process, on those very stores.
//!
//! The stores are moto's, DynamoDB too: DynamoDB Local knows neither backups nor the way back to a point in time.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use aws::items::layout::{PARTITION_KEY, SORT_KEY, TTL};
use aws::{Cloud, S3Root, Service};
use aws_sdk_cloudformation::types::Parameter;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification, ScalarAttributeType,
    TimeToLiveSpecification,
};
use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use aws_sdk_sqs::types::QueueAttributeName;
use axum::Router;
use axum::routing::get;
use clock::{Clock, Ids, RandomIds, SystemClock};
use lake::DeltaLogs;
use meta::Ledger;
use meta::keys::Keys;
use meta::projects::Projects;
use meta::quota::Quota;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::Binary;
use tests::cloud::Emulators;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(super) struct Site {
    emulators: &'static Emulators,
    cloud: Cloud,
    pub(super) name: String,
    pub(super) table: String,
    pub(super) bucket: String,
    pub(super) queue_url: String,
    pub(super) dead_letters_url: String,
    pub(super) secret: String,
    runtime: Runtime,
    folder: TempDir,
}

/// Exit code, stdout, stderr.
pub(super) type Ended = (i32, String, String);

impl Site {
    pub(super) fn deploy() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_stack_size(local::STACK_BYTES)
            .enable_all()
            .build()
            .expect("a runtime");
        let emulators = Emulators::shared();
        let folder = TempDir::new().expect("a folder");
        let endpoints = aws::Endpoints::everywhere(emulators.moto_url());
        let keys = aws_credential_types::Credentials::new("AKIAOPERATOR00000000", "none", None, None, "tests");
        let cloud = Cloud::with_keys("eu-central-1", keys, endpoints);
        let name = format!("plimsoll-{}", RandomIds.fresh());
        let (table, bucket, queue_url, dead_letters_url, secret) = runtime.block_on(async {
            let bucket = emulators.bucket().await;
            block_public_access(&cloud, &bucket).await;
            let (queue_url, dead_letters_url) = queues(&cloud, &name).await;
            (create_table(&cloud, &name).await, bucket, queue_url, dead_letters_url, create_secret(&cloud, &name).await)
        });
        let site = Self { emulators, cloud, name, table, bucket, queue_url, dead_letters_url, secret, runtime, folder };
        let url = site.serve();
        site.runtime.block_on(site.describe(&url));
        site
    }

    /// The real binary, with the operator's credentials.
    pub(super) fn run(&self, args: &[&str]) -> Ended {
        self.run_on(&self.name, args)
    }

    pub(super) fn run_on(&self, stack: &str, args: &[&str]) -> Ended {
        let mut command = Command::new(Binary::path());
        command.args(args).args(["--stack", stack]).env("HOME", self.folder.path());
        for name in ["PLIMSOLL_URL", "PLIMSOLL_KEY", "PLIMSOLL_OTLP_URL", "AWS_PROFILE", "AWS_ENDPOINT_URL_DYNAMODB"] {
            command.env_remove(name);
        }
        command.env("AWS_REGION", "eu-central-1").env("AWS_ENDPOINT_URL", self.emulators.moto_url());
        command.env("AWS_ACCESS_KEY_ID", "AKIAOPERATOR00000000").env("AWS_SECRET_ACCESS_KEY", "none");
        let output = command.output().expect("the binary starts");
        let text = |bytes| String::from_utf8(bytes).expect("utf-8");
        (output.status.code().expect("it was not killed"), text(output.stdout), text(output.stderr))
    }

    /// Stdout of a command that must succeed.
    pub(super) fn done(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run(args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        out
    }

    pub(super) fn json(&self, args: &[&str]) -> Value {
        let out = self.done(args);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    pub(super) fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    pub(super) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.cloud.config(Service::Sqs))
    }

    pub(super) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.cloud.config(Service::DynamoDb))
    }

    pub(super) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.cloud.config(Service::S3)).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    pub(super) fn keys(&self) -> Keys {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Keys::new(self.cloud.items(&self.table, Arc::clone(&clock)), clock, Arc::new(RandomIds))
    }

    pub(super) fn projects(&self) -> Projects {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Projects::new(self.cloud.items(&self.table, Arc::clone(&clock)), clock)
    }

    /// What the stack tells, as another deployment would have it.
    pub(super) async fn describe(&self, url: &str) {
        self.describe_with(&[
            ("OtlpEndpoint", url),
            ("QueryEndpoint", url),
            ("ApiEndpoint", url),
            ("TableName", &self.table),
            ("BucketName", &self.bucket),
            ("RootUri", &format!("s3://{}/projects", self.bucket)),
            ("TriggerQueueUrl", &self.queue_url),
            ("DeadLetterQueueUrl", &self.dead_letters_url),
            ("AdminKeySecretArn", &self.secret),
            ("CollectorConfig", "exporters:\n  otlp_http/plimsoll:\n    endpoint: here\n"),
        ])
        .await;
    }

    pub(super) async fn describe_with(&self, outputs: &[(&str, &str)]) {
        let outputs = outputs.iter().map(|(name, value)| ((*name).to_owned(), json!({ "Value": value })));
        let template = json!({
            "Parameters": { "DefaultRetentionDaysMetrics": { "Type": "Number", "Default": 7 } },
            "Resources": { "Something": { "Type": "AWS::SNS::Topic" } },
            "Outputs": Value::Object(outputs.collect()),
        });
        let client = aws_sdk_cloudformation::Client::new(&self.cloud.config(Service::CloudFormation));
        let days = Parameter::builder().parameter_key("DefaultRetentionDaysMetrics").parameter_value("14").build();
        let created = client
            .create_stack()
            .stack_name(&self.name)
            .template_body(template.to_string())
            .parameters(days.clone())
            .send()
            .await;
        if created.is_err() {
            let update = client.update_stack().stack_name(&self.name).template_body(template.to_string());
            update.parameters(days).send().await.expect("the stack is updated");
        }
    }

    /// Everything that an exporter and a user speak to, on one port.
    fn serve(&self) -> String {
        let routes = self.routes();
        let listener = self.runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        self.runtime.spawn(async { axum::serve(listener, routes).await });
        url
    }

    fn routes(&self) -> Router {
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(RandomIds));
        let items = self.cloud.items(&self.table, Arc::clone(&clock));
        let projects = Arc::new(Projects::new(Arc::clone(&items), Arc::clone(&clock)));
        let keys = Arc::new(Keys::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids)));
        let root: S3Root = format!("s3://{}/projects", self.bucket).parse().expect("a root");
        let roots = self.cloud.roots(&root, Arc::clone(&projects)).expect("roots");
        let ledger = Ledger::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids));
        let ingest = ingest::App::new(
            ingest::Doors {
                ledger: ledger.clone(),
                roots: roots.clone(),
                keys: Arc::clone(&keys),
                projects: Arc::clone(&projects),
                quota: Arc::new(Quota::new(Arc::clone(&items), Arc::clone(&clock))),
                queue: self.cloud.queue(&self.queue_url),
                clock: Arc::clone(&clock),
                ids: Arc::clone(&ids),
            },
            ingest::Meters::default(),
            ingest::Settings::default(),
        );
        let query = query::App::new(
            query::Doors {
                ledger,
                logs: Arc::new(DeltaLogs::new(roots.clone())),
                roots,
                keys: Arc::clone(&keys),
                clock,
                ids: Arc::clone(&ids),
            },
            query::Meters::default(),
            query::Settings::new(self.folder.path().join("spill")),
        );
        let document = query::openapi();
        let management = api::router(api::App::new(projects, keys, document));
        // How the tables stand is the compact function's to say, and tested there.
        let status = Router::new().route("/api/v1/status", get(|| async { axum::Json(json!({ "tables": [] })) }));
        let face = edge::face(query::router(query.expect("queries can be answered")).merge(management), ids, &[]);
        // Each answers what is nobody's, in its own way; here the API does.
        face.merge(status).merge(ingest::router(ingest).reset_fallback())
    }
}

async fn create_table(cloud: &Cloud, name: &str) -> String {
    let client = aws_sdk_dynamodb::Client::new(&cloud.config(Service::DynamoDb));
    let of_text = |name: &str| {
        let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        definition.build().expect("both are set")
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("both are set")
    };
    let created = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .deletion_protection_enabled(true)
        .set_attribute_definitions(Some(vec![of_text(PARTITION_KEY), of_text(SORT_KEY)]))
        .set_key_schema(Some(vec![key(PARTITION_KEY, KeyType::Hash), key(SORT_KEY, KeyType::Range)]));
    created.send().await.expect("the table is created");
    set_expiry(&client, name, true).await;
    set_recovery(&client, name, true).await;
    name.to_owned()
}

pub(super) async fn set_expiry(client: &aws_sdk_dynamodb::Client, table: &str, on: bool) {
    let expiry = TimeToLiveSpecification::builder().attribute_name(TTL).enabled(on).build().expect("both are set");
    client.update_time_to_live().table_name(table).time_to_live_specification(expiry).send().await.expect("set");
}

pub(super) async fn set_recovery(client: &aws_sdk_dynamodb::Client, table: &str, on: bool) {
    let recovery = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(on);
    let recovery = recovery.build().expect("it is set");
    let set = client.update_continuous_backups().table_name(table).point_in_time_recovery_specification(recovery);
    set.send().await.expect("set");
}

async fn block_public_access(cloud: &Cloud, bucket: &str) {
    let config = aws_sdk_s3::config::Builder::from(&cloud.config(Service::S3)).force_path_style(true);
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true);
    let client = aws_sdk_s3::Client::from_conf(config.build());
    let set = client.put_public_access_block().bucket(bucket).public_access_block_configuration(block.build());
    set.send().await.expect("set");
}

/// The trigger queue, and where its dead letters go.
async fn queues(cloud: &Cloud, name: &str) -> (String, String) {
    let client = aws_sdk_sqs::Client::new(&cloud.config(Service::Sqs));
    let dead = client.create_queue().queue_name(format!("{name}-dead")).send().await.expect("created");
    let dead = dead.queue_url().expect("it has a URL").to_owned();
    let arn = cloud.queue_facts(&dead).await.expect("read").arn;
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 5 }).to_string();
    let queue = client.create_queue().queue_name(name).attributes(QueueAttributeName::RedrivePolicy, policy);
    let queue = queue.send().await.expect("created");
    (queue.queue_url().expect("it has a URL").to_owned(), dead)
}

async fn create_secret(cloud: &Cloud, name: &str) -> String {
    let client = aws_sdk_secretsmanager::Client::new(&cloud.config(Service::SecretsManager));
    let made = client.create_secret().name(name).send().await.expect("the secret is created");
    made.arn().expect("it has an ARN").to_owned()
}
