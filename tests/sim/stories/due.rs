//! What says that a table has anything left to do, and who takes it away.

use super::{MARK, SETTLED, Story, added, begin, committed, compact, sent};
use crate::check::Violation;
use crate::play::Play;
use crate::world::Process;

pub(super) const STORIES: &[Story] = &[
    Story {
        name: "a process sends again after its table was settled",
        tell: |play| Box::pin(sends_after_settling(play)),
    },
    Story { name: "a body is recorded while a sweeper settles", tell: |play| Box::pin(records_while_settling(play)) },
    Story {
        name: "a sender does not say again what it just said, while a sweeper settles",
        tell: |play| Box::pin(relies_on_a_fresh_one(play)),
    },
    Story { name: "a call to the ledger takes minutes", tell: |play| Box::pin(records_in_minutes(play)) },
    Story { name: "a body is recorded between a sweeper's reads", tell: |play| Box::pin(records_between_reads(play)) },
];

/// Sweeps until the table is no longer due.
async fn settled(play: &mut Play) -> Result<(), Violation> {
    for _ in 0..4 {
        play.pass(SETTLED);
        let sweeper = begin(play, |world, process| world.sweep(process));
        play.go_on(&sweeper).await?;
    }
    Ok(())
}

async fn sends_after_settling(play: &mut Play) -> Result<(), Violation> {
    let (first, second) = (added(play, 0), added(play, 0));
    let sender = begin(play, |world, process| world.send(process, first));
    play.go_on(&sender).await?;
    settled(play).await?;
    play.world.send(&sender, second);
    play.go_on(&sender).await
}

async fn records_while_settling(play: &mut Play) -> Result<(), Violation> {
    let sweeper = about_to_settle(play).await?;
    play.stall(&sweeper, "delete due").await?;
    sent(play, 0).await?;
    play.go_on(&sweeper).await
}

/// `due` is half a minute old: its process does not put it again with the next body.
async fn relies_on_a_fresh_one(play: &mut Play) -> Result<(), Violation> {
    let (first, second) = (added(play, 0), added(play, 0));
    let sender = begin(play, |world, process| world.send(process, first));
    play.go_on(&sender).await?;
    play.undisturbed(compact).await?;
    play.pass(MARK);
    play.undisturbed(compact).await?;
    let sweeper = begin(play, |world, process| world.sweep(process));
    has_read_the_ledger(play, &sweeper).await?;
    play.world.send(&sender, second);
    play.go_on(&sender).await?;
    play.go_on(&sweeper).await
}

/// Meanwhile a sweeper comes by.
async fn records_in_minutes(play: &mut Play) -> Result<(), Violation> {
    let body = added(play, 0);
    let sender = begin(play, |world, process| world.send(process, body));
    play.stall(&sender, "transact put seen").await?;
    play.pass(SETTLED);
    play.undisturbed(|world, process| world.sweep(process)).await?;
    play.go_on(&sender).await
}

/// What the sweeper has read says that nothing is left; what it settles must be from before that.
async fn records_between_reads(play: &mut Play) -> Result<(), Violation> {
    let sweeper = about_to_settle(play).await?;
    has_read_the_ledger(play, &sweeper).await?;
    sent(play, 0).await?;
    play.pass(SETTLED);
    play.go_on(&sweeper).await
}

/// A sweeper of a table whose only body is in the table and whose `due` is old.
async fn about_to_settle(play: &mut Play) -> Result<Process, Violation> {
    committed(play, 0).await?;
    play.pass(SETTLED);
    Ok(begin(play, |world, process| world.sweep(process)))
}

/// Once before it looks whether there is work, once after.
async fn has_read_the_ledger(play: &mut Play, sweeper: &Process) -> Result<(), Violation> {
    play.stall_again(sweeper, "get mark", 2).await.map(drop)
}
