//! Merging, vacuum and the landing cleaner, with workers that stall in them.

use std::time::Duration;

use lake::LogOpener;

use super::{DAYS, Story, added, begin, committed, maintain, sent};
use crate::check::{Invariant, Violation, broken};
use crate::play::Play;
use crate::stage::Verdict;

pub(super) const STORIES: &[Story] = &[
    Story { name: "two workers merge the same files", tell: |play| Box::pin(merges_twice(play)) },
    Story {
        name: "a merge stalls before its commit for days, while others clean up",
        tell: |play| Box::pin(merges_slowly(play)),
    },
    Story {
        name: "a sender is suspended for days between its PUT and the ledger",
        tell: |play| Box::pin(records_slowly(play)),
    },
    Story { name: "a segment stays live for days", tell: |play| Box::pin(stays_live(play)) },
    Story { name: "an object cannot be deleted", tell: |play| Box::pin(cannot_delete(play)) },
    Story { name: "somebody else writes to the table", tell: |play| Box::pin(somebody_else_writes(play)) },
];

async fn merges_twice(play: &mut Play) -> Result<(), Violation> {
    for _ in 0..3 {
        committed(play, 1).await?;
    }
    let slow = begin(play, maintain);
    play.stall(&slow, "/merge-").await?;
    play.pass(Duration::from_secs(130));
    play.undisturbed(maintain).await?;
    play.go_on(&slow).await
}

async fn merges_slowly(play: &mut Play) -> Result<(), Violation> {
    for _ in 0..3 {
        committed(play, 1).await?;
    }
    let slow = begin(play, maintain);
    play.stall(&slow, "merge [").await?;
    play.pass(DAYS);
    // The others cannot merge: the store refuses their files.
    let others = begin(play, maintain);
    play.go_on_as(&others, |call| {
        let merges = call.label.starts_with("PUT") && call.label.contains("/merge-");
        if merges { Verdict::FailBefore } else { Verdict::Go }
    })
    .await?;
    play.go_on(&slow).await
}

/// The cleaner has read one of its two sources when the sender wakes up.
async fn records_slowly(play: &mut Play) -> Result<(), Violation> {
    committed(play, 0).await?;
    let body = added(play, 0);
    let sender = begin(play, |world, process| world.send(process, body));
    let lost = play.stall(&sender, "transact put seen").await?;
    play.pass(DAYS);
    let cleaner = begin(play, maintain);
    play.stall(&cleaner, "LIST folders of project-0/landing").await?;
    play.release(&lost, Verdict::FailBefore).await?;
    play.go_on(&sender).await?;
    play.go_on(&cleaner).await
}

async fn stays_live(play: &mut Play) -> Result<(), Violation> {
    committed(play, 0).await?;
    sent(play, 0).await?;
    play.pass(DAYS);
    play.undisturbed(maintain).await
}

/// Upkeep goes on around it, and takes it when it can.
async fn cannot_delete(play: &mut Play) -> Result<(), Violation> {
    for _ in 0..3 {
        committed(play, 0).await?;
    }
    play.pass(DAYS);
    let cleaner = begin(play, maintain);
    let stuck = play.stall(&cleaner, "DELETE").await?.label;
    play.go_on_as(&cleaner, |call| if call.label == stuck { Verdict::FailBefore } else { Verdict::Go }).await?;
    let landing = play.world.shelf.all().await.into_iter().filter(|path| path.as_ref().contains("/landing/")).count();
    if landing > 1 {
        return broken(Invariant::C9, format!("{landing} landing objects are left since one cannot be deleted"));
    }
    Ok(())
}

async fn somebody_else_writes(play: &mut Play) -> Result<(), Violation> {
    for _ in 0..3 {
        committed(play, 1).await?;
    }
    let table = play.world.tables[0].clone();
    play.world.logs.log(&table).append_foreign("OPTIMIZE", Vec::new(), &[]);
    play.foreign = true;
    sent(play, 1).await?;
    let merged = async |play: &Play| {
        let snapshot = play.world.logs.open(&table).snapshot().await.expect("memory answers");
        snapshot.map_or(0, |snapshot| snapshot.merged)
    };
    let before = merged(play).await;
    play.undisturbed(maintain).await?;
    if merged(play).await != before {
        return broken(Invariant::C5, "files were merged that another writer may rely on");
    }
    Ok(())
}
