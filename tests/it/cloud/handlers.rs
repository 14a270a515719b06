//! The functions' handlers in this process on the emulated AWS, each with credentials of its own and through a proxy: what
//! each calls is in the journal as in the cloud. Not here: Lambda around them.

use std::sync::Arc;
use std::time::Duration;

use aws::{Cloud, Endpoints, S3Root};
use aws_credential_types::Credentials;
use axum::Router;
use axum::body::Body;
use clock::{Clock, Ids, RandomIds, SystemClock};
use compact::{Deadline, Outcome};
use http::{Request, StatusCode};
use lake::DeltaLogs;
use meta::keys::{Keys, NewKey, Reach};
use meta::projects::Projects;
use meta::quota::Quota;
use meta::{ItemStore, Ledger};
use model::{ProjectId, Scope, TableId, TableName};
use object_store::path::Path;
use objects::Roots;
use prost::Message;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::telemetry::{Sample, logs};
use tests::cloud::REGION;
use tests::cloud::emulators::Emulators;
use tests::cloud::policy::Names;
use tests::cloud::proxy::{Proxy, Upstreams, access_key_id, journal_of_this_run};
use tower::ServiceExt;

/// The folder of all projects in the stack's own bucket, as template.yaml has it.
const PREFIX: &str = "projects";
const BODY_BYTES_MAX: usize = 16 << 20;

/// One stack.
pub(super) struct World {
    pub(super) proxy: Proxy,
    pub(super) bucket: String,
    pub(super) emulators: &'static Emulators,
    table: String,
    queue_url: String,
    spill: TempDir,
}

/// What a function's handler is made of, opened with that function's credentials.
pub(super) struct Process {
    pub(super) cloud: Cloud,
    pub(super) roots: Roots,
    pub(super) projects: Arc<Projects>,
    pub(super) keys: Arc<Keys>,
    pub(super) ledger: Ledger,
    items: Arc<dyn ItemStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl World {
    /// `test` names the journal, if the run collects them.
    pub(super) async fn start(test: &str) -> Self {
        let emulators = emulators().await;
        let proxy = Proxy::start(upstreams(emulators)).await.unwrap();
        let world = Self::with(emulators, proxy).await;
        if let Some(file) = journal_of_this_run(test) {
            world.proxy.journal().write_to(&file, world.names()).unwrap();
        }
        world
    }

    /// One whose journal tells capacity units.
    pub(super) async fn metered() -> Self {
        let emulators = emulators().await;
        let proxy = Proxy::start_metered(upstreams(emulators)).await.unwrap();
        Self::with(emulators, proxy).await
    }

    async fn with(emulators: &'static Emulators, proxy: Proxy) -> Self {
        let (table, bucket) = (emulators.table().await, emulators.bucket().await);
        let queue_url = emulators.queue().await;
        Self { proxy, bucket, emulators, table, queue_url, spill: TempDir::new().unwrap() }
    }

    fn names(&self) -> Names {
        let queue = self.queue_url.rsplit('/').next().unwrap();
        Names::of_stack(REGION, &self.table, &self.bucket, queue)
    }

    /// A fresh process: nothing is cached, no session drawn.
    pub(super) fn process(&self, name: &str) -> Process {
        let keys = Credentials::new(access_key_id(name), "secret", None, None, "test");
        let cloud = Cloud::with_keys(REGION, keys, Endpoints::everywhere(self.proxy.endpoint()));
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(RandomIds));
        let items = cloud.items(&self.table, Arc::clone(&clock));
        let projects = Arc::new(Projects::new(Arc::clone(&items), Arc::clone(&clock)));
        let root: S3Root = format!("s3://{}/{PREFIX}", self.bucket).parse().unwrap();
        Process {
            roots: cloud.roots(&root, Arc::clone(&projects)).unwrap(),
            keys: Arc::new(Keys::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids))),
            ledger: Ledger::new(Arc::clone(&items), Arc::clone(&clock), Arc::clone(&ids)),
            cloud,
            projects,
            items,
            clock,
            ids,
        }
    }

    pub(super) fn ingest(&self) -> Router {
        self.ingest_of(self.process("ingest"))
    }

    pub(super) fn ingest_of(&self, process: Process) -> Router {
        let doors = ingest::Doors {
            quota: Arc::new(Quota::new(Arc::clone(&process.items), Arc::clone(&process.clock))),
            queue: process.cloud.queue(&self.queue_url),
            ledger: process.ledger,
            roots: process.roots,
            keys: process.keys,
            projects: process.projects,
            clock: process.clock,
            ids: process.ids,
        };
        ingest::router(ingest::App::new(doors, ingest::Meters::default(), ingest::Settings::default()))
    }

    pub(super) fn compact(&self) -> compact::App {
        let Process { ledger, roots, projects, clock, ids, .. } = self.process("compact");
        let logs = Arc::new(DeltaLogs::new(roots.clone()));
        compact::App::new(ledger, roots, logs, projects, clock, ids, compact::Settings::default())
    }

    pub(super) fn query(&self) -> Router {
        let Process { ledger, roots, keys, clock, ids, .. } = self.process("query");
        let logs = Arc::new(DeltaLogs::new(roots.clone()));
        let doors = query::Doors { ledger, roots, logs, keys, clock, ids: Arc::clone(&ids) };
        let mut settings = query::Settings::new(self.spill.path().join(ids.fresh()));
        settings.threads = 1;
        let app = query::App::new(doors, query::Meters::default(), settings).unwrap();
        edge::face(query::router(app), ids, &[])
    }

    /// As the event source mapping does, with the function's credentials.
    pub(super) async fn take_triggers(&self, app: &compact::App) {
        let queue = self.process("compact").cloud.queue(&self.queue_url);
        for message in queue.receive(10, Duration::from_secs(60)).await.unwrap() {
            let trigger = serde_json::from_str(&message.body).unwrap();
            let outcomes = compact::handle(app, vec![trigger], soon()).await;
            assert!(outcomes.iter().all(|outcome| !outcome.is_retry()), "{outcomes:?}");
            queue.delete(&message.receipt).await.unwrap();
        }
    }

    /// A key of the project for everything.
    pub(super) async fn key(&self, project: &ProjectId) -> String {
        let scopes = vec![Scope::Ingest, Scope::Read].into();
        let new = NewKey { project: project.clone(), scopes, reach: Reach::Project, name: "test".into() };
        let (_, secret) = self.process("api").keys.create(new).await.unwrap();
        secret.reveal().to_owned()
    }
}

