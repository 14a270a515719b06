//! The cloud's doors on one machine: metadata and queue in SQLite files, objects in a folder.
//!
//! - [`SqliteItems`]: the metadata store. What it acknowledges is on the disk (`synchronous=FULL`).
//! - [`SqliteQueue`]: triggers; a crash may lose the last of them, as a queue may.
//! - [`DurableDisk`]: objects; what it acknowledges is on the disk, file and folder.
//! - [`MailFolder`]: mail, written as files.
//! - [`KeyFileSealer`]: secrets, sealed with a key in a file.
//!
//! A second process that opens the same files is turned away with a clear error.

mod disk;
mod error;
mod items;
mod lock;
mod mail;
mod queue;
mod seal;
mod sqlite;

pub use disk::{DiskError, DurableDisk};
pub use error::OpenError;
pub use items::SqliteItems;
pub use mail::MailFolder;
pub use queue::SqliteQueue;
pub use seal::KeyFileSealer;
