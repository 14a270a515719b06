//! `plimsoll repair`: a table goes on after its ledger or its log, or both, were put back in time.
//!
//! What is believed, in this order: the commits that the log holds *now* say which segments are in the table. The ledger
//! says what else is live. Every other landing object of the last dedup window may hold acknowledged records, and comes
//! in again by ingest's own last step, which adds no body that is known.
//!
//! 1. **Numbers** (`numbers`). A seq is never used twice and the mark never lowered. An empty commit takes T above every
//!    number that ledger, table or the names of its files ever showed, and then the mark follows: no reader goes on with
//!    a snapshot from the time line that was lost, and no late commit of an old batch passes. Batches that are not in the
//!    table are dropped *before* that commit, since by their numbers readers would take them for committed; `live#` of
//!    segments that are in the table go *after* the mark covers them, since older snapshots lack them; `batch#` go last.
//!    What is in the table is read anew after the commit: from then on nobody else can have changed it.
//!    Then quarantined segments that can be read are live again (`quarantine`).
//! 2. **Known bodies** (`known`). The footers of all segments that commits, `bad#` and `live#` name make their bodies
//!    known again. A live segment that came in while they were not known (a retry) gives up what the table holds. A first
//!    copy may be a window older than the retry that it made a duplicate: landing objects and log entries are kept for
//!    two windows.
//! 3. **What nothing names** (`restore`). A body in it is one of three: a named segment holds it: nothing to do. Its
//!    `seen#` names a segment that is live by now: a producer was faster. Its `seen#` names a segment that nothing names:
//!    its rows were in commits, or in a ledger, that were lost; the `seen#` goes, on condition of the segment it names and
//!    that this is not live, and then [`meta::Ledger::record`] decides, as for everybody. A segment that holds other
//!    bodies, too, is written again without them: its footer tells how many rows each body has, one after the other.
//!
//! Ingest goes on meanwhile, and every step is on condition of the fence. A crash leaves the stop where it is, and each
//! step finds what an earlier run has done; only the empty commit may be made once more. A table on which nothing is
//! wrong stays as it is.
//!
//! Readers are answered all the while. Until step 1 is done they may see twice what the table holds and the ledger calls
//! live; until step 3 they may miss what a lost ledger knew. If the mark is above T (the table alone was put back) they
//! get an error until step 1 has brought T above it.

mod known;
mod landing;
mod numbers;
mod quarantine;
mod restore;

use model::{Micros, TableId, chain};

use crate::pass::{Held, Taking};
use crate::{App, Counter, Deadline, PassError};

/// What repair found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Somebody else held the table; nothing was done.
    pub busy_until: Option<Micros>,
    /// Why the table was stopped; none: it was not.
    pub was_stopped: Option<String>,
    /// In what ledger and table differed; none: their numbers fit.
    pub found: Option<String>,
    /// True if there was no table any more where the ledger knows of commits.
    pub table_was_gone: bool,
    /// Seq of the empty commit from which the table goes on; none: none was needed.
    pub resumed_at: Option<u64>,
    /// Batches of which the table knows nothing; their segments are live again.
    pub batches_dropped: usize,
    /// Segments that were live and in the table: in the table alone now.
    pub live_dropped: usize,
    /// Live segments that held bodies which the table holds, too: retries of what had been forgotten.
    pub doubles_removed: usize,
    /// Bodies whose retry adds nothing, again.
    pub bodies_known_again: usize,
    /// Segments that nothing named, and that are live again.
    pub segments_restored: usize,
    pub rows_restored: u64,
    /// Quarantined segments that can be read after all, and are live again.
    pub segments_released: usize,
    /// Those that cannot; they stay.
    pub segments_quarantined: usize,
    /// Live segments whose landing object is gone or unreadable: compaction puts them aside.
    pub live_unreadable: usize,
    /// Segments of the table, of the last window, whose landing object is gone or unreadable: retries of what is in them
    /// are not known.
    pub unknown_segments: usize,
    /// Landing objects that nothing names and that cannot be read; they stay.
    pub unreadable_objects: usize,
    /// Landing objects that hold known and unknown bodies and do not tell their rows apart; they stay.
    pub undivided_objects: usize,
    /// Landing objects from before the window that nothing names, with bodies that no segment holds: perhaps lost.
    pub lost_objects: usize,
}

impl Repaired {
    /// True if something may be missing that repair cannot bring back, or may come twice that it cannot know.
    pub fn is_partial(&self) -> bool {
        let unreadable = self.segments_quarantined
            + self.live_unreadable
            + self.unknown_segments
            + self.unreadable_objects
            + self.undivided_objects
            + self.lost_objects;
        self.table_was_gone || unreadable > 0
    }
}

/// Mends a table, stopped or not, and lifts its stop. After an error the table is as safe as before; repair it again.
pub async fn repair(app: &App, table: &TableId, deadline: Deadline) -> Result<Repaired, PassError> {
    if is_untouched(app, table).await? {
        return Ok(Repaired::default());
    }
    let mut held = match Held::take(app, table, deadline).await? {
        Taking::Ours(held) => held,
        Taking::Busy { until } => return Ok(Repaired { busy_until: Some(until), ..Repaired::default() }),
    };
    let mended = mend(app, table, &mut held).await;
    held.release().await;
    match &mended {
        Ok(did) => tracing::info!(%table, ?did, "table repaired"),
        Err(error) if error.out_of_reach().is_some() => {
            tracing::warn!(%table, error = error.said(), "repair found the project's bucket out of reach");
        }
        Err(error) => {
            app.counters.add(Counter::Errors, 1);
            tracing::error!(%table, error = %chain(error), "repair ended early; the table stays as it is until it is repaired again");
        }
    }
    mended
}

async fn mend(app: &App, table: &TableId, held: &mut Held<'_>) -> Result<Repaired, PassError> {
    let was_stopped = app.ledger.stopped(table).await?.map(|stop| stop.reason);
    let mut did = Repaired { was_stopped, ..Repaired::default() };
    let standing = numbers::settle(app, table, held, &mut did).await?;
    quarantine::release(app, table, held, &standing.in_table, &mut did).await?;
    let lease = held.lease().clone();
    let found = held.while_renewing(known::gather(app, table, &lease, standing, &mut did)).await??;
    held.while_renewing(restore::bring_back(app, table, &lease, found, &mut did)).await??;
    // It may have been lost with the rest; the sweeper takes it back if nothing is left to do.
    if did != (Repaired { was_stopped: did.was_stopped.clone(), ..Repaired::default() }) {
        app.ledger.put_due(table).await?;
    }
    app.ledger.lift_stop(table, held.lease()).await?;
    Ok(did)
}

/// Nothing was ever written here.
async fn is_untouched(app: &App, table: &TableId) -> Result<bool, PassError> {
    Ok(app.ledger.read_lease(table).await?.is_none()
        && app.log(table).snapshot().await?.is_none()
        && landing::list(app, table).await?.is_empty())
}
