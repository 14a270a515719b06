//! The metadata store on one DynamoDB table.
//!
//! The table has the string keys `pk` and `sk`, and DynamoDB deletes by `ttl`; [`layout`] says what an item holds. Every
//! read asks for strong consistency, on every page.
//!
//! **Expiry.** DynamoDB deletes days late, so an item that has expired by our clock is absent to us whatever stands in the
//! table: reads filter it out and every condition counts it as absent.
//!
//! **Versions.** A put that demands `Absent` or a version knows which version it makes; it is a `PutItem`. Any other put is
//! an `UpdateItem` that counts the version up where it stands, on condition that what stands there has not expired. If it
//! has, the put goes again as one over nothing, at version 1.
//!
//! **Lost replies.** The SDK tries once; tries, pauses and their bounds are ours (`tries`). A transaction carries the same
//! client token in all its tries, so a try that landed unheard is answered as done. A single put carries a tag of its own
//! in the item: a refusal is shown what stands there, and finds its own tag if it landed before. A refusal that cannot be
//! told from the echo of an unheard try is `Unavailable` and `may_have_happened`. So `ConditionFailed` means that this call
//! changed nothing.
//!
//! **What a call costs** (one unit a started KB): a read 1 RCU a 4 KB; `write` 1 WCU a KB of the larger of old and new
//! item; a transaction 2 WCU a KB and item, bare checks included. A single write as a transaction of one would have the
//! token instead of the tag, at twice the price, and could not say which version it made: hence the tag, 34 bytes.

mod action;
pub mod layout;
mod read;
mod single;
#[cfg(test)]
mod tests;
mod transaction;
mod tries;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use clock::Clock;
use meta::{Item, ItemKey, ItemStore, Operation, Page, SortRange, StoreError};

use self::tries::Tries;
use crate::{Cloud, Service};

/// Time for one try; a call that DynamoDB answers at all is answered in milliseconds.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

impl Cloud {
    /// The metadata store in a DynamoDB table. `clock` decides what has expired.
    pub fn items(&self, table: &str, clock: Arc<dyn Clock>) -> Arc<dyn ItemStore> {
        Arc::new(DynamoItems::open(Builder::from(&self.config(Service::DynamoDb)), table, clock))
    }

    /// How people call the ledger in that table: what a root says of its owner.
    pub fn ledger_name(&self, table: &str) -> String {
        format!("DynamoDB table {table} in {}", self.region())
    }
}

/// See the module.
struct DynamoItems {
    client: Client,
    table: String,
    clock: Arc<dyn Clock>,
}

impl DynamoItems {
    /// The config's retries and time-outs give way to our own.
    fn open(config: Builder, table: &str, clock: Arc<dyn Clock>) -> Self {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(TRY_TIMEOUT).build();
        let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), table: table.to_owned(), clock }
    }

    fn tries(&self, act: &'static str) -> Tries<'_> {
        Tries::new(self.clock.as_ref(), act)
    }
}

#[async_trait]
impl ItemStore for DynamoItems {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        self.read_item(key).await
    }

    async fn write(&self, operation: Operation) -> Result<u64, StoreError> {
        self.write_one(&operation).await
    }

    async fn query(
        &self,
        partition: &str,
        range: &SortRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.read_page(partition, range, after, limit).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        self.write_together(&operations).await
    }
}
