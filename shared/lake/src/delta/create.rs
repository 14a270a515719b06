//! Creating a table: empty, by a commit of its own that is never retried.
//!
//! A slow creator must not reset a table that is already there; without retries it only gets an error.

use deltalake::DeltaResult;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::logstore::LogStoreRef;
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::SaveMode;
use model::TableName;

use super::{commit, schema};
use crate::layout;

/// What the log says of itself to every engine. Never `delta.setTransactionRetentionDuration`: our fence needs all.
fn configuration(table: TableName) -> [(&'static str, Option<String>); 4] {
    [
        // Two dedup windows: `repair` reads the segment ids in the entries.
        ("delta.logRetentionDuration", Some("interval 2 days".to_owned())),
        ("delta.enableExpiredLogCleanup", Some("true".to_owned())),
        // Longer than the readers' horizon, so that the log still names what vacuum may delete.
        ("delta.deletedFileRetentionDuration", Some("interval 2 days".to_owned())),
        ("delta.dataSkippingStatsColumns", Some(layout::stats_columns(table).join(","))),
    ]
}

pub(super) async fn create(log_store: &LogStoreRef, table: TableName) -> DeltaResult<()> {
    let properties = CommitProperties::default()
        .with_max_retries(0)
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false))
        .with_metadata([commit::marker("create", &[], 0)]);
    CreateBuilder::new()
        .with_log_store(log_store.clone())
        .with_table_name(table.as_str())
        .with_columns(schema::delta_schema(table)?.fields().cloned())
        .with_partition_columns(table.partition_columns().iter().copied())
        .with_configuration(configuration(table))
        .with_save_mode(SaveMode::ErrorIfExists)
        .with_commit_properties(properties)
        .await
        .map(drop)
}
