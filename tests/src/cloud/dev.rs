//! The whole cloud: a stack on emulators, its functions in processes of their own, and everything that invokes them.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws::{Cloud, Endpoints, Service};
use aws_credential_types::Credentials as AwsKeys;
use clock::{RandomIds, SystemClock};
use local::serve::Credentials;
use meta::keys::{Keys, NewKey, Reach};
use meta::projects::Projects;
use model::{ProjectId, Scope};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::http::{Front, HttpApi, Route, function_url, invoke_api};
use super::invocation::{Answer, InvokeError};
use super::lambda::Lambda;
use super::mapping::{Polling, Trouble};
use super::outputs;
use super::policy::Names;
use super::proxy::{Proxy, Upstreams, access_key_id, journal_of_this_run};
use super::schedule::{Schedule, Ticking};
use super::stack::{Deployment, Stack};
use super::template::Template;
use super::{Emulators, REGION};
use crate::{Binary, Client, programs};

/// The project that every dev cloud begins with.
const FIRST_PROJECT: &str = "default";

/// What may differ from one cloud to the next.
pub struct Settings {
    /// Of the template, before its defaults.
    pub parameters: Vec<(&'static str, String)>,
    /// How long a message that was received stays hidden, instead of what the template says.
    pub visibility: Option<Duration>,
    pub ticks: Ticks,
    /// Of each function.
    pub concurrency_max: usize,
    pub throttling: Throttled,
    /// Where `ingest`, `compact`, `query` and `api` are.
    pub programs: PathBuf,
}

/// Whether schedules fire by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticks {
    /// Only by [`DevCloud::fire`].
    WhenFired,
    /// At their rates, so many times faster.
    Faster(u32),
}

/// Whether requests above a route's limits are answered 429, as API Gateway does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttled {
    Never,
    /// Below this path, by the limits that the template gives each route; below `/`, all of them.
    Below(&'static str),
}

impl Throttled {
    fn takes(self, route: &Route) -> bool {
        let path = route.key.split_once(' ').map_or(route.key.as_str(), |(_, path)| path);
        matches!(self, Self::Below(start) if path.starts_with(start))
    }
}

impl Default for Settings {
    /// Quick, for tests: a table is due a second after its oldest segment, triggers are gathered for a second, and those
    /// that a killed function had come back soon. The programs are those that were built beside `plimsoll`.
    fn default() -> Self {
        Self {
            parameters: vec![("CompactAfter", "1s".to_owned()), ("TriggerBatchWindowSeconds", "1".to_owned())],
            visibility: Some(Duration::from_secs(4)),
            ticks: Ticks::WhenFired,
            concurrency_max: 4,
            throttling: Throttled::Never,
            programs: Binary::path().parent().expect("it lies in a folder").to_owned(),
        }
    }
}

/// Ends with all its processes when dropped; a [`Client`] that speaks to its edge.
pub struct DevCloud {
    running: Running,
    runtime: Runtime,
}

struct Running {
    client: Client,
    stack: Stack,
    lambda: Arc<Lambda>,
    polling: Vec<Polling>,
    _ticking: Option<Ticking>,
    proxy: Proxy,
    aws: Cloud,
    http_api: Front,
    /// Of functions, by their names.
    urls: Vec<(String, Front)>,
    invoke: Front,
    /// Where queries go, be it a URL of their own.
    query_url: String,
}

impl DevCloud {
    /// `name` is the stack's, and so part of every name: it must not be in use on these emulators.
    pub fn start(name: &str, emulators: &Emulators, settings: Settings) -> Self {
        let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let running = runtime.block_on(Running::start(name, emulators, settings));
        Self { running, runtime }
    }

    pub fn lambda(&self) -> &Arc<Lambda> {
        &self.running.lambda
    }

    pub fn stack(&self) -> &Stack {
        &self.running.stack
    }

    /// Between functions and emulators: what they called, and how calls are broken.
    pub fn proxy(&self) -> &Proxy {
        &self.running.proxy
    }

    /// The emulators, past the proxy, by the credentials of whoever sets things up.
    pub fn aws(&self) -> &Cloud {
        &self.running.aws
    }

    /// For tests of doors that are async.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Requests that the HTTP API has answered 429.
    pub fn n_throttled(&self) -> u64 {
        self.running.http_api.n_throttled()
    }

    /// Where the SDK of Lambda invokes functions.
    pub fn invoke_url(&self) -> String {
        self.running.invoke.url()
    }

    /// The URL of a function's own, if the template gives it one.
    pub fn url(&self, program: &str) -> Option<String> {
        let urls = self.running.urls.iter();
        urls.filter(|(name, _)| name == self.function(program)).map(|(_, front)| front.url()).next()
    }

    /// The full name of a function: of `ingest`, `<stack>-ingest`.
    pub fn function(&self, program: &str) -> &str {
        &self.running.stack.function(program).name
    }

    /// From now on `plimsoll ... --stack NAME` finds this cloud.
    pub fn describe(&self) {
        let Running { stack, aws, client, query_url, .. } = &self.running;
        self.runtime.block_on(outputs::describe(stack, aws, &client.keys, query_url));
    }

    /// Invokes a function as `aws lambda invoke` would; the answer must be whole.
    pub fn invoke(&self, program: &str, event: &Value) -> Result<Value, InvokeError> {
        let invoked = self.lambda().invoke(self.function(program), "invoke", event.to_string().into());
        match self.runtime.block_on(invoked)? {
            Answer::Whole(answer) => Ok(serde_json::from_slice(&answer).expect("functions answer JSON")),
            Answer::Streamed(_) => panic!("{program} streamed its answer"),
        }
    }

