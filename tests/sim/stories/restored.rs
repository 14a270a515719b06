//! Stores that were put back in time. The table stops, an operator repairs it, and every acknowledged record is there once.

use std::time::Duration;

use super::{MARK, Story, added, begin, committed, compact, maintain, sent};
use crate::check::Violation;
use crate::play::Play;

/// A body is forgotten by now.
const A_DAY: Duration = Duration::from_secs(25 * 3_600);

pub(super) const STORIES: &[Story] = &[
    Story { name: "the ledger was put back", tell: |play| Box::pin(ledger_put_back(play)) },
    Story {
        name: "the ledger was put back to where a batch was open",
        tell: |play| Box::pin(open_batch_put_back(play)),
    },
    Story {
        name: "a retry is suspended for a day before its PUT, and the table is repaired",
        tell: |play| Box::pin(repaired_after_a_late_put(play)),
    },
    Story { name: "the table was put back", tell: |play| Box::pin(table_put_back(play)) },
    Story {
        name: "the ledger was put back, and a retry arrives in one group with a new body",
        tell: |play| Box::pin(retried_in_a_group(play)),
    },
    Story {
        name: "ledger and table were put back to the same moment",
        tell: |play| Box::pin(both_put_back_alike(play)),
    },
    Story { name: "ledger and table were put back", tell: |play| Box::pin(both_put_back(play)) },
    Story {
        name: "the ledger was put back behind what upkeep leaves of the log",
        tell: |play| Box::pin(put_back_after_upkeep(play)),
    },
];

async fn ledger_put_back(play: &mut Play) -> Result<(), Violation> {
    let in_table = put_ledger_back(play).await?;
    // Retries of what is forgotten arrive, alone and together with what is new.
    resent(play, in_table).await?;
    mended(play).await?;
    resent(play, in_table).await
}

/// Lost from the ledger: that a body is in the table, which is the answer, and that another is live.
pub(crate) async fn put_ledger_back(play: &mut Play) -> Result<usize, Violation> {
    committed(play, 0).await?;
    let copy = play.world.items.all();
    let in_table = sent(play, 0).await?;
    play.undisturbed(compact).await?;
    play.pass(MARK);
    play.undisturbed(compact).await?;
    sent(play, 0).await?;
    play.world.items.put_back(&copy);
    play.restored = true;
    sent(play, 0).await?;
    Ok(in_table)
}

/// The batch that the ledger holds open was committed long ago, and another after it.
async fn open_batch_put_back(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let worker = begin(play, compact);
    play.stall(&worker, "append").await?;
    let copy = play.world.items.all();
    play.go_on(&worker).await?;
    play.pass(MARK);
    committed(play, 0).await?;
    play.world.items.put_back(&copy);
    play.restored = true;
    mended(play).await
}

async fn table_put_back(play: &mut Play) -> Result<(), Violation> {
    let lost = put_table_back(play).await?;
    resent(play, lost).await?;
    mended(play).await?;
    resent(play, lost).await
}

/// Lost from the table: a commit whose batch the ledger has cleaned up, with the body that is the answer, and one whose
/// batch it has not.
pub(crate) async fn put_table_back(play: &mut Play) -> Result<usize, Violation> {
    committed(play, 0).await?;
    let log = play.world.logs.log(&play.world.tables[0]);
    let version = log.version().expect("it was written");
    let lost = sent(play, 0).await?;
    play.undisturbed(compact).await?;
    play.pass(MARK);
    play.undisturbed(compact).await?;
    sent(play, 0).await?;
    play.undisturbed(compact).await?;
    log.put_back(version);
    play.restored = true;
    Ok(lost)
}

async fn retried_in_a_group(play: &mut Play) -> Result<(), Violation> {
    let in_table = put_ledger_back(play).await?;
    let fresh = added(play, 0);
    play.undisturbed(|world, process| [in_table, fresh].into_iter().for_each(|body| world.send(process, body))).await?;
    mended(play).await
}

/// Their numbers fit: only the files of the lost commits tell.
async fn both_put_back_alike(play: &mut Play) -> Result<(), Violation> {
    committed(play, 0).await?;
    let (copy, log) = (play.world.items.all(), play.world.logs.log(&play.world.tables[0]));
    let version = log.version().expect("it was written");
    committed(play, 0).await?;
    committed(play, 0).await?;
    log.put_back(version);
    play.world.items.put_back(&copy);
    play.restored = true;
    mended(play).await
}

async fn both_put_back(play: &mut Play) -> Result<(), Violation> {
    committed(play, 0).await?;
    let copy = play.world.items.all();
    committed(play, 0).await?;
    let log = play.world.logs.log(&play.world.tables[0]);
    let version = log.version().expect("it was written");
    committed(play, 0).await?;
    log.put_back(version);
    play.world.items.put_back(&copy);
    play.restored = true;
    mended(play).await
}

async fn put_back_after_upkeep(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let copy = play.world.items.all();
    play.undisturbed(compact).await?;
    play.pass(MARK);
    committed(play, 0).await?;
    committed(play, 0).await?;
    play.undisturbed(maintain).await?;
    play.world.items.put_back(&copy);
    play.restored = true;
    mended(play).await
}

/// Nothing was put back. What the retry leaves behind landed a window after the body that it was a retry of.
async fn repaired_after_a_late_put(play: &mut Play) -> Result<(), Violation> {
    let body = sent(play, 0).await?;
    play.undisturbed(compact).await?;
    play.pass(MARK);
    play.undisturbed(compact).await?;
    let retry = begin(play, |world, process| world.send(process, body));
    play.stall(&retry, "PUT").await?;
    play.pass(A_DAY);
    play.go_on(&retry).await?;
    play.undisturbed(|world, process| world.repair(process, 0)).await
}

/// Compaction, or upkeep if nothing is due, stops the table.
pub(crate) async fn noticed(play: &mut Play) -> Result<(), Violation> {
    play.pass(MARK);
    play.undisturbed(compact).await?;
    play.undisturbed(maintain).await
}

/// An operator who sees it stopped repairs it.
async fn mended(play: &mut Play) -> Result<(), Violation> {
    noticed(play).await?;
    if play.world.ledger().stopped(&play.world.tables[0]).await.expect("memory answers").is_some() {
        play.undisturbed(|world, process| world.repair(process, 0)).await?;
    }
    play.restored = false;
    Ok(())
}

/// Its sender did not hear the answer.
async fn resent(play: &mut Play, body: usize) -> Result<(), Violation> {
    play.undisturbed(|world, process| world.send(process, body)).await
}
