//! What every implementation of a door promises, as named cases. A test runs them on a fresh world each:
//! `for (name, case) in items::CASES { case(world(name)).await }`. A case panics when the promise is broken.

pub mod items;
pub mod mail;
pub mod objects;
pub mod queries;
pub mod queue;
pub mod seal;
pub mod table_log;
