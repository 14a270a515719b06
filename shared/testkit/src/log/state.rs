//! A version of a table, replayed from the entries of its log.

use std::collections::HashSet;
use std::sync::Arc;

use lake::{APP_COMPACT, APP_MERGE, APP_VOID, DataFile};

use super::entry::Entry;

/// What a snapshot shows. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) version: u64,
    pub(super) committed: u64,
    pub(super) voided: u64,
    pub(super) merged: u64,
    pub(super) files: Arc<Vec<DataFile>>,
}

impl State {
    /// The version that the first entry makes.
    pub(super) fn first(entry: &Entry) -> Self {
        Self { version: 0, committed: 0, voided: 0, merged: 0, files: Arc::default() }.after(entry)
    }

    /// The version that the next entry makes. Of one path there is one file: the one that was added last.
    pub(super) fn after(&self, entry: &Entry) -> Self {
        let app = |id, stood| entry.transaction(id).unwrap_or(stood);
        let gone: HashSet<&str> = entry
            .remove
            .iter()
            .map(|file| &file.path)
            .chain(entry.add.iter().map(|file| &file.path))
            .map(String::as_str)
            .collect();
        let files = if gone.is_empty() {
            Arc::clone(&self.files)
        } else {
            let stay = self.files.iter().filter(|file| !gone.contains(file.path.as_str()));
            Arc::new(stay.chain(&entry.add).cloned().collect())
        };
        Self {
            version: entry.version,
            committed: app(APP_COMPACT, self.committed),
            voided: app(APP_VOID, self.voided),
            merged: app(APP_MERGE, self.merged),
            files,
        }
    }
}
