//! What Plimsoll talks about: projects, tables, segments, settings, and the pure decisions over them.
//!
//! No I/O, no async, no clock: every function here answers from its arguments alone. The one exception is the switch in
//! [`safeguard`], which only a test can set.

mod chain;
mod choice;
mod hash;
mod installation;
mod panic;
mod project;
pub mod safeguard;
mod scope;
mod segment;
mod settings;
mod signal;
pub mod storage;
mod table;
mod time;

pub use chain::chain;
pub use choice::{DueRule, choose_within};
pub use hash::{BodyHash, InvalidHash};
pub use installation::{InstallationId, InvalidInstallationId};
pub use panic::panic_words;
pub use project::{InvalidProjectId, ProjectId};
pub use safeguard::Safeguard;
pub use scope::{InvalidScope, Scope, Scopes};
pub use segment::{Segment, SegmentId};
pub use settings::ProjectSettings;
pub use signal::Signal;
pub use storage::Storage;
pub use table::{TableId, TableName, UnknownTable};
pub use time::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, TimeRange, day_of, hour_path, rfc3339};
