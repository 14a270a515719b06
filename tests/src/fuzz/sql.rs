//! Target `sql`: any text as a question, asked of a project without rows and of one with a few.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use clock::{Clock, SystemClock};
use futures::TryStreamExt;
use model::{ProjectId, TableId, TableName};
use object_store::ObjectStore;
use query::{QueryError, SqlRequest};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::tables::{NOW, Tables, at, batch, project};

/// What a question may take; beyond, it is stopped.
const TIMEOUT_MS: u64 = 300;
/// What stopping it may take on a busy machine, debug build included.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// [`Sql`], once for the process.
pub fn sql(input: &[u8]) {
    static SQL: LazyLock<Mutex<Sql>> = LazyLock::new(|| Mutex::new(Sql::new()));
    SQL.lock().unwrap_or_else(PoisonError::into_inner).check(input);
}

/// Asks without a panic, within the time there is, and leaves the store as it was.
pub struct Sql {
    runtime: Runtime,
    tables: Tables,
    empty: ProjectId,
    small: ProjectId,
    /// What the store holds, with the objects' sizes.
    objects: Vec<(String, u64)>,
}

impl Sql {
    #[allow(clippy::new_without_default, reason = "it starts threads")]
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_stack_size(local::STACK_BYTES)
            .enable_all()
            .build()
            .expect("a runtime");
        let tables = Tables::with(|settings| {
            settings.threads = 1;
            settings.memory_bytes = 64 << 20;
            settings.spill_bytes_max = 64 << 20;
            // One place, so that a question that was stopped and goes on all the same is seen by the next.
            settings.running_max = 1;
            settings.running_per_project_max = 1;
            settings.place_wait = STOP_WITHIN;
        });
        let (empty, small) = (project("empty"), project("small"));
        let id = TableId::new(small.clone(), TableName::LogsAndSpans);
        let spans = (0..3).map(|n| {
            json!({
                "timestamp": at(NOW - n * 1_000_000), "signal": "span", "id": format!("{n:016x}"), "name": "GET /",
                "kind": "server", "duration": n, "resource___service___name": "shop",
                "attributes": r#"{"app.n":1,"app.list":["a",{"b":null}]}"#,
            })
        });
        runtime.block_on(tables.live(&id, &batch(&small, id.table, &spans.collect::<Vec<_>>())));
        let objects = runtime.block_on(objects_of(&tables));
        Self { runtime, tables, empty, small, objects }
    }

    pub fn check(&self, input: &[u8]) {
        let Ok(sql) = std::str::from_utf8(input) else { return };
        for project in [&self.empty, &self.small] {
            self.check_in(project, sql);
        }
    }

    fn check_in(&self, project: &ProjectId, sql: &str) {
        let began = SystemClock.uptime();
        let answered = self.ask(project, sql);
        let took = SystemClock.uptime() - began;
        assert!(took < STOP_WITHIN, "{took:?}, with {TIMEOUT_MS} ms to answer in: {sql}");
        match answered {
            Ok(()) => {}
            Err(QueryError::Internal { source }) => panic!("a bug: {source:?} in {sql}"),
            Err(QueryError::Limit(_)) => {
                let next = self.ask(project, "SELECT 1");
                assert!(next.is_ok(), "it still runs {STOP_WITHIN:?} after it was stopped: {sql}");
            }
            Err(error @ (QueryError::Unavailable { .. } | QueryError::Vanished { .. })) => {
                panic!("nothing is missing: {error:?} in {sql}");
            }
            Err(_) => {}
        }
        assert_eq!(self.runtime.block_on(objects_of(&self.tables)), self.objects, "it wrote: {sql}");
    }

    fn ask(&self, project: &ProjectId, sql: &str) -> Result<(), QueryError> {
        let request = SqlRequest { limit: Some(100), timeout_ms: Some(TIMEOUT_MS), ..SqlRequest::new(sql) };
        self.runtime.block_on(query::run(&self.tables.app, project, request)).map(drop)
    }
}

async fn objects_of(tables: &Tables) -> Vec<(String, u64)> {
    let objects: Vec<_> = tables.store.list(None).try_collect().await.expect("listed");
    let mut objects: Vec<_> = objects.into_iter().map(|object| (object.location.to_string(), object.size)).collect();
    objects.sort();
    objects
}
