//! The functions at the door that Lambda knocks at: each gets the sample events of `events/`, over stores in memory.

mod api;
mod compact;
mod ingest;
mod query;

use std::sync::Arc;

use clock::{Clock, Ids, ManualClock, RandomIds};
use lake::DeltaLogs;
use lambda::{Answer, Call, Function};
use meta::keys::{Keys, NewKey, Reach};
use meta::projects::Projects;
use meta::quota::Quota;
use meta::{ItemStore, Ledger, Queue};
use model::{ProjectId, Scope, Scopes, TableId, TableName};
use object_store::memory::InMemory;
use objects::Roots;
use serde_json::{Value, json};
use testkit::{MemoryItems, MemoryQueue};
use tests::events;
use url::Url;

/// What Lambda calls a sample's call.
const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
/// Time that a call has.
const TIME_S: i64 = 600;

/// Names as they come; a secret that the samples know.
struct KnownSecret;

impl Ids for KnownSecret {
    fn fresh(&self) -> String {
        RandomIds.fresh()
    }

    fn secret(&self) -> [u8; 32] {
        [7; 32]
    }
}

/// Stores in memory with the project `shop` and the keys that the samples carry, at the time of the samples.
struct Installation {
    clock: Arc<ManualClock>,
    items: Arc<dyn ItemStore>,
    queue: Arc<MemoryQueue>,
    roots: Roots,
    ledger: Ledger,
    projects: Arc<Projects>,
    keys: Arc<Keys>,
}

impl Installation {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(events::SENT_AT));
        let time: Arc<dyn Clock> = clock.clone();
        let items: Arc<dyn ItemStore> = Arc::new(MemoryItems::new(Arc::clone(&time)));
        let projects = Arc::new(Projects::new(Arc::clone(&items), Arc::clone(&time)));
        let keys = Arc::new(Keys::new(Arc::clone(&items), Arc::clone(&time), Arc::new(KnownSecret)));
        projects.create(&shop(), "shop").await.expect("created");
        for (scope, reach) in
            [(Scope::Ingest, Reach::Project), (Scope::Read, Reach::Project), (Scope::Admin, Reach::Installation)]
        {
            let new = NewKey { project: shop(), scopes: Scopes::from(vec![scope]), reach, name: "sample".into() };
            keys.create(new).await.expect("created");
        }
        Self {
            queue: Arc::new(MemoryQueue::new(Arc::clone(&time))),
            roots: Roots::new(Arc::new(InMemory::new()), Url::parse("memory:///").expect("a URL")),
            ledger: Ledger::new(Arc::clone(&items), time, Arc::new(RandomIds)),
            clock,
            items,
            projects,
            keys,
        }
    }

    fn quota(&self) -> Quota {
        Quota::new(Arc::clone(&self.items), self.clock.clone())
    }

    fn ingest(&self) -> lambda::Http {
        let doors = ::ingest::Doors {
            ledger: self.ledger.clone(),
            roots: self.roots.clone(),
            keys: Arc::clone(&self.keys),
            projects: Arc::clone(&self.projects),
            quota: Arc::new(self.quota()),
            queue: self.queue.clone() as Arc<dyn Queue>,
            clock: self.clock.clone(),
            ids: Arc::new(RandomIds),
        };
        let config = ::ingest::cloud::Config {
            table: "plimsoll".into(),
            root: "s3://plimsoll-data/projects".parse().expect("a root"),
            queue_url: "https://sqs.eu-central-1.amazonaws.com/111122223333/plimsoll-triggers".into(),
            cors_origins: vec!["https://shop.example".into()],
            memory_bytes: 512 << 20,
        };
        ::ingest::cloud::function(doors, &config)
    }

    /// Live rows of a table of `shop`.
    async fn live_rows(&self, table: TableName) -> u64 {
        let view = self.ledger.read(&TableId::new(shop(), table)).await.expect("read");
        view.live.iter().map(|segment| segment.rows).sum()
    }

    fn logs(&self) -> Arc<DeltaLogs> {
        Arc::new(DeltaLogs::new(self.roots.clone()))
    }

    /// What a function answers to a sample, as JSON.
    async fn answer(&self, function: &impl Function, sample: &str) -> Value {
        answer(function, self.clock.as_ref(), sample).await
    }
}

fn shop() -> ProjectId {
    ProjectId::parse("shop").expect("an id")
}

/// The body of an HTTP answer, which is JSON.
fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap_or_default()).expect("JSON")
}

/// What a function answers to a sample, as JSON.
async fn answer(function: &impl Function, clock: &dyn Clock, sample: &str) -> Value {
    let call = Call { request_id: REQUEST_ID.into(), stop_at: clock.now() + TIME_S * 1_000_000 };
    match function.handle(events::load(sample), &call).await {
        Ok(Answer::Whole(json)) => serde_json::from_str(json.get()).expect("JSON"),
        Ok(Answer::Streamed(_)) => panic!("{sample} was streamed"),
        Err(failure) => panic!("{sample} failed: {failure}"),
    }
}

#[test]
fn every_sample_event_is_loaded_by_a_test() {
    let tests = concat!(
        include_str!("events/api.rs"),
        include_str!("events/compact.rs"),
        include_str!("events/ingest.rs"),
        include_str!("events/query.rs")
    );
    let names = events::names();
    assert!(names.len() > 10, "{names:?}");
    let unused: Vec<&String> = names.iter().filter(|name| !tests.contains(&format!("\"{name}\""))).collect();
    assert!(unused.is_empty(), "no test loads {unused:?}");
}
