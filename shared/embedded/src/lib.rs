//! The cloud's doors on one machine: metadata and queue in SQLite files, objects in a folder.
//!
//! - [`SqliteItems`]: the metadata store. What it acknowledges is on the disk (`synchronous=FULL`).
//! - [`SqliteQueue`]: triggers; a crash may lose the last of them, as a queue may.
//! - [`DurableDisk`]: objects; what it acknowledges is on the disk, file and folder.
//!
//! A second process that opens the same files is turned away with a clear error.

mod disk;
mod error;
mod items;
mod lock;
mod queue;
mod sqlite;

pub use disk::{DiskError, DurableDisk};
pub use error::OpenError;
pub use items::SqliteItems;
pub use queue::SqliteQueue;
