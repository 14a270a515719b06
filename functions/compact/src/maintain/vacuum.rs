//! Vacuum: deletes data files that no snapshot of interest names and no commit to come can name.
//!
//! A file goes if its name is of ours and decided (its seq at or below T, its merge at or below M), the snapshot does not
//! hold it, and it is older than the readers' horizon: by the store's clock since it was written, and, if it was once part
//! of the table, by the log since it was removed (a time to come is that of a bad clock and says nothing). Age alone never
//! decides: a slow worker's file may be about to be named.
//!
//! A file of a batch that the ledger has not come to stops the table: ledger and table were both put back in time.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;
use lake::{FileName, RemovedFile, Snapshot};
use model::safeguard::{Safeguard, holds};
use model::{Micros, TableId};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use objects::table_path;

use super::delete::delete_each;
use super::{Maintained, store_time};
use crate::pass::{self, Held};
use crate::{App, Counter, PassError};

/// A removal further ahead than this comes from a bad clock.
const CLOCK_SLACK_US: Micros = 60_000_000;

pub(super) async fn vacuum(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    did: &mut Maintained,
) -> Result<(), PassError> {
    let Some(snapshot) = pass::settled(app, table, held).await? else { return Ok(()) };
    let store = app.root(table).store;
    let removed = app.log(table).removed(&snapshot).await?;
    let now = store_time::now(store.as_ref()).await?;
    let horizon = Micros::try_from(app.settings.vacuum_horizon.as_micros()).unwrap_or(Micros::MAX);
    let rule = Rule::new(&snapshot, &removed, now, now - horizon);
    let root = table_path(table.table);
    let listed = held.while_renewing(list(store.as_ref(), &root, &rule, app.settings.deletes_max)).await??;
    if let Some(seq) = listed.highest_seq.filter(|seq| *seq > held.last_seq()) {
        let last_seq = held.last_seq();
        let reason = format!("the ledger ends with batch {last_seq}, and there are data files of batch {seq}");
        did.stopped = Some(pass::stop(app, table, held, reason).await?.reason);
        return Ok(());
    }
    let deleted = delete_each(store.as_ref(), listed.may_go, "delete a data file");
    did.vacuumed_files += held.while_renewing(deleted).await??;
    app.counters.add(Counter::VacuumedFiles, did.vacuumed_files as u64);
    if did.vacuumed_files > 0 {
        tracing::info!(%table, files = did.vacuumed_files, "unreferenced data files deleted");
    }
    Ok(())
}

/// What may go.
struct Rule<'a> {
    active: HashSet<&'a str>,
    removed_at: HashMap<&'a str, Micros>,
    committed: u64,
    merged: u64,
    /// What is younger stays.
    older_than: Micros,
}

impl<'a> Rule<'a> {
    fn new(snapshot: &'a Snapshot, removed: &'a [RemovedFile], now: Micros, older_than: Micros) -> Self {
        let removed = removed.iter().filter(|file| file.removed_at <= now + CLOCK_SLACK_US);
        Self {
            active: snapshot.files.iter().map(|file| file.path.as_str()).collect(),
            removed_at: removed.map(|file| (file.path.as_str(), file.removed_at)).collect(),
            committed: snapshot.committed,
            merged: snapshot.merged,
            older_than,
        }
    }

    /// `path` is relative to the table's root.
    fn may_go(&self, path: &str, modified_at: Micros) -> bool {
        let is_decided =
            |name: FileName| name.is_decided(self.committed, self.merged) || !holds(Safeguard::VacuumBySeq);
        let is_old = |at: Micros| at < self.older_than || !holds(Safeguard::VacuumHorizon);
        FileName::parse(path).is_some_and(is_decided)
            && !self.active.contains(path)
            && is_old(modified_at)
            && self.removed_at.get(path).is_none_or(|at| is_old(*at))
    }
}

/// What lies below a table's root.
#[derive(Default)]
struct Listed {
    may_go: Vec<Path>,
    /// In the name of a data file. Above the ledger's last: ledger and table were both put back, and their numbers fit.
    highest_seq: Option<u64>,
}

async fn list(store: &dyn ObjectStore, root: &Path, rule: &Rule<'_>, max: usize) -> Result<Listed, PassError> {
    let mut listing = store.list(Some(root));
    let mut listed = Listed::default();
    let failed = |source| PassError::Store { act: "list data files", source };
    while let Some(ObjectMeta { location, last_modified, .. }) = listing.try_next().await.map_err(failed)? {
        let below_root = location.as_ref().strip_prefix(root.as_ref()).and_then(|path| path.strip_prefix('/'));
        let Some(path) = below_root else { continue };
        if let Some(FileName::Part { seq, .. }) = FileName::parse(path) {
            listed.highest_seq = listed.highest_seq.max(Some(seq));
        }
        if listed.may_go.len() < max && rule.may_go(path, last_modified.timestamp_micros()) {
            listed.may_go.push(location);
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lake::{DataFile, SchemaFit};

    use super::*;

    fn part(seq: u64) -> String {
        format!("date=2026-11-20/part-{seq:020}-1-a.parquet")
    }

    fn merge(m: u64) -> String {
        format!("date=2026-11-20/merge-{m:020}-1-a.parquet")
    }

    #[test]
    fn only_decided_unreferenced_old_files_of_ours_go() {
        let active = DataFile {
            path: part(2),
            bytes: 1,
            rows: 1,
            partition: Default::default(),
            time_min: 0,
            time_max: 0,
            rewrites: 0,
            stats: "{}".into(),
            rollups: None,
            modified_at: 0,
        };
        let snapshot = Snapshot {
            version: 9,
            committed: 5,
            voided: 0,
            merged: 3,
            files: Arc::new(vec![active]),
            schema: SchemaFit::Fits,
            base: Arc::new(()),
        };
        let to_come = 200 + CLOCK_SLACK_US + 1;
        let removed = [(3, 99), (4, 100), (5, to_come)];
        let removed = removed.map(|(seq, removed_at)| RemovedFile { path: part(seq), removed_at });
        let rule = Rule::new(&snapshot, &removed, 200, 100);
        let cases = [
            (part(1), 99, true, "an attempt that was never named"),
            (part(1), 100, false, "written within the horizon"),
            (part(2), 0, false, "active"),
            (part(3), 0, true, "removed before the horizon"),
            (part(4), 0, false, "removed within the horizon"),
            (part(5), 0, true, "removed by one whose clock was ahead"),
            (part(6), 0, false, "its batch may still be committed, however old it is"),
            (merge(3), 0, true, "a merge that was decided"),
            (merge(4), 0, false, "its merge may still be committed"),
            ("date=2026-11-20/part-0001-x.snappy.parquet".to_owned(), 0, false, "somebody else's"),
            ("_delta_log/00000000000000000001.json".to_owned(), 0, false, "the log"),
        ];
        for (path, modified_at, goes, why) in cases {
            assert_eq!(rule.may_go(&path, modified_at), goes, "{why}");
        }
    }
}
