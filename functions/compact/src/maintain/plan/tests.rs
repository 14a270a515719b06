//! What is merged, in made-up days.

use model::MICROS_PER_DAY;

use super::*;

const TODAY: Micros = 20_000 * MICROS_PER_DAY;
const NOON: Micros = TODAY + 12 * MICROS_PER_HOUR;

fn rule() -> MergeRule {
    MergeRule {
        target_bytes: 100,
        small_bytes: 50,
        fan_in: 3,
        day_files: 3,
        open_bytes_max: u64::MAX,
        ..MergeRule::default()
    }
}

/// A file of the day that holds `min`, in minutes of that day.
fn file(id: u32, day: i64, min: i64, max: i64, bytes: u64, rewrites: u32) -> DataFile {
    let midnight = day * MICROS_PER_DAY;
    let name = FileName::Part { seq: 1, fence: 1, fresh: id.to_string() };
    let partition = BTreeMap::from([("date".to_owned(), crate::maintain::days::text(day as i32))]);
    DataFile {
        path: name.path(model::TableName::Metrics, &partition),
        bytes,
        rows: bytes,
        partition,
        time_min: midnight + min * 60_000_000,
        time_max: midnight + max * 60_000_000,
        rewrites,
        stats: "{}".into(),
        rollups: None,
        modified_at: midnight,
    }
}

/// Carries out a plan on paper: outputs of equal size, disjoint in time, cut at the boundary.
fn apply(files: &mut Vec<DataFile>, plan: &Plan, fresh: &mut u32) {
    files.retain(|file| !plan.inputs.iter().any(|input| input.path == file.path));
    let rows: u64 = plan.inputs.iter().map(|file| file.rows).sum();
    let n = rows.div_ceil(plan.rows_per_file) as i64;
    let from = plan.inputs.iter().map(|file| file.time_min).min().expect("inputs");
    let to = plan.inputs.iter().map(|file| file.time_max).max().expect("inputs");
    let mut cuts: Vec<Micros> = (0..n).map(|i| from + (to - from) * i / n).collect();
    cuts.extend(plan.boundary);
    cuts.sort_unstable();
    cuts.push(to + 1);
    let n_outputs = (cuts.len() - 1) as u64;
    for pair in cuts.windows(2) {
        *fresh += 1;
        files.push(DataFile {
            path: FileName::Merge { merge: 1, fence: 1, fresh: fresh.to_string() }
                .path(model::TableName::Metrics, &plan.partition),
            bytes: rows / n_outputs,
            rows: rows / n_outputs,
            time_min: pair[0],
            time_max: pair[1] - 1,
            rewrites: plan.rewrites,
            ..plan.inputs[0].clone()
        });
    }
}

fn drain(files: &mut Vec<DataFile>, rule: &MergeRule, now: Micros) -> usize {
    let mut fresh = 1_000_000;
    for n in 0..1_000 {
        let Some(plan) = plan(files, rule, now) else { return n };
        assert!(plan.inputs.len() >= 2 && plan.rewrites <= rule.rewrites_max);
        apply(files, &plan, &mut fresh);
    }
    panic!("merging never ends");
}

fn is_disjoint(files: &[DataFile]) -> bool {
    let mut times: Vec<_> = files.iter().map(|file| (file.time_min, file.time_max)).collect();
    times.sort_unstable();
    times.windows(2).all(|pair| pair[0].1 < pair[1].0)
}

#[test]
fn a_running_day_is_merged_by_level() {
    let day = TODAY / MICROS_PER_DAY;
    let mut files = vec![file(1, day, 0, 5, 10, 0), file(2, day, 5, 10, 10, 0)];
    assert_eq!(plan(&files, &rule(), NOON), None);
    files.push(file(3, day, 9, 12, 10, 0));
    let planned = plan(&files, &rule(), NOON).expect("three small files");
    assert_eq!((planned.inputs.len(), planned.rewrites, planned.boundary), (3, 1, None));
    // Big ones, files of other levels, and files before their last rewrite do not count.
    files[2] = file(3, day, 9, 12, 50, 0);
    assert_eq!(plan(&files, &rule(), NOON), None);
    files[2] = file(3, day, 9, 12, 10, 1);
    assert_eq!(plan(&files, &rule(), NOON), None);
    let last: Vec<_> = (0..9).map(|i| file(i, day, 0, 5, 10, 2)).collect();
    assert_eq!(plan(&last, &rule(), NOON), None);
}

