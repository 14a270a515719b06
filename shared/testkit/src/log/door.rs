//! The log at its door, as the write path uses it: [`TableLog`], with the rules and errors of the real one.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use lake::{Commit, DataFile, ForeignCommit, LogError, RemovedFile, SchemaFit, Snapshot, TableLog, TakenIn};
use model::Micros;

use super::entry::{Entry, Origin};
use super::state::State;
use super::{Base, ModelLog, whole_millis};

const COMMIT: &str = "commit";

#[async_trait]
impl TableLog for ModelLog {
    async fn snapshot(&self) -> Result<Option<Snapshot>, LogError> {
        let table = self.table();
        let Some(State { version, committed, voided, merged, files }) = table.newest().cloned() else {
            return Ok(None);
        };
        let base = Base { table: Arc::clone(&self.table), version, checkpoint: table.checkpoint_below(version) };
        let (schema, base) = (SchemaFit::Fits, Arc::new(base));
        Ok(Some(Snapshot { version, committed, voided, merged, files, schema, base }))
    }

    async fn create(&self) -> Result<(), LogError> {
        let (at, mut table) = (self.clock.now(), self.table());
        if table.newest().is_none() {
            table.append(Entry {
                version: 0,
                add: Vec::new(),
                remove: Vec::new(),
                transactions: Vec::new(),
                origin: Origin::Create,
                at,
                written_at: at,
            });
            // Lost or not: the real log looks whether a table can be read, and it can.
            self.loses_reply.store(false, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn commit(&self, base: &Snapshot, commit: Commit) -> Result<(), LogError> {
        let version = self.base(COMMIT, base)?.version;
        let entry = self.entry(base, commit)?;
        let mut table = self.table();
        // The library looks for versions after the base from the base's own entry on.
        if !table.has_entry(version) {
            return Err(self.unavailable(COMMIT, format!("there is no entry {version}")));
        }
        if table.next_version() > entry.version {
            let source = format!("version {} stands", entry.version).into();
            return Err(LogError::Conflict { table: self.id.to_string(), base: version, source });
        }
        table.append(entry);
        self.reply(COMMIT)
    }

    async fn removed(&self, base: &Snapshot) -> Result<Vec<RemovedFile>, LogError> {
        const ACT: &str = "list removed files";
        let Base { version, checkpoint, .. } = *self.base(ACT, base)?;
        let removed = self.table().removed(version, checkpoint);
        let mut removed = removed.map_err(|gone| self.unavailable(ACT, format!("entry {gone} is gone")))?;
        let active: HashSet<&str> = base.files.iter().map(|file| file.path.as_str()).collect();
        removed.retain(|file| !active.contains(file.path.as_str()));
        Ok(removed)
    }

    async fn foreign_commit(&self, base: &Snapshot) -> Result<Option<ForeignCommit>, LogError> {
        let table = self.table();
        let mut up_to_base = table.entries().take_while(|entry| entry.version <= base.version);
        Ok(up_to_base.find_map(|entry| entry.foreign()))
    }

    async fn taken_in(&self, base: &Snapshot) -> Result<Vec<TakenIn>, LogError> {
        let table = self.table();
        let up_to_base = table.entries().take_while(|entry| entry.version <= base.version);
        let taken_in = up_to_base.filter_map(|entry| entry.taken_in().transpose()).collect::<Result<_, _>>();
        taken_in.map_err(|broken| self.unavailable("read its entries", broken))
    }

    async fn last_checkpoint(&self) -> Result<Option<u64>, LogError> {
        Ok(self.table().hint())
    }

    async fn checkpoint(&self) -> Result<u64, LogError> {
        let written = self.table().checkpoint(self.clock.now());
        written.ok_or_else(|| self.unavailable("write a checkpoint", "its newest version cannot be read"))
    }

    async fn clean_log(&self, older_than: Micros) -> Result<usize, LogError> {
        Ok(self.table().clean(older_than))
    }
}

impl ModelLog {
    fn unavailable(&self, act: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogError {
        LogError::Unavailable { table: self.id.to_string(), act, source: source.into() }
    }

    fn base<'a>(&self, act: &'static str, snapshot: &'a Snapshot) -> Result<&'a Base, LogError> {
        let base = snapshot.base.downcast_ref::<Base>().filter(|base| Arc::ptr_eq(&base.table, &self.table));
        base.ok_or_else(|| self.unavailable(act, "a snapshot of another log"))
    }

    /// What a commit of ours writes, on this very base.
    fn entry(&self, base: &Snapshot, commit: Commit) -> Result<Entry, LogError> {
        let removed_at = whole_millis(commit.at);
        let known: HashSet<&str> = base.files.iter().map(|file| file.path.as_str()).collect();
        if let Some(path) = commit.remove.iter().find(|path| !known.contains(path.as_str())) {
            return Err(self.unavailable(COMMIT, format!("{path} is no file of the base")));
        }
        if let Some((app, version)) = commit.transactions.iter().find(|(_, version)| i64::try_from(*version).is_err()) {
            return Err(self.unavailable(COMMIT, format!("{app} cannot have version {version}")));
        }
        let add = commit.add.into_iter().map(|file| DataFile { modified_at: whole_millis(file.modified_at), ..file });
        Ok(Entry {
            version: base.version + 1,
            add: add.collect(),
            remove: commit.remove.into_iter().map(|path| RemovedFile { path, removed_at }).collect(),
            transactions: commit.transactions.into_iter().map(|(app, version)| (app.to_owned(), version)).collect(),
            origin: Origin::Ours { kind: commit.kind, segments: commit.segments },
            at: commit.at,
            written_at: self.clock.now(),
        })
    }

    /// Once an entry stands.
    fn reply(&self, act: &'static str) -> Result<(), LogError> {
        if self.loses_reply.swap(false, Ordering::SeqCst) {
            return Err(self.unavailable(act, "the reply was lost"));
        }
        Ok(())
    }
}
