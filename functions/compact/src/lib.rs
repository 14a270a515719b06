//! Compaction: live segments become sorted Parquet in a Delta table, exactly once; and the upkeep of what is there.
//!
//! - [`handle`]: triggers in, one outcome each; [`see_to`]: the same for messages of a queue; [`sweep`]: every table with
//!   anything left to do; [`compact_now`]: one table, whatever is live.
//! - `pass/`: one worker's turn at one table, step by step as the write path lays it down: lease, check, resolve the open
//!   batch, choose, open, build, commit, mark, clean.
//! - [`maintain`] and `maintain/`: merging, retention, vacuum, landing objects, checkpoints, old log entries;
//!   [`maintain_all`]: a round over all tables.
//! - [`repair()`]: a table that was stopped since its ledger or its log was put back in time.
//! - [`status()`]: how a table stands; [`lag()`]: how far compaction is behind.
//! - `http/`: [`router`], what operators ask; [`cloud`]: the function of its own.
//!
//! What holds at every step: only the ledger says what is live and who may commit; only a fresh snapshot says what is
//! committed; an error is never believed; nothing that a commit may still name is deleted.

mod app;
mod aside;
mod backoff;
mod beyond;
pub mod cloud;
mod config;
mod counters;
mod deadline;
mod error;
mod handle;
mod http;
mod lag;
mod maintain;
mod messages;
mod pass;
mod patience;
mod repair;
mod status;
mod sweep;

pub use app::App;
pub use config::Settings;
pub use counters::{Counter, Counters};
pub use deadline::Deadline;
pub use error::PassError;
pub use handle::{Outcome, compact_now, handle};
pub use http::{Operate, openapi, router};
pub use lag::{Behind, Lag, lag, log_lag};
pub use maintain::plan;
pub use maintain::{Chores, DaysAtOnce, LookupRule, Maintained, Pace, RetentionRefused, Round, maintain, maintain_all};
pub use messages::{Fate, see_to};
pub use pass::{Done, Pass};
pub use repair::{Repaired, repair};
pub use status::{OpenBatch, Quarantined, TableStatus, status, statuses};
pub use sweep::{Settled, Swept, sweep};
