//! The contract of [`lake::TableLog`].
//!
//! A log refuses whatever was not planned on its newest version, and nothing else. It does not know that a batch was
//! committed before: who commits reads T on the very snapshot that he commits on.

mod commits;
mod history;
mod together;
mod upkeep;

use std::sync::Arc;

use async_trait::async_trait;
use clock::{Clock, ManualClock};
use futures::future::BoxFuture;
use lake::{APP_COMPACT, APP_MERGE, APP_VOID, Commit, CommitKind, DataFile, FileName, LogError, LogOpener};
use lake::{Snapshot, TableLog};
use model::{MICROS_PER_DAY, Micros, TableId};

/// A table to try; it was never created.
#[derive(Clone)]
pub struct World {
    /// A process that shares no cache with another.
    pub process: Arc<dyn Fn() -> Arc<dyn LogOpener> + Send + Sync>,
    /// Partitioned by `date` and `signal`.
    pub table: TableId,
    /// The store's. At the start it shows the machine's time, which is what the library goes by.
    pub clock: Arc<ManualClock>,
    pub beneath: Arc<dyn Beneath>,
}

/// What happens to a log beside its door.
#[async_trait]
pub trait Beneath: Send + Sync {
    /// The next entry that is written stands, and its writer is told that there was no answer.
    fn lose_next_reply(&self);

    /// Somebody else adds a file, saying that the operation is a "WRITE". It has no marker and no tags of ours.
    async fn write_as_another(&self, file: &DataFile);

    /// The store is restored to how it was when this was the newest version.
    async fn put_back(&self, version: u64);
}

pub type Case = fn(World) -> BoxFuture<'static, ()>;

pub const CASES: &[(&str, Case)] = &[
    ("a_table_that_was_never_created_has_no_snapshot", |w| Box::pin(commits::nothing_there(w))),
    ("creating_a_table_again_changes_nothing", |w| Box::pin(commits::create_twice(w))),
    ("a_commit_is_read_back", |w| Box::pin(commits::read_back(w))),
    ("a_void_carries_both_app_versions_and_no_rows", |w| Box::pin(commits::void(w))),
    ("a_merge_moves_rows_and_carries_its_own_app_version", |w| Box::pin(commits::merge(w))),
    ("a_later_replay_of_a_commit_is_not_refused", |w| Box::pin(commits::replay(w))),
    ("a_snapshot_stays_as_it_was", |w| Box::pin(commits::snapshot_stays(w))),
    ("what_cannot_be_committed_changes_nothing", |w| Box::pin(commits::impossible(w))),
    ("a_commit_whose_reply_was_lost_stands", |w| Box::pin(commits::lost_reply(w))),
    ("a_creation_whose_reply_was_lost_stands", |w| Box::pin(commits::lost_create(w))),
    ("a_winner_with_our_app_id_refuses_us", |w| Box::pin(together::same_app(w))),
    ("a_winner_with_anything_else_refuses_us", |w| Box::pin(together::other_content(w))),
    ("one_of_many_commits_on_a_version_wins", |w| Box::pin(together::one_winner(w))),
    ("many_creators_make_one_table", |w| Box::pin(together::many_creators(w))),
    ("each_process_sees_the_commits_of_others_at_once", |w| Box::pin(together::processes(w))),
    ("the_table_of_another_project_is_another", |w| Box::pin(together::other_table(w))),
    ("removed_files_are_listed_with_their_times", |w| Box::pin(history::removed(w))),
    ("the_commits_that_took_segments_in_are_listed", |w| Box::pin(history::taken_in(w))),
    ("a_commit_of_somebody_else_is_found_and_ours_are_not", |w| Box::pin(history::foreign(w))),
    ("a_checkpoint_changes_nothing_that_is_read", |w| Box::pin(upkeep::checkpoint(w))),
    ("a_checkpoint_forgets_what_was_removed_two_days_ago", |w| Box::pin(upkeep::forgotten(w))),
    ("cleaning_deletes_what_is_old_below_a_checkpoint", |w| Box::pin(upkeep::clean(w))),
    ("without_a_checkpoint_nothing_is_cleaned", |w| Box::pin(upkeep::clean_nothing(w))),
    ("a_table_that_was_put_back_is_seen_by_new_processes", |w| Box::pin(upkeep::put_back(w))),
    ("a_table_that_was_put_back_is_seen_by_running_ones", |w| Box::pin(upkeep::put_back_under_processes(w))),
];

