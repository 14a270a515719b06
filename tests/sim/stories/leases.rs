//! Workers that stall with a lease and wake up without it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lake::LogOpener;

use super::{LEASE, MARK, Story, begin, committed, compact, sent};
use crate::check::{Invariant, Violation, broken};
use crate::play::{Order, Play};
use crate::stage::Verdict;

pub(super) const STORIES: &[Story] = &[
    Story {
        name: "a worker stalls between ledger and log while another commits",
        tell: |play| Box::pin(stalls_before_its_snapshot(play)),
    },
    Story {
        name: "a worker stalls between ledger and log while another commits and a third begins",
        tell: |play| Box::pin(stalls_while_two_others_hold(play)),
    },
    Story {
        name: "a worker stalls before it opens a batch",
        tell: |play| Box::pin(stalls_before_opening(play, "transact put batch#")),
    },
    Story {
        name: "a worker stalls while it reads what it chose",
        tell: |play| Box::pin(stalls_before_opening(play, "GET project-0/landing")),
    },
    Story { name: "a worker stalls before it commits", tell: |play| Box::pin(stalls_before_committing(play)) },
    Story { name: "a worker stalls while it builds", tell: |play| Box::pin(stalls_while_building(play)) },
    Story { name: "a renewal of the lease arrives late", tell: |play| Box::pin(renews_late(play)) },
    Story { name: "a worker stalls while it cleans", tell: |play| Box::pin(stalls_while_cleaning(play)) },
    Story { name: "a list kills every worker", tell: |play| Box::pin(a_list_that_kills(play)) },
    Story { name: "a worker stalls before it makes lists larger", tell: |play| Box::pin(stalls_before_limiting(play)) },
    Story { name: "a worker dies whose clock is a year ahead", tell: |play| Box::pin(dies_a_year_ahead(play)) },
    Story {
        name: "a commit is under way while its batch is voided",
        tell: |play| Box::pin(voids_what_is_under_way(play)),
    },
    Story { name: "a trigger comes while the table is held", tell: |play| Box::pin(is_busy(play)) },
];

async fn stalls_before_its_snapshot(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let slow = begin(play, compact);
    play.stall(&slow, "put lease").await?;
    play.stall(&slow, "snapshot").await?;
    play.pass(LEASE);
    let quick = begin(play, compact);
    play.go_on(&quick).await?;
    play.go_on(&slow).await
}

async fn stalls_while_two_others_hold(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let slow = begin(play, compact);
    play.stall(&slow, "snapshot").await?;
    play.pass(LEASE);
    let quick = begin(play, compact);
    play.go_on(&quick).await?;
    sent(play, 0).await?;
    let third = begin(play, compact);
    play.stall(&third, "snapshot").await?;
    play.go_on(&slow).await
}

async fn stalls_before_opening(play: &mut Play, at: &str) -> Result<(), Violation> {
    committed(play, 0).await?;
    sent(play, 0).await?;
    let slow = begin(play, compact);
    play.stall(&slow, at).await?;
    play.pass(LEASE);
    play.undisturbed(compact).await?;
    play.pass(MARK);
    sent(play, 0).await?;
    play.undisturbed(compact).await?;
    play.go_on(&slow).await
}

async fn stalls_before_committing(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let slow = begin(play, compact);
    play.stall(&slow, "append").await?;
    play.pass(LEASE);
    let quick = begin(play, compact);
    play.stall(&quick, "append").await?;
    play.go_on(&slow).await?;
    play.go_on(&quick).await
}

async fn stalls_while_building(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let slow = begin(play, compact);
    play.stall(&slow, ".parquet").await?;
    play.pass(LEASE);
    // Its renewals are lost, too.
    play.undisturbed(compact).await?;
    play.go_on(&slow).await
}