#[test]
fn a_day_is_finished_when_it_is_over_and_quiet() {
    let day = TODAY / MICROS_PER_DAY - 1;
    let files = vec![file(1, day, 0, 60, 10, 2), file(2, day, 30, 90, 10, 0)];
    let planned = plan(&files, &rule(), NOON).expect("they overlap");
    assert_eq!((planned.inputs.len(), planned.rewrites), (2, 3));
    // Not over yet, or written to a moment ago.
    assert_eq!(plan(&files, &rule(), TODAY + MICROS_PER_HOUR / 2), None);
    let mut fresh = files.clone();
    fresh[0].modified_at = NOON - 1;
    assert_eq!(plan(&fresh, &rule(), NOON), None);
    assert!(plan(&fresh, &rule().without_waiting(), NOON).is_some());
    // A row that was rewritten often enough stays.
    let worn = vec![file(1, day, 0, 60, 10, 3), file(2, day, 30, 90, 10, 0)];
    assert_eq!(plan(&worn, &rule(), NOON), None);
    // Disjoint: left alone while they are few.
    let disjoint = vec![file(1, day, 0, 29, 10, 0), file(2, day, 30, 90, 10, 0)];
    assert_eq!(plan(&disjoint, &rule(), NOON), None);
}

#[test]
fn a_backfilled_day_ends_in_few_disjoint_files() {
    let day = TODAY / MICROS_PER_DAY - 3;
    // Every file spans the whole day.
    let mut files: Vec<_> = (0..40).map(|i| file(i, day, i64::from(i), 1_400 + i64::from(i) % 7, 20, 0)).collect();
    drain(&mut files, &rule(), NOON);
    assert!(files.len() <= 10, "{}", files.len());
    assert!(is_disjoint(&files));
    assert_eq!(files.iter().map(|file| file.rewrites).max(), Some(1));
}

#[test]
fn a_day_of_small_commits_ends_in_few_disjoint_files() {
    let (day, rule) = (TODAY / MICROS_PER_DAY - 1, MergeRule { quiet: 0, fan_in: 8, ..rule() });
    let mut files = Vec::new();
    // A commit every five minutes, each a little late, merged as they come; then the day ends.
    for i in 0..288 {
        let at = i64::from(i) * 5;
        files.push(file(i as u32, day, (at - 3).max(0), (at + 4).min(1_439), 2, 0));
        drain(&mut files, &rule, day * MICROS_PER_DAY + at * 60_000_000);
        // Seven of each level that wait for an eighth, and what the last merges of the day made.
        assert!(files.len() <= 7 + 7 + 8, "{} files after {i} commits", files.len());
    }
    drain(&mut files, &rule, NOON);
    assert!(files.len() <= 10 && is_disjoint(&files), "{files:?}");
    assert!(files.iter().all(|file| file.rewrites <= 3));
}

#[test]
fn a_day_too_big_for_one_merge_is_finished_in_steps() {
    let day = TODAY / MICROS_PER_DAY - 1;
    let rule = MergeRule { bytes_max: 400, ..rule() };
    // Each file reaches a little into the next.
    let mut files: Vec<_> = (0..20).map(|i| file(i, day, i64::from(i) * 60, i64::from(i) * 60 + 65, 100, 1)).collect();
    let planned = plan(&files, &rule, NOON).expect("they overlap");
    assert_eq!(planned.inputs.len(), 4);
    assert_eq!(planned.boundary, Some(files[4].time_min));
    drain(&mut files, &rule, NOON);
    assert!(files.iter().all(|file| file.rewrites <= 3));
}

#[test]
fn files_of_others_are_never_merged() {
    let day = TODAY / MICROS_PER_DAY - 1;
    let mut files = vec![file(1, day, 0, 60, 10, 0), file(2, day, 30, 90, 10, 0)];
    files[0].path = "date=2024-10-04/part-00000-spark.snappy.parquet".to_owned();
    assert_eq!(plan(&files, &rule(), NOON), None);
}
