//! One commit on the very snapshot that was checked.
//!
//! The library's own retries are off: they would move the commit onto a newer version. Its hooks are off: their errors
//! come back as errors of a commit that stands.

use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError};
use deltalake::kernel::{Action, MetadataExt, Transaction};
use deltalake::logstore::LogStoreRef;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaResult, DeltaTableError};
use model::{Micros, TableName};
use serde_json::{Value, json};

use super::file::{self, DataChange};
use super::schema;
use crate::layout::ROWS_PER_ROW_GROUP;
use crate::log::{Commit, CommitKind, LogError, Snapshot};

/// Under this key every commit of ours says what it is: `{"format":1,"kind":"append","segments":[...],"at":micros}`.
pub(super) const MARKER: &str = "plimsoll";
const MARKER_FORMAT: u32 = 1;

pub(super) fn marker(kind: &str, segments: &[String], at: Micros) -> (String, Value) {
    (MARKER.to_owned(), json!({ "format": MARKER_FORMAT, "kind": kind, "segments": segments, "at": at }))
}

pub(super) async fn commit(
    log_store: &LogStoreRef,
    table: TableName,
    base: &Snapshot,
    commit: Commit,
) -> DeltaResult<()> {
    let state: &DeltaTableState =
        base.base.downcast_ref().ok_or_else(|| DeltaTableError::Generic("a snapshot of another log".to_owned()))?;
    let actions = actions(state, table, base, &commit)?;
    let transactions = commit
        .transactions
        .iter()
        .map(|(app, version)| {
            let version = i64::try_from(*version).map_err(|_| DeltaTableError::InvalidVersion(*version))?;
            // Without a time of its own, so that no setting can let it expire.
            Ok(Transaction::new(*app, version))
        })
        .collect::<DeltaResult<Vec<_>>>()?;
    let properties = CommitProperties::default()
        .with_max_retries(0)
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false))
        .with_application_transactions(transactions)
        .with_metadata([marker(commit.kind.as_str(), &commit.segments, commit.at)]);
    CommitBuilder::from(properties)
        .with_actions(actions)
        .build(Some(state as &dyn TableReference), log_store.clone(), operation(state, table, commit.kind)?)
        .await
        .map(drop)
}

/// What the library's error means for the caller.
pub(super) fn classify(table: String, base: u64, source: DeltaTableError) -> LogError {
    let conflicts = matches!(
        &source,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::CommitConflict(_)
                    | TransactionError::MaxCommitAttempts(_)
                    | TransactionError::VersionAlreadyExists(_),
            }
    );
    if conflicts {
        LogError::Conflict { table, base, source: source.into() }
    } else {
        LogError::Unavailable { table, act: "commit", source: source.into() }
    }
}

fn actions(state: &DeltaTableState, table: TableName, base: &Snapshot, commit: &Commit) -> DeltaResult<Vec<Action>> {
    let change = if commit.kind == CommitKind::Merge { DataChange::None } else { DataChange::Rows };
    let mut actions = Vec::with_capacity(commit.add.len() + commit.remove.len() + 1);
    if commit.kind == CommitKind::AddColumns {
        let (widened, _) = schema::widened(state, table)?;
        actions.push(Action::Metadata(state.metadata().clone().with_schema(&widened)?));
    }
    for path in &commit.remove {
        let file = base.files.iter().find(|file| file.path == *path);
        let file = file.ok_or_else(|| DeltaTableError::Generic(format!("{path} is no file of the base")))?;
        actions.push(Action::Remove(file::remove(file, commit.at, change)));
    }
    actions.extend(commit.add.iter().map(|new| Action::Add(file::add(new, change))));
    Ok(actions)
}

/// What other engines read in the table's history.
fn operation(state: &DeltaTableState, table: TableName, kind: CommitKind) -> DeltaResult<DeltaOperation> {
    Ok(match kind {
        CommitKind::Append => DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(table.partition_columns().iter().map(|c| (*c).to_owned()).collect()),
            predicate: None,
        },
        CommitKind::Merge => DeltaOperation::Optimize { predicate: None, target_size: ROWS_PER_ROW_GROUP as i64 },
        CommitKind::Retention => DeltaOperation::Delete { predicate: None },
        CommitKind::AddColumns => DeltaOperation::AddColumn { fields: schema::widened(state, table)?.1 },
    })
}
