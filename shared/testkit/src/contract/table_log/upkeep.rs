//! Checkpoints, cleaning, and a table that was put back.

use std::sync::Arc;

use clock::Clock;
use lake::{Commit, Snapshot, TableLog};
use model::{MICROS_PER_DAY, Micros};

use super::{HOUR, World, commit, newest, paths, sight};

pub(super) async fn checkpoint(w: World) {
    let log = w.created().await;
    let one = commit(&log, w.append(1, "a")).await;
    commit(&log, w.merge(1, paths(&one))).await;
    let stands = commit(&log, w.void(2)).await;
    let told = Told::by(&log, &stands).await;
    assert_eq!(log.last_checkpoint().await.expect("an answer"), None);
    assert_eq!(log.checkpoint().await.expect("written"), stands.version);
    for process in [&log, &w.open()] {
        assert_eq!(process.last_checkpoint().await.expect("an answer"), Some(stands.version));
        let read = newest(process).await;
        assert_eq!(sight(&read), sight(&stands));
        assert_eq!(read.files.as_slice(), stands.files.as_slice(), "to the last statistic");
        assert_eq!(Told::by(process, &read).await, told);
    }
    assert_eq!(log.checkpoint().await.expect("written again"), stands.version);
    let next = commit(&w.open(), w.append(3, "a")).await;
    assert_eq!((next.version, next.committed, next.voided, next.merged), (4, 3, 2, 1));
    assert_eq!(sight(&newest(&log).await), sight(&next));
    assert_eq!(log.last_checkpoint().await.expect("an answer"), Some(3));
    assert_eq!(w.open().checkpoint().await.expect("written"), 4);
    assert_eq!(log.last_checkpoint().await.expect("an answer"), Some(4));
}

pub(super) async fn forgotten(w: World) {
    let log = w.created().await;
    let one = commit(&log, w.append(1, "a")).await;
    let two = commit(&log, w.append(2, "a")).await;
    let long_ago = w.clock.now() - 2 * MICROS_PER_DAY - HOUR;
    commit(&log, Commit { at: long_ago, ..w.retention(1, paths(&one)) }).await;
    let rest = paths(&two).into_iter().filter(|path| !paths(&one).contains(path)).collect::<Vec<_>>();
    let within = w.clock.now() - 2 * MICROS_PER_DAY + HOUR;
    let empty = commit(&log, Commit { at: within, ..w.retention(2, rest.clone()) }).await;
    assert_eq!(log.removed(&empty).await.expect("listed").len(), 2);
    log.checkpoint().await.expect("written");
    let reader = w.open();
    let removed = reader.removed(&newest(&reader).await).await.expect("listed");
    assert_eq!(removed.into_iter().map(|file| file.path).collect::<Vec<_>>(), rest);
}

pub(super) async fn clean(w: World) {
    let log = w.created().await;
    let one = commit(&log, w.append(1, "a")).await;
    commit(&log, w.merge(1, paths(&one))).await;
    let third = commit(&log, w.void(2)).await;
    assert_eq!(log.checkpoint().await.expect("written"), 3);
    w.pass(HOUR);
    commit(&log, w.append(3, "a")).await;
    let between = w.clock.now() - HOUR / 2;
    let stands = commit(&log, w.append(4, "a")).await;
    let told = Told::by(&log, &stands).await;

    assert_eq!(log.clean_log(between - HOUR).await.expect("cleaned"), 0, "nothing is as old as that");
    assert_eq!(Told::by(&w.open(), &stands).await, told);
    assert_eq!(w.open().clean_log(between).await.expect("cleaned"), 3, "entries 0 to 2; not the checkpoint's own");
    assert_eq!(log.clean_log(between).await.expect("cleaned"), 0, "once");
    for process in [&log, &w.open()] {
        let read = newest(process).await;
        assert_eq!(sight(&read), sight(&stands));
        let after = Told::by(process, &read).await;
        assert_eq!(after.removed, told.removed, "the checkpoint holds them");
        assert_eq!(after.batches, [(3, 2), (4, 3), (5, 4)], "the entry of batch 1 is gone");
    }
    assert_eq!(log.last_checkpoint().await.expect("an answer"), Some(3));
    let next = commit(&w.open(), w.append(5, "a")).await;
    assert_eq!((next.committed, next.voided, next.merged), (5, 2, 1), "and the next commits are fine");
    assert_eq!(sight(&newest(&log).await), sight(&next));
    assert!(log.commit(&third, w.append(6, "a")).await.is_err());
    assert!(log.commit(&one, w.append(6, "a")).await.is_err(), "its entry is gone");
    assert_eq!(w.sight().await, sight(&next));

    w.pass(3 * HOUR);
    assert_eq!(log.checkpoint().await.expect("written"), 6);
    commit(&log, w.append(6, "a")).await;
    assert_eq!(log.clean_log(w.clock.now() - HOUR).await.expect("cleaned"), 4, "entries 3 to 5 and a checkpoint");
    assert_eq!(w.sight().await, sight(&newest(&log).await));
    w.open().create().await.expect("a table without its first entry is there all the same");
    assert_eq!(w.sight().await.0, 7);
}