    /// Fires a schedule once, by its name in the template in lower case, and waits until its function has ended.
    pub fn fire(&self, schedule: &str) {
        let found = self.running.stack.schedules.iter().find(|known| known.name == schedule);
        let schedule: &Schedule = found.unwrap_or_else(|| panic!("the template has no schedule {schedule}"));
        self.runtime.block_on(schedule.fire(&self.running.lambda));
    }

    /// From now on queues deliver so.
    pub fn trouble(&self, trouble: Trouble) {
        self.running.polling.iter().for_each(|polling| polling.trouble(trouble));
    }
}

impl Deref for DevCloud {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.running.client
    }
}

impl Running {
    async fn start(name: &str, emulators: &Emulators, settings: Settings) -> Self {
        let upstreams = Upstreams::new(emulators.moto_url()).with("dynamodb", emulators.dynamodb_url());
        let proxy = Proxy::start(upstreams).await.expect("loopback can be listened on");
        let through_proxy = Endpoints::everywhere(proxy.endpoint());
        let aws = Cloud::with_keys(REGION, keys_of("setup"), emulators.endpoints());
        let parameters: Vec<_> = settings.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let template = Template::read(&programs::file("../template.yaml"), name, &parameters);
        let deployment = Deployment {
            programs: &settings.programs,
            endpoints: &through_proxy,
            visibility: settings.visibility,
            concurrency_max: settings.concurrency_max,
        };
        let stack = Stack::create(template.unwrap_or_else(|error| panic!("{error}")), &aws, &deployment).await;
        let mut stack = stack.unwrap_or_else(|error| panic!("{error}"));
        let free = stack.routes.iter_mut().filter(|route| !settings.throttling.takes(route));
        free.for_each(|route| route.throttling = None);
        keep_journal(&proxy, &stack);
        let lambda = Arc::new(Lambda::new(stack.functions.clone()));
        let (http_api, urls) = edges(&stack, &lambda).await.expect("loopback can be listened on");
        let invoke = invoke_api(Arc::clone(&lambda)).await.expect("loopback can be listened on");
        // Lambda polls with the function's role.
        let poller = Cloud::with_keys(REGION, keys_of("compact"), through_proxy);
        let sqs = aws_sdk_sqs::Client::new(&poller.config(Service::Sqs));
        let polling = stack.mappings.iter();
        let polling =
            polling.map(|mapping| Polling::start(mapping.clone(), sqs.clone(), Arc::clone(&lambda))).collect();
        let ticking = match settings.ticks {
            Ticks::WhenFired => None,
            Ticks::Faster(times) => Some(Ticking::start(&stack.schedules, &lambda, times).expect("known expressions")),
        };
        let url_of = |program: &str| {
            let own = urls.iter().find(|(function, _)| *function == stack.function(program).name);
            own.map_or(&http_api, |(_, front)| front).url()
        };
        let (otlp_url, query_url) = (url_of("ingest"), url_of("query"));
        let table = stack.template.outputs().remove("TableName").expect("the template has an output TableName");
        let keys = first_keys(&aws, &table, otlp_url, http_api.url()).await;
        Self {
            client: Client::new(keys),
            stack,
            lambda,
            polling,
            _ticking: ticking,
            proxy,
            aws,
            http_api,
            urls,
            invoke,
            query_url,
        }
    }
}

fn keys_of(process: &str) -> AwsKeys {
    AwsKeys::new(access_key_id(process), "secret", None, None, "dev cloud")
}

/// For the checks over a whole run, if there is one.
fn keep_journal(proxy: &Proxy, stack: &Stack) {
    let Some(path) = journal_of_this_run(stack.template.stack()) else { return };
    let say = |value| stack.template.resolve_text(&value).expect("the template has them");
    let (table, bucket, queue) = (
        say(json!({ "Ref": "Table" })),
        say(json!({ "Ref": "Bucket" })),
        say(json!({ "Fn::GetAtt": ["TriggerQueue", "QueueName"] })),
    );
    proxy
        .journal()
        .write_to(&path, Names::of_stack(REGION, &table, &bucket, &queue))
        .expect("the folder takes journals");
}

/// The HTTP API, and a URL for each function that has one.
async fn edges(stack: &Stack, lambda: &Arc<Lambda>) -> std::io::Result<(Front, Vec<(String, Front)>)> {
    let http_api = HttpApi::new(Arc::clone(lambda), stack.routes.clone()).start().await?;
    let mut urls = Vec::new();
    for (function, auth) in &stack.urls {
        urls.push((function.clone(), function_url(Arc::clone(lambda), function, auth.clone()).await?));
    }
    Ok((http_api, urls))
}

/// Makes the first project, and a key of each scope.
async fn first_keys(aws: &Cloud, table: &str, otlp_url: String, api_url: String) -> Credentials {
    let clock = Arc::new(SystemClock);
    let items = aws.items(table, Arc::clone(&clock) as _);
    let project = ProjectId::parse(FIRST_PROJECT).expect("a valid project id");
    Projects::new(Arc::clone(&items), Arc::clone(&clock) as _).create(&project, "Default").await.expect("a new table");
    let keys = Keys::new(items, clock, Arc::new(RandomIds));
    let make = async |scope: Scope, reach: Reach| {
        let new = NewKey { name: "first key".to_owned(), scopes: vec![scope].into(), project: project.clone(), reach };
        let (_, secret) = keys.create(new).await.expect("the table is there");
        secret.reveal().to_owned()
    };
    Credentials {
        ingest_key: make(Scope::Ingest, Reach::Project).await,
        read_key: make(Scope::Read, Reach::Project).await,
        admin_key: make(Scope::Admin, Reach::Installation).await,
        project: project.to_string(),
        otlp_url,
        api_url,
    }
}
