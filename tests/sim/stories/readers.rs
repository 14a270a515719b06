//! Readers that stall between two reads while the table moves on.

use super::{DAYS, MARK, Story, begin, committed, compact, maintain, sent};
use crate::check::Violation;
use crate::play::Play;
use crate::reader;
use crate::world::Process;

pub(super) const STORIES: &[Story] = &[
    Story {
        name: "a reader stalls after the first of its reads while a batch is committed",
        tell: |play| Box::pin(stalls_first(play)),
    },
    Story {
        name: "a reader stalls after each read of the ledger while a batch is cleaned up",
        tell: |play| Box::pin(stalls_in_the_ledger(play)),
    },
    Story {
        name: "a reader stalls with an old snapshot while a batch is cleaned up",
        tell: |play| Box::pin(stalls_with_an_old_snapshot(play)),
    },
    Story { name: "a reader stalls until a segment is gone", tell: |play| Box::pin(a_segment_goes(play)) },
    Story { name: "a reader stalls until a file is gone", tell: |play| Box::pin(a_file_goes(play)) },
];

fn reads(play: &mut Play) -> Process {
    let process = play.world.start(0);
    reader::read(&play.world, &process, 0, &play.findings);
    process
}

async fn stalls_first(play: &mut Play) -> Result<(), Violation> {
    for at in ["snapshot", "to batch#~"] {
        sent(play, 0).await?;
        let slow = reads(play);
        // Whatever it reads first, it has read by the second call.
        play.stall(&slow, at).await?;
        play.step(&slow).await?;
        play.undisturbed(compact).await?;
        play.go_on(&slow).await?;
    }
    Ok(())
}

async fn stalls_in_the_ledger(play: &mut Play) -> Result<(), Violation> {
    for at in ["to batch#~", "query live#", "get mark"] {
        sent(play, 0).await?;
        play.undisturbed(compact).await?;
        let slow = reads(play);
        play.stall(&slow, at).await?;
        play.step(&slow).await?;
        play.pass(MARK);
        play.undisturbed(compact).await?;
        play.go_on(&slow).await?;
    }
    Ok(())
}

async fn stalls_with_an_old_snapshot(play: &mut Play) -> Result<(), Violation> {
    for at in ["to batch#~", "query live#", "get mark"] {
        sent(play, 0).await?;
        let slow = reads(play);
        play.stall(&slow, at).await?;
        play.step(&slow).await?;
        play.undisturbed(compact).await?;
        play.pass(MARK);
        play.undisturbed(compact).await?;
        play.go_on(&slow).await?;
    }
    Ok(())
}

async fn a_segment_goes(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let slow = reads(play);
    play.stall(&slow, "GET").await?;
    play.undisturbed(compact).await?;
    play.pass(DAYS);
    play.undisturbed(maintain).await?;
    play.go_on(&slow).await
}

async fn a_file_goes(play: &mut Play) -> Result<(), Violation> {
    committed(play, 1).await?;
    committed(play, 1).await?;
    let slow = reads(play);
    play.stall(&slow, "GET").await?;
    play.undisturbed(maintain).await?;
    // Within the horizon: the replaced files are kept for it.
    play.undisturbed(maintain).await?;
    play.go_on(&slow).await?;
    let slower = begin(play, compact);
    play.go_on(&slower).await
}
