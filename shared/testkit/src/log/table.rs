//! What the store holds of one table's log: entries, checkpoints, and the rules by which they come and go.
//!
//! No caches: every process sees what stands. The real log's caches are only a head start, so they may not show.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use lake::RemovedFile;
use model::{MICROS_PER_DAY, Micros};

use super::entry::Entry;
use super::state::State;

/// As `delta.deletedFileRetentionDuration` of our tables: a checkpoint forgets files that were removed longer ago.
const REMOVED_KEPT: Micros = 2 * MICROS_PER_DAY;

/// The log of one table. A table that was never created has no entry.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<u64, Arc<Entry>>,
    checkpoints: BTreeMap<u64, Checkpoint>,
    /// What the file `_last_checkpoint` says.
    hint: Option<u64>,
    newest: Option<State>,
}

#[derive(Debug)]
struct Checkpoint {
    state: State,
    removed: Vec<RemovedFile>,
    written_at: Micros,
}

impl Table {
    pub(super) fn newest(&self) -> Option<&State> {
        self.newest.as_ref()
    }

    /// Those that are still there, oldest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    pub(super) fn has_entry(&self, version: u64) -> bool {
        self.entries.contains_key(&version)
    }

    /// Version of the newest checkpoint that a snapshot of this version is read from.
    pub(super) fn checkpoint_below(&self, version: u64) -> Option<u64> {
        self.checkpoints.range(..=version).next_back().map(|(version, _)| *version)
    }

    /// Version of the next entry.
    pub(super) fn next_version(&self) -> u64 {
        self.newest.as_ref().map_or(0, |newest| newest.version + 1)
    }

    /// The version of the entry is [`Table::next_version`].
    pub(super) fn append(&mut self, entry: Entry) {
        self.newest = Some(match &self.newest {
            Some(newest) => newest.after(&entry),
            None => State::first(&entry),
        });
        self.entries.insert(entry.version, Arc::new(entry));
    }

    /// Files removed from the table up to a version, as the checkpoint that its snapshot was read from and the entries
    /// above it tell; the error names an entry that is gone.
    pub(super) fn removed(&self, version: u64, checkpoint: Option<u64>) -> Result<Vec<RemovedFile>, u64> {
        let mut removed = match checkpoint {
            Some(from) => self.checkpoints.get(&from).ok_or(from)?.removed.clone(),
            None => Vec::new(),
        };
        for version in checkpoint.map_or(0, |from| from + 1)..=version {
            removed.extend(self.entries.get(&version).ok_or(version)?.remove.iter().cloned());
        }
        Ok(removed)
    }

    pub(super) fn hint(&self) -> Option<u64> {
        self.hint
    }

    /// Writes a checkpoint of the newest version; none: there is no table, or its log is damaged.
    pub(super) fn checkpoint(&mut self, now: Micros) -> Option<u64> {
        let state = self.newest.clone()?;
        let version = state.version;
        let active: HashSet<&str> = state.files.iter().map(|file| file.path.as_str()).collect();
        let mut removed = self.removed(version, self.checkpoint_below(version)).ok()?;
        removed.retain(|file| !active.contains(file.path.as_str()) && file.removed_at > now - REMOVED_KEPT);
        self.checkpoints.insert(version, Checkpoint { state, removed, written_at: now });
        self.hint = Some(version);
        Some(version)
    }

    /// As the real log and its library do: down to the newest checkpoint from which all younger entries can be read,
    /// entries and checkpoints that are old enough go. How many.
    pub(super) fn clean(&mut self, older_than: Micros) -> usize {
        let written = || self.entries.iter().map(|(version, entry)| (*version, entry.written_at));
        let Some(newest) = written().map(|(version, _)| version).max() else { return 0 };
        let oldest_kept = written().filter(|(_, at)| *at >= older_than).map(|(version, _)| version).min();
        let Some(keep_from) = self.checkpoint_below(oldest_kept.unwrap_or(newest)) else { return 0 };
        // From here on the library decides: by milliseconds, and by the age of checkpoints too.
        let cutoff_ms = older_than.div_euclid(1_000);
        let checkpoints = || self.checkpoints.iter().map(|(version, checkpoint)| (*version, checkpoint.written_at));
        let is_young = |(_, at): &(u64, Micros)| at.div_euclid(1_000) >= cutoff_ms;
        let oldest_young = written().chain(checkpoints()).filter(is_young).map(|(version, _)| version).min();
        let Some(safe) = self.checkpoint_below(oldest_young.map_or(keep_from, |young| young.min(keep_from))) else {
            return 0;
        };
        let stood = self.entries.len() + self.checkpoints.len();
        let stays = |version: u64, at: Micros| version >= safe || at.div_euclid(1_000) > cutoff_ms;
        self.entries.retain(|version, entry| stays(*version, entry.written_at));
        self.checkpoints.retain(|version, checkpoint| stays(*version, checkpoint.written_at));
        stood - self.entries.len() - self.checkpoints.len()
    }

    /// Makes a version the newest again; the error names an entry without which it cannot be read.
    pub(super) fn put_back(&mut self, version: u64) -> Result<(), u64> {
        let checkpoint = self.checkpoint_below(version);
        let mut state = checkpoint.map(|from| self.checkpoints[&from].state.clone());
        for version in checkpoint.map_or(0, |from| from + 1)..=version {
            let entry = self.entries.get(&version).ok_or(version)?;
            state = Some(state.map_or_else(|| State::first(entry), |state| state.after(entry)));
        }
        self.newest = state;
        self.entries.split_off(&(version + 1));
        self.checkpoints.split_off(&(version + 1));
        self.hint = self.checkpoints.keys().next_back().copied();
        Ok(())
    }
}
