//! One version of the model log: what its commit changed, who made it, and when.

use lake::{APP_COMPACT, CommitKind, DataFile, ForeignCommit, RemovedFile, TakenIn};
use model::Micros;

/// An entry of the log, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub version: u64,
    pub add: Vec<DataFile>,
    /// With the times that the commit gave them.
    pub remove: Vec<RemovedFile>,
    /// App versions it carries: (app id, version).
    pub transactions: Vec<(String, u64)>,
    pub origin: Origin,
    /// When it was made, by its writer's clock.
    pub at: Micros,
    /// When it was written, by the clock of the log.
    pub written_at: Micros,
}

/// Who made an entry, by its marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// We created the table.
    Create,
    /// A commit of ours, with the ids of the segments that it names.
    Ours { kind: CommitKind, segments: Vec<String> },
    /// No marker of ours. The text is what its writer says it did.
    Foreign { operation: String },
}

impl Entry {
    /// Version of an app that it carries.
    pub fn transaction(&self, app: &str) -> Option<u64> {
        self.transactions.iter().find(|(id, _)| id == app).map(|(_, version)| *version)
    }

    pub(super) fn foreign(&self) -> Option<ForeignCommit> {
        match &self.origin {
            Origin::Foreign { operation } => {
                Some(ForeignCommit { version: self.version, operation: operation.clone() })
            }
            Origin::Create | Origin::Ours { .. } => None,
        }
    }

    /// None: it takes nothing in. An error: it carries a batch and does not name its segments.
    pub(super) fn taken_in(&self) -> Result<Option<TakenIn>, String> {
        let (version, at) = (self.version, self.at);
        match (self.transaction(APP_COMPACT), &self.origin) {
            (None, _) => Ok(None),
            (Some(seq), Origin::Ours { segments, .. }) => {
                Ok(Some(TakenIn { version, seq, segments: segments.clone(), at }))
            }
            (Some(seq), Origin::Create | Origin::Foreign { .. }) => {
                Err(format!("entry {version} carries batch {seq} without our marker"))
            }
        }
    }
}
