//! One writer: what a commit does, and what is read back.

use std::sync::Arc;

use clock::Clock;
use lake::{APP_MERGE, Commit, DataFile, SchemaFit, Snapshot};

use super::{World, assert_conflict, assert_unavailable, commit, newest, paths, sight};

pub(super) async fn nothing_there(w: World) {
    let log = w.open();
    assert!(log.snapshot().await.expect("an answer").is_none());
    assert_eq!(log.last_checkpoint().await.expect("an answer"), None);
    assert_unavailable(log.checkpoint().await);
    assert_eq!(log.clean_log(w.clock.now()).await.expect("an answer"), 0);
    assert!(log.snapshot().await.expect("an answer").is_none(), "looking creates nothing");
}

pub(super) async fn create_twice(w: World) {
    let log = w.created().await;
    let empty = newest(&log).await;
    assert_eq!(sight(&empty), (0, 0, 0, 0, vec![]));
    assert_eq!(empty.schema, SchemaFit::Fits);
    log.create().await.expect("there already");
    w.open().create().await.expect("there already, for another process");
    assert_eq!(w.sight().await, (0, 0, 0, 0, vec![]));
    let stands = sight(&commit(&log, w.append(1, "a")).await);
    w.open().create().await.expect("there already, with rows");
    assert_eq!(w.sight().await, stands);
}

pub(super) async fn read_back(w: World) {
    let log = w.created().await;
    let bodies = ["a", "b"].map(|fresh| w.file(1, fresh));
    let written = Commit { add: bodies.to_vec(), ..w.append(1, "-") };
    let stands = commit(&log, written).await;
    assert_eq!((stands.version, stands.committed, stands.voided, stands.merged), (1, 1, 0, 0));
    for reader in [log, w.open()] {
        let mut files = newest(&reader).await.files.to_vec();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let expected = bodies.clone().map(|file| DataFile { modified_at: file.modified_at / 1_000 * 1_000, ..file });
        assert_eq!(files, expected, "to the millisecond");
    }
    assert_eq!(w.sight().await, sight(&stands));
}

pub(super) async fn void(w: World) {
    let log = w.created().await;
    let first = commit(&log, w.append(1, "a")).await;
    let second = commit(&log, w.void(2)).await;
    assert_eq!(sight(&second), (2, 2, 2, 0, paths(&first)));
    let third = commit(&log, w.append(3, "a")).await;
    assert_eq!((third.committed, third.voided, third.files.len()), (3, 2, 2), "V stays at the last void");
    assert_eq!(w.sight().await, sight(&third));
}

pub(super) async fn merge(w: World) {
    let log = w.created().await;
    commit(&log, w.append(1, "a")).await;
    let two = commit(&log, w.append(2, "a")).await;
    let merged = commit(&log, w.merge(1, paths(&two))).await;
    assert_eq!((merged.committed, merged.voided, merged.merged), (2, 0, 1));
    let [file] = merged.files.as_slice() else { panic!("{:?}", merged.files) };
    assert_eq!(file.rewrites, 2);
    assert_eq!(w.sight().await, sight(&merged));
    let empty = commit(&log, w.retention(2, paths(&merged))).await;
    assert_eq!(sight(&empty), (4, 2, 0, 2, vec![]));
    assert_eq!(w.sight().await, sight(&empty));
}

/// That is why T is read on the snapshot that is committed on.
pub(super) async fn replay(w: World) {
    let log = w.created().await;
    commit(&log, w.append(1, "a")).await;
    let other = w.open();
    let again = commit(&other, w.append(1, "b")).await;
    assert_eq!((again.version, again.committed, again.files.len()), (2, 1, 2), "its rows are there twice");
    commit(&log, w.append(2, "a")).await;
    let late = commit(&other, w.append(1, "c")).await;
    assert_eq!((late.version, late.committed, late.files.len()), (4, 1, 4), "T even goes back");
    assert_eq!(w.sight().await, sight(&late));
    let same_name = commit(&other, w.append(3, "a")).await;
    let replaced = commit(&other, w.append(3, "a")).await;
    assert_eq!(paths(&replaced), paths(&same_name), "of one path there is one file");
    assert_eq!(w.sight().await, sight(&replaced));
}

pub(super) async fn snapshot_stays(w: World) {
    let log = w.created().await;
    let first = commit(&log, w.append(1, "a")).await;
    let before = sight(&first);
    let second = commit(&log, w.append(2, "a")).await;
    commit(&log, w.retention(1, paths(&second))).await;
    assert_eq!(sight(&first), before);
    assert_eq!(second.files.len(), 2);
}

pub(super) async fn impossible(w: World) {
    let log = w.created().await;
    let base = commit(&log, w.append(1, "a")).await;
    let stranger = Snapshot { base: Arc::new("of nothing"), ..base.clone() };
    assert_unavailable(log.commit(&stranger, w.append(2, "a")).await);
    assert_unavailable(log.commit(&base, w.retention(1, vec!["date=2026-11-20/unknown.parquet".to_owned()])).await);
    let too_big = Commit { transactions: vec![(APP_MERGE, u64::MAX)], ..w.append(2, "a") };
    assert_unavailable(log.commit(&base, too_big).await);
    assert_eq!(w.sight().await, sight(&base));
    assert_eq!(commit(&log, w.append(2, "a")).await.committed, 2, "and the next one is fine");
}

pub(super) async fn lost_reply(w: World) {
    let log = w.created().await;
    let base = commit(&log, w.append(1, "a")).await;
    w.beneath.lose_next_reply();
    assert_unavailable(log.commit(&base, w.append(2, "a")).await);
    let stands = newest(&log).await;
    assert_eq!((stands.version, stands.committed, stands.files.len()), (2, 2, 2), "it stands");
    assert_eq!(w.sight().await, sight(&stands));
    assert_conflict(log.commit(&base, w.append(2, "b")).await);
    assert_eq!(w.sight().await, sight(&stands), "tried again on the old base it is refused");
    assert_eq!(commit(&log, w.append(3, "a")).await.committed, 3);
}

pub(super) async fn lost_create(w: World) {
    w.beneath.lose_next_reply();
    w.open().create().await.expect("there is a table, so it was created");
    assert_eq!(w.sight().await, (0, 0, 0, 0, vec![]));
    assert_eq!(commit(&w.open(), w.append(1, "a")).await.version, 1);
}
