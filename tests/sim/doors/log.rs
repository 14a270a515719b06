//! The table logs as a process sees them.

use std::sync::Arc;

use async_trait::async_trait;
use lake::{Commit, ForeignCommit, LogError, LogOpener, RemovedFile, Snapshot, TableLog, TakenIn};
use model::{Micros, TableId};

use crate::stage::{Effect, ProcessId, Stage};

pub(crate) struct StagedLogs {
    pub inner: Arc<dyn LogOpener>,
    pub stage: Arc<Stage>,
    pub process: ProcessId,
}

impl LogOpener for StagedLogs {
    fn open(&self, table: &TableId) -> Arc<dyn TableLog> {
        Arc::new(StagedLog {
            inner: self.inner.open(table),
            table: table.to_string(),
            stage: Arc::clone(&self.stage),
            process: self.process,
        })
    }
}

struct StagedLog {
    inner: Arc<dyn TableLog>,
    table: String,
    stage: Arc<Stage>,
    process: ProcessId,
}

fn lost() -> LogError {
    LogError::Unavailable { table: "simulated".into(), act: "anything", source: "the call was lost".into() }
}

impl StagedLog {
    async fn staged<T, F>(
        &self,
        effect: Effect,
        act: &str,
        call: impl FnOnce(Arc<dyn TableLog>) -> F,
    ) -> Result<T, LogError>
    where
        F: Future<Output = Result<T, LogError>> + Send + 'static,
        T: Send + 'static,
    {
        let label = format!("{act} of {}", self.table);
        self.stage.call(self.process, effect, label, call(Arc::clone(&self.inner)), lost).await
    }
}

#[async_trait]
impl TableLog for StagedLog {
    async fn snapshot(&self) -> Result<Option<Snapshot>, LogError> {
        self.staged(Effect::Reads, "snapshot", |log| async move { log.snapshot().await }).await
    }

    async fn create(&self) -> Result<(), LogError> {
        self.staged(Effect::Writes, "creation", |log| async move { log.create().await }).await
    }

    async fn commit(&self, base: &Snapshot, commit: Commit) -> Result<(), LogError> {
        let base = base.clone();
        let what = format!("{} {:?} on {}", commit.kind.as_str(), commit.transactions, base.version);
        self.staged(Effect::Writes, &what, |log| async move { log.commit(&base, commit).await }).await
    }

    async fn removed(&self, base: &Snapshot) -> Result<Vec<RemovedFile>, LogError> {
        let base = base.clone();
        self.staged(Effect::Reads, "removed files", |log| async move { log.removed(&base).await }).await
    }

    async fn foreign_commit(&self, base: &Snapshot) -> Result<Option<ForeignCommit>, LogError> {
        let base = base.clone();
        self.staged(Effect::Reads, "foreign commits", |log| async move { log.foreign_commit(&base).await }).await
    }

    async fn taken_in(&self, base: &Snapshot) -> Result<Vec<TakenIn>, LogError> {
        let base = base.clone();
        self.staged(Effect::Reads, "commits", |log| async move { log.taken_in(&base).await }).await
    }

    async fn last_checkpoint(&self) -> Result<Option<u64>, LogError> {
        self.staged(Effect::Reads, "last checkpoint", |log| async move { log.last_checkpoint().await }).await
    }

    async fn checkpoint(&self) -> Result<u64, LogError> {
        self.staged(Effect::Writes, "checkpoint", |log| async move { log.checkpoint().await }).await
    }

    async fn clean_log(&self, older_than: Micros) -> Result<usize, LogError> {
        self.staged(Effect::Writes, "log clean-up", |log| async move { log.clean_log(older_than).await }).await
    }
}
