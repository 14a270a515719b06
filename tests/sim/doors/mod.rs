//! The doors of a process, every call through which waits on the stage.

mod items;
mod log;
mod objects;
mod queue;

pub(crate) use items::StagedItems;
pub(crate) use log::StagedLogs;
pub(crate) use objects::{Shelf, StagedObjects};
pub(crate) use queue::StagedQueue;
