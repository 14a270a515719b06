//! How the DynamoDB table is set up.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{PointInTimeRecoveryStatus, TimeToLiveStatus};

use crate::fault::{Fault, fault};
use crate::{Cloud, Service};

/// What is promised of the table by the template, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFacts {
    /// `ACTIVE`, or what it is busy with.
    pub status: String,
    pub deletion_protection: Protection,
    /// The attribute by which items expire; none: they never do.
    pub expires_by: Option<String>,
    pub point_in_time_recovery: Protection,
}

/// Whether a safety is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    On,
    Off,
}

impl Cloud {
    pub async fn table_facts(&self, table: &str) -> Result<TableFacts, Fault> {
        let client = Client::new(&self.config(Service::DynamoDb));
        let described = client.describe_table().table_name(table).send().await.map_err(fault)?.table;
        let expiry = client.describe_time_to_live().table_name(table).send().await.map_err(fault)?;
        let backups = match client.describe_continuous_backups().table_name(table).send().await.map_err(fault) {
            Ok(backups) => backups.continuous_backups_description,
            // DynamoDB Local has none.
            Err(fault) if fault.is("UnknownOperationException") => None,
            Err(fault) => return Err(fault),
        };
        let expiry = expiry.time_to_live_description.filter(|expiry| {
            matches!(expiry.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        });
        let recovery = backups.and_then(|backups| backups.point_in_time_recovery_description);
        let recovers = recovery.and_then(|recovery| recovery.point_in_time_recovery_status);
        let status = described.as_ref().and_then(|table| table.table_status.as_ref());
        Ok(TableFacts {
            status: status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            deletion_protection: (described.and_then(|table| table.deletion_protection_enabled) == Some(true)).into(),
            expires_by: expiry.and_then(|expiry| expiry.attribute_name),
            point_in_time_recovery: (recovers == Some(PointInTimeRecoveryStatus::Enabled)).into(),
        })
    }
}

impl From<bool> for Protection {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}
