//! Bodies that share a segment.

use super::{Story, added, sent};
use crate::check::Violation;
use crate::play::Play;
use crate::stage::Verdict;

pub(super) const STORIES: &[Story] = &[
    Story { name: "two tries of one body arrive at once", tell: |play| Box::pin(one_body_twice(play)) },
    Story {
        name: "a group is written again without what was seen, and its first PUT arrives late",
        tell: |play| Box::pin(first_put_arrives_late(play)),
    },
    Story { name: "a group dies before the ledger knows it", tell: |play| Box::pin(dies_unrecorded(play)) },
];

async fn one_body_twice(play: &mut Play) -> Result<(), Violation> {
    let (body, other) = (added(play, 0), added(play, 0));
    let process = play.world.start(0);
    [body, other, body].into_iter().for_each(|body| play.world.send(&process, body));
    play.go_on(&process).await
}

async fn first_put_arrives_late(play: &mut Play) -> Result<(), Violation> {
    let seen = sent(play, 0).await?;
    let fresh = added(play, 0);
    let process = play.world.start(0);
    [seen, fresh].into_iter().for_each(|body| play.world.send(&process, body));
    let put = play.stall(&process, "PUT").await?;
    play.release(&put, Verdict::LandLater).await?;
    play.go_on(&process).await?;
    play.network_lands().await
}

async fn dies_unrecorded(play: &mut Play) -> Result<(), Violation> {
    let (first, second) = (added(play, 0), added(play, 0));
    let process = play.world.start(0);
    [first, second].into_iter().for_each(|body| play.world.send(&process, body));
    play.stall(&process, "transact put seen").await?;
    play.kill(process.id, |_| false);
    play.undisturbed(|world, process| world.send(process, first)).await
}
