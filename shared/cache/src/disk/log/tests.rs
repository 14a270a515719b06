//! What a disk may do, and what readers then see: the bytes that were put, or none.

use std::fs::File;
use std::os::unix::fs::FileExt;

use tempfile::TempDir;

use super::*;
use crate::piece::ObjectId;

const MIB: u64 = 1 << 20;

fn room(bytes_max: u64) -> Room {
    Room { bytes_max, free_bytes_min: 0, entries_max: 100_000 }
}

fn log(folder: &TempDir, room: Room) -> Log {
    let log = Log::new(folder.path(), Shelf::Rows, room, Meters::default());
    log.load();
    log
}

fn piece(n: u64) -> Piece {
    Piece { object: ObjectId::of("r", "shop", "f"), start: n * 100_000, end: n * 100_000 + 90_000 }
}

fn content(n: u64) -> Vec<u8> {
    (0..90_000).map(|at| (at * 7 + n) as u8).collect()
}

fn put(log: &Log, pieces: std::ops::Range<u64>) {
    pieces.for_each(|n| log.write(piece(n), &content(n)));
}

/// Which of them are there; each of those is what was put.
fn there(log: &Log, pieces: std::ops::Range<u64>) -> Vec<u64> {
    let is_there = |n: &u64| {
        let found = log.find(&[piece(*n)]);
        let read = found.first().and_then(|there| log.read(there));
        if let Some((_, bytes)) = &read {
            assert_eq!(bytes[..], content(*n), "piece {n}");
        }
        read.is_some()
    };
    pieces.filter(is_there).collect()
}

fn files(folder: &TempDir) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn on_disk(folder: &TempDir) -> u64 {
    files(folder).iter().map(|file| file.metadata().expect("there").len()).sum()
}

#[test]
fn the_oldest_go_first_and_the_room_is_kept_to() {
    let folder = TempDir::new().expect("a folder");
    let log = log(&folder, room(5 * MIB));
    put(&log, 0..200);
    assert!(on_disk(&folder) <= 5 * MIB, "{}", on_disk(&folder));
    let left = there(&log, 0..200);
    assert!(left.len() > 30 && left.last() == Some(&199), "{left:?}");
    assert!(left.windows(2).all(|two| two[0] + 1 == two[1]), "{left:?}");
}

#[test]
fn what_takes_too_much_memory_to_know_is_given_up() {
    let folder = TempDir::new().expect("a folder");
    let log = log(&folder, Room { entries_max: 40, ..room(100 * MIB) });
    put(&log, 0..200);
    let left = there(&log, 0..200).len();
    assert!((20..=60).contains(&left), "{left}");
}

#[test]
fn closed_files_are_there_after_a_restart_and_others_are_removed() {
    let folder = TempDir::new().expect("a folder");
    let first = log(&folder, room(100 * MIB));
    put(&first, 0..100);
    first.close();
    put(&first, 100..105);
    drop(first);
    assert!(files(&folder).len() > 2);
    let again = log(&folder, room(100 * MIB));
    assert_eq!(there(&again, 0..105), (0..100).collect::<Vec<_>>());
    put(&again, 100..120);
    assert_eq!(there(&again, 0..120).len(), 120);
    drop(again);
    // Of less room than there was.
    let less = log(&folder, room(2 * MIB));
    assert!(on_disk(&folder) <= 2 * MIB);
    assert!(!there(&less, 0..120).is_empty());
}

#[test]
fn damaged_bytes_are_none() {
    let folder = TempDir::new().expect("a folder");
    // In files of a megabyte.
    let log_before = log(&folder, room(64 * MIB));
    put(&log_before, 0..30);
    log_before.close();
    let all = files(&folder);
    let damage = |file: &PathBuf, at: u64| {
        File::options().write(true).open(file).and_then(|file| file.write_all_at(b"damaged", at)).expect("written");
    };
    // The third piece of the first file, under a process that has it open.
    damage(&all[0], 200_000);
    assert_eq!(there(&log_before, 0..5), [0, 1, 3, 4]);
    assert_eq!(log_before.meters.count_of_left_out("damaged"), 1);
    drop(log_before);
    // The index of the second file; and the third is cut off.
    damage(&all[1], all[1].metadata().expect("there").len() - 60);
    File::options().write(true).open(&all[2]).and_then(|file| file.set_len(MIB / 2)).expect("cut");
    let again = log(&folder, room(64 * MIB));
    let in_first = MIB / 90_000;
    assert_eq!(all.len(), 3);
    assert_eq!(there(&again, 0..30), [0, 1].into_iter().chain(3..in_first).collect::<Vec<_>>());
    assert_eq!(files(&folder).len(), 1, "what does not read is removed");
}

#[test]
fn bytes_of_one_piece_never_pass_for_those_of_another() {
    assert_ne!(checksum(&piece(1), &content(1)), checksum(&piece(2), &content(1)));
}

#[test]
fn on_a_full_disk_nothing_is_kept_and_when_there_is_room_again_it_is() {
    let folder = TempDir::new().expect("a folder");
    let mut log = log(&folder, room(100 * MIB));
    put(&log, 0..30);
    log.create = |path| {
        // Every write to this device fails with "no space left".
        std::os::unix::fs::symlink("/dev/full", path)?;
        PieceFile::open_for_tests(path)
    };
    put(&log, 30..80);
    assert!(log.meters.count_of_left_out("no_room") > 20);
    there(&log, 0..80);
    assert!(files(&folder).iter().all(|file| file.is_file()), "nothing stays that could not be written");
    log.create = PieceFile::create;
    put(&log, 80..90);
    assert_eq!(there(&log, 80..90).len(), 10);
}

#[test]
fn what_is_longer_than_a_file_costs_nothing_that_is_kept() {
    let folder = TempDir::new().expect("a folder");
    let log = log(&folder, room(8 * MIB));
    put(&log, 0..20);
    let long = Piece { end: piece(50).start + 2 * MIB, ..piece(50) };
    log.write(long, &vec![0; 2 << 20]);
    assert_eq!((there(&log, 0..20).len(), log.find(&[long]).len()), (20, 0));
}

#[test]
fn room_is_left_to_others() {
    let folder = TempDir::new().expect("a folder");
    let mut log = log(&folder, room(100 * MIB));
    put(&log, 0..60);
    assert_eq!(there(&log, 0..60).len(), 60);
    // Now somebody else needs the disk.
    log.room.free_bytes_min = u64::MAX / 2;
    log.leave_room();
    assert!(there(&log, 0..60).len() < 30, "only the file that is written is left");
    put(&log, 60..90);
    assert!(there(&log, 0..90).is_empty());
    assert_eq!(on_disk(&folder), 0);
}

#[test]
fn a_file_that_is_given_up_is_read_by_those_who_hold_it() {
    let folder = TempDir::new().expect("a folder");
    let log = log(&folder, room(2 * MIB));
    put(&log, 0..1);
    let held = log.find(&[piece(0)]);
    put(&log, 1..100);
    assert!(log.find(&[piece(0)]).is_empty());
    assert_eq!(log.read(&held[0]).expect("still open").1[..], content(0));
}

#[test]
fn a_folder_that_is_gone_is_no_error() {
    let folder = TempDir::new().expect("a folder");
    let log = log(&folder, room(100 * MIB));
    put(&log, 0..5);
    std::fs::remove_dir_all(folder.path()).expect("removed");
    put(&log, 5..50);
    log.close();
    there(&log, 0..50);
}