pub(super) async fn emulators() -> &'static Emulators {
    tokio::task::spawn_blocking(Emulators::shared).await.unwrap()
}

pub(super) fn upstreams(emulators: &Emulators) -> Upstreams {
    Upstreams::new(emulators.moto_url()).with("dynamodb", emulators.dynamodb_url())
}

pub(super) fn project(id: &str) -> ProjectId {
    ProjectId::parse(id).unwrap()
}

pub(super) fn logs_of(project: &ProjectId) -> TableId {
    TableId::new(project.clone(), TableName::LogsAndSpans)
}

/// A body with `n` log records of now; other seeds make other bodies.
pub(super) fn body(seed: u64, n: usize) -> Vec<u8> {
    let now_nanos = u64::try_from(SystemClock.now()).unwrap() * 1_000;
    logs(&Sample { seed, n, start_unix_nano: now_nanos }).encode_to_vec()
}

pub(super) async fn send(ingest: &Router, key: &str, body: &[u8]) -> StatusCode {
    let request = Request::post("/v1/logs").header("content-type", "application/x-protobuf").header("x-api-key", key);
    let request = request.body(Body::from(body.to_vec())).unwrap();
    ingest.clone().oneshot(request).await.unwrap().status()
}

/// How many records the project has.
pub(super) async fn count(query: &Router, key: &str) -> u64 {
    let sql = json!({"sql": "SELECT count(*), count(DISTINCT id) FROM otel_logs_and_spans"}).to_string();
    let request = Request::post("/api/v1/query").header("content-type", "application/json").header("x-api-key", key);
    let reply = query.clone().oneshot(request.body(Body::from(sql)).unwrap()).await.unwrap();
    let body = axum::body::to_bytes(reply.into_body(), BODY_BYTES_MAX).await.unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let row = &answer["rows"][0];
    assert!(row[0].is_u64() && row[0] == row[1], "each record once: {answer}");
    row[0].as_u64().unwrap()
}

pub(super) async fn compact_now(app: &compact::App, table: &TableId) {
    let outcome = compact::compact_now(app, table, soon()).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

pub(super) fn soon() -> Deadline {
    Deadline::after(&SystemClock, Duration::from_secs(600))
}

/// A root in a bucket by a process's own credentials, as nobody should enter a customer's bucket.
pub(super) fn trespassing(process: &Process, bucket: &str, folder: &str) -> Arc<dyn object_store::ObjectStore> {
    let root: S3Root = format!("s3://{bucket}").parse().unwrap();
    let store = process.cloud.root_store(&root).unwrap();
    Arc::new(object_store::prefix::PrefixStore::new(store, Path::from(folder)))
}
