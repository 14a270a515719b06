//! Worlds for the contract of a table's log: the model, and the real log over a store.

use std::sync::Arc;

use async_trait::async_trait;
use clock::{Clock, ManualClock, SystemClock};
use futures::TryStreamExt;
use lake::{DataFile, DeltaLogs, LogOpener};
use model::{ProjectId, TableId, TableName};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use objects::{Roots, table_path};
use serde_json::json;
use testkit::contract::table_log::{Beneath, World};
use testkit::{ModelLog, ModelLogs};
use url::Url;

use crate::stores::{AgedStore, Faults, FaultyStore};

fn table() -> TableId {
    TableId::new(ProjectId::parse("shop").expect("an id"), TableName::LogsAndSpans)
}

/// The model: every process has the same.
pub(super) fn model() -> World {
    let (clock, table) = (Arc::new(ManualClock::new(SystemClock.now())), table());
    let logs = ModelLogs::new(clock.clone());
    let beneath = Arc::new(BeneathModel { log: logs.log(&table), logs: logs.clone() });
    World { process: Arc::new(move || Arc::new(logs.clone()) as Arc<dyn LogOpener>), table, clock, beneath }
}

struct BeneathModel {
    logs: ModelLogs,
    log: Arc<ModelLog>,
}

#[async_trait]
impl Beneath for BeneathModel {
    fn lose_next_reply(&self) {
        self.logs.lose_next_reply();
    }

    async fn write_as_another(&self, file: &DataFile) {
        let untold = DataFile { time_min: i64::MIN, time_max: i64::MAX, ..file.clone() };
        self.log.append_foreign("WRITE", vec![untold], &[]);
    }

    async fn put_back(&self, version: u64) {
        self.log.put_back(version);
    }
}

/// The real log over a store: each process opens it anew.
pub(super) fn delta(store: Arc<dyn ObjectStore>) -> World {
    let (clock, table) = (Arc::new(ManualClock::new(SystemClock.now())), table());
    let store: Arc<dyn ObjectStore> = Arc::new(AgedStore::new(store, clock.clone()));
    let faults = Faults::none();
    let faulty = FaultyStore { inner: Arc::clone(&store), faults: Arc::clone(&faults) };
    let url = Url::parse("memory:///").expect("a url");
    let log = Path::from(format!("{}/{}/_delta_log", table.project, table_path(table.table)));
    let roots = Roots::new(Arc::new(faulty), url);
    World {
        process: Arc::new(move || Arc::new(DeltaLogs::new(roots.clone())) as Arc<dyn LogOpener>),
        table,
        clock,
        beneath: Arc::new(BeneathDelta { store, log, faults }),
    }
}

struct BeneathDelta {
    /// The real one, below the faults.
    store: Arc<dyn ObjectStore>,
    /// The folder of the table's entries.
    log: Path,
    faults: Arc<Faults>,
}

impl BeneathDelta {
    /// (version, what it is, where it is) of the log's numbered files.
    async fn numbered(&self) -> Vec<(u64, String, Path)> {
        let listed: Vec<ObjectMeta> = self.store.list(Some(&self.log)).try_collect().await.expect("listed");
        let numbered = listed.into_iter().filter_map(|object| {
            let (version, kind) = object.location.filename()?.split_once('.')?;
            Some((version.parse().ok()?, kind.to_owned(), object.location))
        });
        numbered.collect()
    }
}

#[async_trait]
impl Beneath for BeneathDelta {
    fn lose_next_reply(&self) {
        self.faults.lose_next_reply();
    }

    async fn write_as_another(&self, file: &DataFile) {
        let version = 1 + self.numbered().await.iter().map(|(version, ..)| *version).max().expect("a table");
        let info = json!({"commitInfo": {"timestamp": file.modified_at / 1_000, "operation": "WRITE"}});
        let add = json!({"add": {
            "path": file.path,
            "partitionValues": file.partition,
            "size": file.bytes,
            "modificationTime": file.modified_at / 1_000,
            "dataChange": true,
            "stats": &*file.stats,
        }});
        let entry = self.log.clone().join(format!("{version:020}.json"));
        self.store.put(&entry, format!("{info}\n{add}\n").into()).await.expect("written");
    }

    async fn put_back(&self, version: u64) {
        let (stay, go): (Vec<_>, Vec<_>) = self.numbered().await.into_iter().partition(|(of, ..)| *of <= version);
        for (_, _, location) in go {
            self.store.delete(&location).await.expect("deleted");
        }
        let hint = self.log.clone().join("_last_checkpoint");
        let checkpoint = stay.iter().filter(|(_, kind, _)| kind == "checkpoint.parquet").map(|(of, ..)| *of).max();
        match checkpoint {
            Some(version) => {
                let said = json!({"version": version, "size": 1}).to_string();
                self.store.put(&hint, said.into()).await.expect("written");
            }
            None => match self.store.delete(&hint).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => panic!("{error}"),
            },
        }
    }
}
