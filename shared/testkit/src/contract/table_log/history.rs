//! What a log tells of the past.

use clock::Clock;
use lake::{Commit, CommitKind, RemovedFile, TakenIn};
use model::Micros;

use super::{HOUR, World, commit, newest, paths};

pub(super) async fn removed(w: World) {
    let log = w.created().await;
    let empty = newest(&log).await;
    let one = commit(&log, w.append(1, "a")).await;
    let first_at = w.clock.now();
    let merged = commit(&log, w.merge(1, paths(&one))).await;
    w.pass(HOUR);
    let second_at = w.clock.now();
    commit(&log, w.append(2, "a")).await;
    let dropped = commit(&log, w.retention(2, paths(&merged))).await;
    let tell = |path: &str, at: Micros| RemovedFile { path: path.to_owned(), removed_at: at / 1_000 * 1_000 };
    let expected = [tell(&paths(&merged)[0], second_at), tell(&paths(&one)[0], first_at)];
    for process in [log, w.open()] {
        let mut all = process.removed(&newest(&process).await).await.expect("listed");
        all.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(all, expected);
        assert_eq!(process.removed(&empty).await.expect("listed"), []);
        let mut until_then = process.removed(&merged).await.expect("listed");
        until_then.retain(|file| paths(&dropped).contains(&file.path));
        assert_eq!(until_then, [], "what is active is not removed");
        assert_eq!(process.removed(&merged).await.expect("listed"), expected[1..], "as of that snapshot");
    }
}

pub(super) async fn taken_in(w: World) {
    let log = w.created().await;
    assert_eq!(log.taken_in(&newest(&log).await).await.expect("listed"), []);
    let segments: Vec<String> = (0..2_000).map(|n| format!("segment-{n}")).collect();
    let first = commit(&log, Commit { segments: segments.clone(), ..w.append(1, "a") }).await;
    commit(&log, w.merge(1, paths(&first))).await;
    let third = commit(&log, w.void(2)).await;
    let rest = paths(&third);
    commit(&log, w.retention(2, rest)).await;
    commit(&log, Commit { kind: CommitKind::AddColumns, add: vec![], ..w.merge(3, vec![]) }).await;
    w.beneath.write_as_another(&w.file(77, "foreign")).await;
    commit(&log, w.append(3, "a")).await;
    let expected = [(1, 1, segments), (3, 2, vec![]), (7, 3, vec!["segment-3".to_owned()])];
    for process in [log, w.open()] {
        let told = process.taken_in(&newest(&process).await).await.expect("listed");
        for TakenIn { at, .. } in &told {
            assert!((w.clock.now() - at).abs() < HOUR, "{at} is by the writer's clock");
        }
        let told: Vec<_> = told.into_iter().map(|one| (one.version, one.seq, one.segments)).collect();
        assert_eq!(told, expected);
        let told = process.taken_in(&third).await.expect("listed");
        assert_eq!(told.iter().map(|one| one.seq).collect::<Vec<_>>(), [1, 2], "up to that snapshot");
    }
}

pub(super) async fn foreign(w: World) {
    let log = w.created().await;
    commit(&log, w.append(1, "a")).await;
    commit(&log, w.void(2)).await;
    let ours = commit(&log, w.merge(1, vec![])).await;
    assert_eq!(log.foreign_commit(&ours).await.expect("looked"), None);
    let file = w.file(77, "foreign");
    w.beneath.write_as_another(&file).await;
    let stands = newest(&log).await;
    assert_eq!((stands.version, stands.committed, stands.voided, stands.merged), (4, 2, 2, 1));
    let theirs = stands.files.iter().find(|there| there.path == file.path).expect("their file is one of the table's");
    assert_eq!((theirs.time_min, theirs.time_max, theirs.rows), (Micros::MIN, Micros::MAX, file.rows));
    commit(&log, w.append(3, "a")).await;
    for process in [&log, &w.open()] {
        let newest = newest(process).await;
        let found = process.foreign_commit(&newest).await.expect("looked").expect("found");
        assert_eq!((found.version, found.operation.as_str()), (4, "WRITE"));
        let again = process.foreign_commit(&newest).await.expect("looked");
        assert_eq!(again, Some(found), "each time it is asked");
        assert_eq!(process.foreign_commit(&ours).await.expect("looked"), None, "it came after that snapshot");
    }
}
