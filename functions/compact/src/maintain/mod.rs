//! Upkeep of one table, under the same lease as compaction: every act resolves the open batch first and commits on the
//! snapshot it planned on, with the next version of `plimsoll/merge`. After any error it plans anew, never replays.
//!
//! A foreign commit in the log: we go on appending, and neither merge nor vacuum.

pub(crate) mod days;
mod delete;
mod kway;
pub(crate) mod landing;
pub(crate) mod log;
mod lookup;
mod merge;
pub mod plan;
mod results;
mod retention;
mod round;
pub(crate) mod store_time;
mod vacuum;

use lake::ForeignCommit;
use model::safeguard::{Safeguard, holds};
use model::{Micros, TableId, chain};

use crate::pass::{self, Held, Pass, Taking};
use crate::{App, Counter, Deadline, PassError};

pub use self::lookup::LookupRule;
pub use self::retention::RetentionRefused;
pub use self::round::{Round, maintain_all};

/// How patient upkeep is with days that are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// They are finished some time after their last row, so that late rows come along.
    Scheduled,
    /// They are finished now.
    Drain,
}

/// Which acts of upkeep are done; compaction of what is due always comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chores {
    All,
    /// What keeps reading fast: merging, look-up indexes, and the log's checkpoint.
    Merging,
    /// What makes room: retention, vacuum, landing objects, log entries, answers of queries.
    Removal,
}

impl Chores {
    fn includes_merging(self) -> bool {
        self != Self::Removal
    }

    fn includes_removal(self) -> bool {
        self != Self::Merging
    }
}

/// How many days retention may drop at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaysAtOnce {
    /// As many as the settings allow: more looks like a wrong clock or a slip.
    Few,
    /// An operator has said so.
    Any,
}

/// What upkeep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Somebody else held the table; nothing was done.
    pub busy_until: Option<Micros>,
    /// The table is stopped; nothing was done.
    pub stopped: Option<String>,
    /// Neither merging nor vacuum, because of this commit.
    pub foreign: Option<ForeignCommit>,
    pub merges: u32,
    pub retired_days: Vec<String>,
    pub retention_refused: Option<RetentionRefused>,
    /// Made, or made anew.
    pub lookup_indexes: u32,
    pub vacuumed_files: usize,
    pub lookup_indexes_deleted: usize,
    pub landing_objects_deleted: usize,
    pub checkpoint: Option<u64>,
    pub log_entries_deleted: usize,
    /// Acts that failed; each was logged. The others were done all the same.
    pub failed: Vec<&'static str>,
}

/// Everything that is due for a table, while there is time: compaction, retention, merging, look-up indexes, vacuum, landing
/// objects, checkpoint, old log entries.
pub async fn maintain(
    app: &App,
    table: &TableId,
    pace: Pace,
    days: DaysAtOnce,
    deadline: Deadline,
) -> Result<Maintained, PassError> {
    maintain_chores(app, table, Chores::All, pace, days, deadline).await
}

async fn maintain_chores(
    app: &App,
    table: &TableId,
    chores: Chores,
    pace: Pace,
    days: DaysAtOnce,
    deadline: Deadline,
) -> Result<Maintained, PassError> {
    let mut did = Maintained::default();
    if let Some(stop) = app.ledger.stopped(table).await? {
        return Ok(Maintained { stopped: Some(stop.reason), ..did });
    }
    // Nothing was ever written: nothing to keep up.
    if app.ledger.read_lease(table).await?.is_none() {
        return Ok(did);
    }
    let mut held = match Held::take(app, table, deadline).await? {
        Taking::Ours(held) => held,
        Taking::Busy { until } => return Ok(Maintained { busy_until: Some(until), ..did }),
    };
    let kept_up = keep_up(app, table, &mut held, chores, pace, days, deadline, &mut did).await;
    held.release().await;
    match kept_up {
        Ok(()) => Ok(did),
        Err(error) if error.out_of_reach().is_some() => {
            tracing::warn!(%table, error = error.said(), "upkeep found the project's bucket out of reach");
            Err(error)
        }
        Err(error) => {
            app.counters.add(Counter::Errors, 1);
            tracing::error!(%table, error = %chain(&error), advice = error.advice(), "upkeep ended early");
            Err(error)
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "each is asked for by another act")]
async fn keep_up(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    chores: Chores,
    pace: Pace,
    days: DaysAtOnce,
    deadline: Deadline,
    did: &mut Maintained,
) -> Result<(), PassError> {
    if let Pass::Stopped(stop) = pass::work(app, table, held, app.settings.due, deadline).await? {
        did.stopped = Some(stop.reason);
        return Ok(());
    }
    let Some(snapshot) = pass::settled(app, table, held).await? else { return Ok(()) };
    did.foreign = app.log(table).foreign_commit(&snapshot).await?;
    if let Some(foreign) = &did.foreign {
        tracing::warn!(%table, version = foreign.version, operation = foreign.operation,
            "somebody else wrote to the table: no merging and no vacuum");
    }
    if chores.includes_removal() {
        let retired = retention::retire(app, table, held, days, did).await;
        note(app, table, did, "retention", retired)?;
    }
    if did.foreign.is_none() || !holds(Safeguard::ForeignCommitStops) {
        if chores.includes_merging() {
            let merged = merge::merge_all(app, table, held, pace, deadline, did).await;
            note(app, table, did, "merging", merged)?;
        }
        if chores.includes_removal() {
            let vacuumed = vacuum::vacuum(app, table, held, did).await;
            note(app, table, did, "vacuum", vacuumed)?;
        }
    }
    if did.stopped.is_none() && chores.includes_merging() {
        let indexed = lookup::keep_up(app, table, held, pace, deadline, did).await;
        note(app, table, did, "look-up index", indexed)?;
    }
    // Landing objects and log entries are what repair goes by.
    if did.stopped.is_some() {
        return Ok(());
    }
    if chores.includes_removal() {
        let cleaned = landing::clean(app, table, held, deadline, did).await;
        note(app, table, did, "landing objects", cleaned)?;
        let cleaned = lookup::clean(app, table, held, did).await;
        note(app, table, did, "old look-up indexes", cleaned)?;
    }
    let logged = log::keep_up(app, table, held, chores, did).await;
    note(app, table, did, "log", logged)
}

/// An act that fails does not keep the others from being done; a lost lease, no time left or a bucket out of reach ends them
/// all.
fn note(
    app: &App,
    table: &TableId,
    did: &mut Maintained,
    act: &'static str,
    result: Result<(), PassError>,
) -> Result<(), PassError> {
    match result {
        Err(error @ (PassError::LeaseLost | PassError::TimeUp)) => Err(error),
        Err(error) if error.out_of_reach().is_some() => Err(error),
        Err(error) => {
            app.counters.add(Counter::Errors, 1);
            tracing::error!(%table, act, error = %chain(&error), "an act of upkeep failed; the next run does it");
            did.failed.push(act);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
