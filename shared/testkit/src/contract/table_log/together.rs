//! Several writers, each a process with caches of its own.

use std::sync::Arc;

use futures::future::join_all;
use lake::{Commit, LogError};
use model::{ProjectId, TableId};

use super::{World, assert_conflict, commit, newest, paths, sight};

/// More than a held snapshot follows entry by entry.
const MANY: u64 = 40;

pub(super) async fn same_app(w: World) {
    let (ours, theirs) = (w.created().await, w.open());
    let base = commit(&ours, w.append(1, "a")).await;
    let stands = commit(&theirs, w.append(2, "theirs")).await;
    assert_conflict(ours.commit(&base, w.append(2, "ours")).await);
    assert_eq!(sight(&newest(&ours).await), sight(&stands));
    assert_conflict(ours.commit(&base, w.append(2, "ours")).await);
    assert_eq!(w.sight().await, sight(&stands), "however often it is tried");
}

pub(super) async fn other_content(w: World) {
    let (ours, theirs) = (w.created().await, w.open());
    commit(&ours, w.append(1, "a")).await;
    let winners: [fn(&World, &[String]) -> Commit; 3] =
        [|_, _| Commit::default(), |w, _| w.merge(1, vec![]), |w, paths| w.retention(2, paths.to_vec())];
    for winner in winners {
        let base = newest(&ours).await;
        let stands = commit(&theirs, winner(&w, &paths(&base))).await;
        assert_conflict(ours.commit(&base, w.append(2, "ours")).await);
        assert_conflict(ours.commit(&base, w.merge(9, vec![])).await);
        assert_eq!(w.sight().await, sight(&stands));
    }
    let base = newest(&ours).await;
    w.beneath.write_as_another(&w.file(77, "foreign")).await;
    assert_conflict(ours.commit(&base, w.append(2, "ours")).await);
    assert_eq!(commit(&ours, w.append(2, "ours")).await.committed, 2, "on what stands it is taken");
}

pub(super) async fn one_winner(w: World) {
    let log = w.created().await;
    for round in 1..=3 {
        let base = newest(&log).await;
        let tries = (0..8).map(|n| {
            let (w, base) = (w.clone(), base.clone());
            tokio::spawn(async move { w.open().commit(&base, w.append(round, &format!("{n}"))).await })
        });
        let results: Vec<_> = join_all(tries).await.into_iter().map(|result| result.expect("no panic")).collect();
        let winners: Vec<_> = (0..8).filter(|n| results[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        for lost in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(matches!(lost, LogError::Conflict { .. }), "{lost:?}");
        }
        let stands = newest(&log).await;
        assert_eq!((stands.version, stands.committed, stands.files.len() as u64), (round, round, round));
        assert!(paths(&stands).contains(&w.file(round, &winners[0].to_string()).path), "the winner's file");
    }
}

pub(super) async fn many_creators(w: World) {
    let tries = (0..8).map(|_| {
        let w = w.clone();
        tokio::spawn(async move { w.open().create().await })
    });
    for result in join_all(tries).await {
        result.expect("no panic").expect("there is a table");
    }
    assert_eq!(w.sight().await, (0, 0, 0, 0, vec![]));
}

pub(super) async fn processes(w: World) {
    let first = w.open();
    assert!(first.snapshot().await.expect("an answer").is_none());
    let second = w.created().await;
    assert_eq!(newest(&first).await.version, 0, "a table that was not there before");
    for seq in 1..=3 {
        let (writer, reader) = if seq % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let stands = commit(writer, w.append(seq, "a")).await;
        assert_eq!(sight(&newest(reader).await), sight(&stands));
    }
    for seq in 4..4 + MANY {
        commit(&second, w.append(seq, "a")).await;
    }
    commit(&second, w.void(4 + MANY)).await;
    let merged = commit(&second, w.merge(1, vec![w.file(2, "a").path])).await;
    assert_eq!((merged.committed, merged.voided, merged.merged), (4 + MANY, 4 + MANY, 1));
    assert_eq!(sight(&newest(&first).await), sight(&merged), "many commits later");
    assert_eq!(w.sight().await, sight(&merged));
}

pub(super) async fn other_table(w: World) {
    let opener = (w.process)();
    let other = TableId::new(ProjectId::parse("another").expect("an id"), w.table.table);
    let (ours, theirs) = (opener.open(&w.table), opener.open(&other));
    ours.create().await.expect("created");
    assert!(theirs.snapshot().await.expect("an answer").is_none());
    theirs.create().await.expect("created");
    let stands = commit(&ours, w.append(1, "a")).await;
    assert_eq!(sight(&newest(&theirs).await), (0, 0, 0, 0, vec![]));
    assert_eq!(sight(&newest(&Arc::clone(&ours)).await), sight(&stands));
}
