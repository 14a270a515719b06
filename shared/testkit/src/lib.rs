//! What tests share: fakes that keep state, contract suites that fakes and real things both pass, sample telemetry.

mod bucket;
pub mod contract;
mod items;
mod log;
mod queue;
pub mod telemetry;

pub use bucket::MemoryBuckets;
pub use items::MemoryItems;
pub use log::{Entry, ModelLog, ModelLogs, Origin};
pub use queue::MemoryQueue;
