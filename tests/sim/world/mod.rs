//! A world: stores that last, processes that come and go, and the bodies that were sent.

mod bodies;
pub(crate) mod contents;
mod process;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use bytes::Bytes;
use clock::{Clock, CountingIds, ManualClock};
use compact::{DaysAtOnce, Deadline, Outcome, Pace, Settings};
use http::{Request, StatusCode};
use meta::keys::{Keys, NewKey, Reach};
use meta::projects::Projects;
use meta::{ItemStore, Ledger};
use model::{Micros, ProjectId, Scope as KeyScope, Scopes, TableId, TableName};
use testkit::{MemoryItems, ModelLogs};
use tower::ServiceExt;

pub(crate) use self::bodies::{Bodies, Body, Fate, Found};
pub(crate) use self::process::Process;
use crate::doors::Shelf;
use crate::stage::{ProcessId, Stage};

/// 2026-11-20T12:00:00Z.
pub(crate) const NOON: Micros = 1_795_176_000_000_000;
/// A turn may take so long.
const TURN: Duration = Duration::from_secs(600);

/// How big a world is.
#[derive(Clone)]
pub(crate) struct Scope {
    pub projects: usize,
    /// Items on a page of the metadata store.
    pub page: usize,
    pub settings: Settings,
}

impl Default for Scope {
    fn default() -> Self {
        let mut settings = Settings {
            due: model::DueRule::NOW,
            mark_delay: Duration::from_secs(30),
            deadline_margin: Duration::ZERO,
            table_time_max: TURN,
            checkpoint_commits: 2,
            ..Settings::default()
        };
        (settings.merge.fan_in, settings.merge.day_files) = (2, 2);
        (settings.lookup.reads_min, settings.lookup.reads_min_over) = (2, 2);
        Self { projects: 1, page: 1_000, settings }
    }
}

pub(crate) struct World {
    pub scope: Scope,
    pub clock: Arc<ManualClock>,
    pub ids: Arc<CountingIds>,
    pub stage: Arc<Stage>,
    pub items: Arc<MemoryItems>,
    pub shelf: Arc<Shelf>,
    pub logs: ModelLogs,
    pub tables: Vec<TableId>,
    pub bodies: Arc<Mutex<Bodies>>,
    /// An ingest key of each project.
    keys: Vec<String>,
    processes: u32,
    /// Triggers of busy tables that went back to the queue: after five receptions they are put aside for good.
    pub handed_back: Arc<AtomicUsize>,
}

impl World {
    pub(crate) async fn new(scope: Scope) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let ids = Arc::new(CountingIds::default());
        let items = Arc::new(MemoryItems::new(clock.clone()));
        let (mut tables, mut keys) = (Vec::new(), Vec::new());
        for no in 0..scope.projects {
            let project = ProjectId::parse(&format!("project-{no}")).expect("an id");
            let store: Arc<dyn ItemStore> = items.clone();
            Projects::new(store.clone(), clock.clone()).create(&project, "simulated").await.expect("created");
            let scopes = Scopes::from(vec![KeyScope::Ingest]);
            let new = NewKey { project: project.clone(), scopes, reach: Reach::Project, name: "all".into() };
            let (_, secret) = Keys::new(store, clock.clone(), ids.clone()).create(new).await.expect("a key");
            keys.push(secret.reveal().to_owned());
            tables.push(TableId::new(project, TableName::LogsAndSpans));
        }
        Self {
            shelf: Arc::new(Shelf::new(clock.clone())),
            logs: ModelLogs::new(clock.clone()),
            stage: Arc::default(),
            bodies: Arc::default(),
            processes: 0,
            handed_back: Arc::default(),
            scope,
            clock,
            ids,
            items,
            tables,
            keys,
        }
    }

    /// A new process, whose wall clock is wrong by `ahead`.
    pub(crate) fn start(&mut self, ahead: Micros) -> Process {
        self.processes += 1;
        Process::start(self, ProcessId(self.processes), ahead)
    }

    /// The ledger as it stands, read in one moment.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(self.items.clone(), self.clock.clone(), self.ids.clone())
    }

    /// Time passes for everybody.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.stage.pass(time);
    }

    /// A sender sends a body to a process, and notes what it is told.
    pub(crate) fn send(&self, process: &Process, body: usize) {
        let now = self.clock.now();
        let (bytes, key) = {
            let mut bodies = self.bodies.lock().expect("not poisoned");
            let body = &mut bodies.all[body];
            body.first_sent_at.get_or_insert(now);
            body.in_flight += 1;
            (body.bytes.clone(), self.keys[body.project].clone())
        };
        let sent = InFlight { bodies: Arc::clone(&self.bodies), body };
        self.stage.enter(process.id, request(process.ingest.clone(), key, bytes, sent));
    }

    /// A worker sees to a table, as a trigger makes it.
    pub(crate) fn compact(&self, process: &Process, table: usize) {
        let (app, table) = (Arc::clone(&process.compact), self.tables[table].clone());
        let deadline = Deadline::after(process.clock.as_ref(), TURN);
        let (trigger, handed_back) = (meta::Trigger::new(table), Arc::clone(&self.handed_back));
        self.stage.enter(process.id, async move {
            let outcomes = compact::handle(&app, vec![trigger], deadline).await;
            let busy = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Busy { .. }) && outcome.is_retry());
            handed_back.fetch_add(busy.count(), Ordering::Relaxed);
        });
    }

    pub(crate) fn sweep(&self, process: &Process) {
        let app = Arc::clone(&process.compact);
        let deadline = Deadline::after(process.clock.as_ref(), TURN);
        self.stage.enter(process.id, async move { drop(compact::sweep(&app, deadline).await) });
    }

    pub(crate) fn repair(&self, process: &Process, table: usize) {
        let (app, table) = (Arc::clone(&process.compact), self.tables[table].clone());
        let deadline = Deadline::after(process.clock.as_ref(), TURN);
        self.stage.enter(process.id, async move { drop(compact::repair(&app, &table, deadline).await) });
    }

    pub(crate) fn maintain(&self, process: &Process, table: usize) {
        let (app, table) = (Arc::clone(&process.compact), self.tables[table].clone());
        let deadline = Deadline::after(process.clock.as_ref(), TURN);
        self.stage.enter(process.id, async move {
            drop(compact::maintain(&app, &table, Pace::Drain, DaysAtOnce::Few, deadline).await);
        });
    }
}

/// A request under way; whatever ends it, the sender knows that it has ended.
struct InFlight {
    bodies: Arc<Mutex<Bodies>>,
    body: usize,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.bodies.lock().expect("not poisoned").all[self.body].in_flight -= 1;
    }
}

async fn request(ingest: Router, key: String, bytes: Bytes, sent: InFlight) {
    let request = Request::post("/v1/traces")
        .header("content-type", "application/x-protobuf")
        .header("authorization", format!("Bearer {key}"))
        .body(HttpBody::from(bytes))
        .expect("a request");
    let response = ingest.oneshot(request).await.expect("infallible");
    let status = response.status();
    let answer = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("an answer");
    if status == StatusCode::OK {
        sent.bodies.lock().expect("not poisoned").acknowledge(sent.body, &answer);
    }
}
