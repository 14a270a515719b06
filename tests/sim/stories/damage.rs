//! Segments that cannot be read, or not by this version.

use meta::{Condition, ItemKey, ItemStore, Operation};
use serde_json::json;

use super::{DAYS, LEASE, Story, begin, committed, compact, maintain, sent};
use crate::check::{Invariant, Violation, broken};
use crate::play::Play;

pub(super) const STORIES: &[Story] = &[
    Story {
        name: "a worker finds a segment missing that is there when another looks",
        tell: |play| Box::pin(missing_for_a_while(play)),
    },
    Story {
        name: "a segment of an open batch is missing for a while",
        tell: |play| Box::pin(missing_from_a_batch(play)),
    },
    Story { name: "a quarantined segment comes back from a backup", tell: |play| Box::pin(back_from_a_backup(play)) },
    Story { name: "a segment of a newer version is live", tell: |play| Box::pin(of_a_newer_version(play)) },
];

/// The slow worker would quarantine what the other commits.
async fn missing_for_a_while(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let slow = begin(play, compact);
    play.stall(&slow, "GET project-0/landing").await?;
    let hidden = play.world.shelf.hide("/landing/").await;
    play.step(&slow).await?;
    play.world.shelf.unhide(hidden).await;
    play.stall_if(&slow, "bad#").await?;
    play.pass(LEASE);
    play.undisturbed(compact).await?;
    play.go_on(&slow).await
}

/// The commit of the batch may be under way: what it lists must not be quarantined.
async fn missing_from_a_batch(play: &mut Play) -> Result<(), Violation> {
    committed(play, 0).await?;
    sent(play, 0).await?;
    let dies = begin(play, compact);
    let commit = play.stall(&dies, "append").await?;
    play.kill(dies.id, |call| *call == commit);
    play.pass(LEASE);
    let next = begin(play, compact);
    play.stall(&next, "GET project-0/landing").await?;
    let hidden = play.world.shelf.hide("/landing/").await;
    play.step(&next).await?;
    play.world.shelf.unhide(hidden).await;
    // The commit lands; then whoever looked goes on.
    play.network_lands().await?;
    play.go_on(&next).await
}

/// What is quarantined is kept for as long as it takes, and is in the table once after a repair, as if nothing had been.
async fn back_from_a_backup(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let hidden = play.world.shelf.hide("/landing/").await;
    play.restored = true;
    sent(play, 0).await?;
    play.undisturbed(compact).await?;
    play.world.shelf.unhide(hidden).await;
    play.restored = false;
    play.pass(DAYS);
    play.undisturbed(maintain).await?;
    play.undisturbed(|world, process| world.repair(process, 0)).await
}

/// It waits for a binary that knows it, and nothing else waits for it.
async fn of_a_newer_version(play: &mut Play) -> Result<(), Violation> {
    let body = sent(play, 0).await?;
    let view = play.world.ledger().read(&play.world.tables[0]).await.expect("memory answers");
    let live = view.live.first().expect("it was sent").clone();
    let table = &play.world.tables[0];
    let key = ItemKey::new(format!("ledger/{}/{}/0", table.project, table.table), format!("live#{}", live.id));
    let mut newer = play.world.items.get(&key).await.expect("memory answers").expect("it is live").attributes;
    let known = newer.insert("format".into(), json!(model::Segment::FORMAT + 1)).expect("it has a format");
    let put = |attributes| Operation::put(key.clone(), attributes).when(Condition::Present);
    play.world.items.write(put(newer.clone())).await.expect("written");
    sent(play, 0).await?;
    play.undisturbed(compact).await?;
    let standing = play.checker.standing(&play.world, &play.world.tables[0].clone()).await?;
    let found = play.checker.in_table(&play.world, &play.world.tables[0], standing.snapshot.as_ref()).await;
    let ids = play.world.bodies.lock().expect("not poisoned").all[body].ids.clone();
    if ids.iter().any(|id| found.contains_key(id)) {
        return broken(Invariant::C1, "a segment was committed that this version may misread");
    }
    if found.is_empty() {
        return broken(Invariant::C9, "a segment of a newer version keeps the others from being committed");
    }
    // The binary of that version has come.
    newer.insert("format".into(), known);
    play.world.items.write(put(newer)).await.expect("written");
    Ok(())
}