const HOUR: Micros = MICROS_PER_DAY / 24;

/// What tells two states of a table apart: version, T, V, M, and the paths in order.
type Sight = (u64, u64, u64, u64, Vec<String>);

impl World {
    /// The table's log, opened by a new process.
    fn open(&self) -> Arc<dyn TableLog> {
        (self.process)().open(&self.table)
    }

    /// The table, created.
    async fn created(&self) -> Arc<dyn TableLog> {
        let log = self.open();
        log.create().await.expect("created");
        log
    }

    /// What a new process sees.
    async fn sight(&self) -> Sight {
        sight(&newest(&self.open()).await)
    }

    /// A file that batch `seq` wrote. `fresh` tells the attempts of a batch apart.
    fn file(&self, seq: u64, fresh: &str) -> DataFile {
        self.file_named(&FileName::Part { seq, fence: 3, fresh: fresh.to_owned() }, self.clock.now())
    }

    fn file_named(&self, name: &FileName, at: Micros) -> DataFile {
        let partition = [("date", "2026-11-20"), ("signal", "span")];
        let partition = partition.map(|(column, value)| (column.to_owned(), value.to_owned())).into();
        let rows = 7;
        DataFile {
            path: name.path(self.table.table, &partition),
            bytes: 12_345,
            rows,
            partition,
            time_min: at - 61_000_001,
            time_max: at - 7,
            rewrites: 0,
            stats: format!(r#"{{"numRecords":{rows},"minValues":{{}},"maxValues":{{}},"nullCount":{{}}}}"#).into(),
            rollups: Some(r#"{"v":1,"levels":[]}"#.into()),
            modified_at: at,
        }
    }

    /// What batch `seq` commits: one file, one segment.
    fn append(&self, seq: u64, fresh: &str) -> Commit {
        Commit {
            add: vec![self.file(seq, fresh)],
            transactions: vec![(APP_COMPACT, seq)],
            segments: vec![format!("segment-{seq}")],
            at: self.clock.now(),
            ..Commit::default()
        }
    }

    fn void(&self, seq: u64) -> Commit {
        let transactions = vec![(APP_COMPACT, seq), (APP_VOID, seq)];
        Commit { transactions, at: self.clock.now(), ..Commit::default() }
    }

    /// Replaces files by one.
    fn merge(&self, merge: u64, remove: Vec<String>) -> Commit {
        let name = FileName::Merge { merge, fence: 3, fresh: "m".to_owned() };
        Commit {
            add: vec![DataFile { rewrites: 2, ..self.file_named(&name, self.clock.now()) }],
            remove,
            transactions: vec![(APP_MERGE, merge)],
            at: self.clock.now(),
            kind: CommitKind::Merge,
            ..Commit::default()
        }
    }

    fn retention(&self, merge: u64, remove: Vec<String>) -> Commit {
        let transactions = vec![(APP_MERGE, merge)];
        Commit { remove, transactions, at: self.clock.now(), kind: CommitKind::Retention, ..Commit::default() }
    }

    fn pass(&self, time: Micros) {
        self.clock.set(self.clock.now() + time);
    }
}

async fn newest(log: &Arc<dyn TableLog>) -> Snapshot {
    log.snapshot().await.expect("a snapshot").expect("a table")
}

/// Commits on the newest version; what stands then.
async fn commit(log: &Arc<dyn TableLog>, commit: Commit) -> Snapshot {
    let base = newest(log).await;
    log.commit(&base, commit).await.expect("committed");
    let stands = newest(log).await;
    assert_eq!(stands.version, base.version + 1);
    stands
}

fn sight(snapshot: &Snapshot) -> Sight {
    (snapshot.version, snapshot.committed, snapshot.voided, snapshot.merged, paths(snapshot))
}

fn paths(snapshot: &Snapshot) -> Vec<String> {
    let mut paths: Vec<String> = snapshot.files.iter().map(|file| file.path.clone()).collect();
    paths.sort();
    paths
}

fn assert_conflict(result: Result<(), LogError>) {
    assert!(matches!(result, Err(LogError::Conflict { .. })), "{result:?} instead of a conflict");
}

fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, LogError>) {
    assert!(matches!(result, Err(LogError::Unavailable { .. })), "{result:?} instead of no answer");
}