pub(super) async fn clean_nothing(w: World) {
    let log = w.created().await;
    for seq in 1..=3 {
        commit(&log, w.append(seq, "a")).await;
    }
    w.pass(HOUR);
    assert_eq!(log.clean_log(w.clock.now()).await.expect("cleaned"), 0);
    let first = w.open();
    assert_eq!(first.taken_in(&newest(&first).await).await.expect("listed").len(), 3);
    first.checkpoint().await.expect("written");
    w.pass(HOUR);
    assert_eq!(first.clean_log(w.clock.now()).await.expect("cleaned"), 3);
    assert_eq!(commit(&w.open(), w.append(4, "a")).await.committed, 4);
}

pub(super) async fn put_back(w: World) {
    let log = w.created().await;
    commit(&log, w.append(1, "a")).await;
    let kept = commit(&log, w.append(2, "a")).await;
    log.checkpoint().await.expect("written");
    commit(&log, w.void(3)).await;
    let lost = commit(&log, w.merge(1, vec![])).await;
    log.checkpoint().await.expect("written");
    w.beneath.put_back(kept.version).await;
    assert_eq!(w.sight().await, sight(&kept));
    let restored = w.open();
    assert_eq!(restored.last_checkpoint().await.expect("an answer"), Some(kept.version));
    let result = w.open().commit(&lost, w.append(4, "late")).await;
    assert!(result.is_err(), "nothing is committed on a version that is gone");
    assert_eq!(w.sight().await, sight(&kept));
    assert_eq!(sight(&commit(&restored, w.append(3, "a")).await).0, kept.version + 1);
}

/// Below the version that a process holds, with a checkpoint and without; then up to that version again, and beyond it.
pub(super) async fn put_back_under_processes(w: World) {
    let running = [w.created().await, w.open()];
    let mut seqs = 1..;
    let mut seq = || seqs.next().expect("endless");
    for (checkpoints, commits) in [(0, 0), (1, 0), (1, 2), (0, 1), (0, 2), (0, 3)] {
        let kept = commit(&running[0], w.append(seq(), "a")).await;
        for _ in 0..checkpoints {
            running[0].checkpoint().await.expect("written");
        }
        for _ in 0..2 {
            commit(&running[0], w.append(seq(), "a")).await;
        }
        let held = newest(&running[1]).await;
        assert_eq!(running[1].foreign_commit(&held).await.expect("looked"), None);
        w.beneath.put_back(kept.version).await;
        let restored = w.open();
        for _ in 0..commits {
            commit(&restored, w.append(seq(), "b")).await;
        }
        let stands = w.sight().await;
        for process in &running {
            assert_eq!(sight(&newest(process).await), stands, "{checkpoints} checkpoints, then {commits} commits");
        }
    }
    let held = newest(&running[1]).await;
    w.beneath.put_back(held.version - 1).await;
    w.beneath.write_as_another(&w.file(77, "foreign")).await;
    let stands = newest(&running[1]).await;
    assert_eq!(stands.version, held.version);
    let found = running[1].foreign_commit(&stands).await.expect("looked").expect("in place of one of ours");
    assert_eq!(found.version, held.version);
}

/// What a log tells of the past, up to a snapshot.
#[derive(Debug, PartialEq)]
struct Told {
    /// (path, when), sorted.
    removed: Vec<(String, Micros)>,
    /// (version, seq).
    batches: Vec<(u64, u64)>,
}

impl Told {
    async fn by(log: &Arc<dyn TableLog>, snapshot: &Snapshot) -> Self {
        let removed = log.removed(snapshot).await.expect("listed");
        let mut removed: Vec<_> = removed.into_iter().map(|file| (file.path, file.removed_at)).collect();
        removed.sort();
        let batches = log.taken_in(snapshot).await.expect("listed");
        assert_eq!(log.foreign_commit(snapshot).await.expect("looked"), None);
        Self { removed, batches: batches.into_iter().map(|one| (one.version, one.seq)).collect() }
    }
}