/// It was sent while the lease was held, and comes when another worker has gone further.
async fn renews_late(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let slow = begin(play, compact);
    play.stall(&slow, ".parquet").await?;
    play.pass(Duration::from_secs(25));
    play.world.stage.settle().await;
    let renewal = play.world.stage.waiting().into_iter().find(|call| call.label == "put lease");
    play.pass(LEASE);
    play.undisturbed(compact).await?;
    sent(play, 0).await?;
    play.undisturbed(compact).await?;
    play.release(&renewal.expect("it is renewed while it is long"), Verdict::Go).await?;
    play.undisturbed(compact).await?;
    play.go_on(&slow).await
}

/// The next worker reads the ledger, page by page, while the first one deletes what it reads.
async fn stalls_while_cleaning(play: &mut Play) -> Result<(), Violation> {
    for at in ["to batch#~", "query live#"] {
        sent(play, 0).await?;
        play.undisturbed(compact).await?;
        play.pass(MARK);
        let slow = begin(play, compact);
        play.stall(&slow, "transact delete live#").await?;
        play.pass(LEASE);
        let next = begin(play, compact);
        play.stall(&next, "put lease").await?;
        play.stall(&next, at).await?;
        play.step(&next).await?;
        play.go_on(&slow).await?;
        play.go_on(&next).await?;
    }
    Ok(())
}

/// It is voided after three of them, so that shorter ones come.
async fn a_list_that_kills(play: &mut Play) -> Result<(), Violation> {
    for _ in 0..9 {
        sent(play, 0).await?;
    }
    builders_die(play, 4).await?;
    let snapshot = play.world.logs.open(&play.world.tables[0]).snapshot().await.expect("memory answers");
    match snapshot.map(|snapshot| snapshot.voided) {
        Some(1) => Ok(()),
        _ => broken(Invariant::C9, "a list that kills every worker is tried for ever"),
    }
}

/// Lists are made larger again after a commit that follows a void.
async fn stalls_before_limiting(play: &mut Play) -> Result<(), Violation> {
    for _ in 0..9 {
        sent(play, 0).await?;
    }
    builders_die(play, 3).await?;
    let slow = begin(play, compact);
    // The void; then smaller lists; then a commit.
    play.stall(&slow, "append [(\"plimsoll/compact\", 2)]").await?;
    play.stall(&slow, "put lease").await?;
    play.pass(LEASE);
    play.undisturbed(compact).await?;
    play.go_on(&slow).await
}

async fn dies_a_year_ahead(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let ahead = play.world.start(365 * 24 * 3_600 * 1_000_000);
    play.world.compact(&ahead, 0);
    play.stall(&ahead, "transact put batch#").await?;
    play.kill(ahead.id, |_| false);
    Ok(())
}

async fn voids_what_is_under_way(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    builders_die(play, 2).await?;
    let dies = begin(play, compact);
    let commit = play.stall(&dies, "append").await?;
    play.kill(dies.id, |call| *call == commit);
    play.pass(LEASE);
    let voids = begin(play, compact);
    play.stall(&voids, "snapshot").await?;
    play.step(&voids).await?;
    play.network_lands().await?;
    play.go_on(&voids).await
}

async fn is_busy(play: &mut Play) -> Result<(), Violation> {
    sent(play, 0).await?;
    let holds = begin(play, compact);
    play.stall(&holds, "transact put batch#").await?;
    let other = begin(play, compact);
    play.go_on(&other).await?;
    play.go_on(&holds).await?;
    play.pass(MARK);
    match play.world.handed_back.load(Ordering::Relaxed) {
        0 => Ok(()),
        n => broken(Invariant::C9, format!("{n} triggers of a busy table went back to the queue")),
    }
}

/// So many workers die when they write the open batch's file.
async fn builders_die(play: &mut Play, n: usize) -> Result<(), Violation> {
    for _ in 0..n {
        begin(play, compact);
        play.finish_as(|call| {
            let builds = call.label.starts_with("PUT") && call.label.ends_with(".parquet");
            if builds { Order::Die } else { Order::Let(Verdict::Go) }
        })
        .await?;
        play.pass(LEASE + Duration::from_secs(1));
    }
    Ok(())
}
