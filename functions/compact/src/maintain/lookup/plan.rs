//! Which days get a look-up index, a pure decision over the files of a snapshot and the indexes that there are.
//!
//! What counts is what a look-up reads without one: the footer and the filters of each file that no index speaks of.

use std::collections::{BTreeMap, HashMap};

use lake::DataFile;
use lake::layout::ROWS_PER_ROW_GROUP;
use lake::lookup::FileId;
use meta::ledger::{LOOKED_AT_MAX, LookupIndex};
use model::Micros;

use super::super::plan::{MergeRule, is_day_over, is_quiet};

/// When a day's files get a look-up index, and how large it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupRule {
    /// Reads of a look-up that its index would save, of a day that is being written.
    pub reads_min: u64,
    /// The same of a day that is over and quiet: it is made for good.
    pub reads_min_over: u64,
    /// An index is written anew as a whole. For each of so many bytes of the old one, one more read is waited for.
    pub bytes_per_read: u64,
    /// Bytes of the filters in an index.
    pub bytes_max: usize,
    /// Files that an index names.
    pub files_max: usize,
}

impl Default for LookupRule {
    fn default() -> Self {
        Self { reads_min: 16, reads_min_over: 6, bytes_per_read: 8 << 20, bytes_max: 128 << 20, files_max: 4_096 }
    }
}

/// A day whose index is to be made.
#[derive(Clone, Debug)]
pub(super) struct Day {
    pub(super) date: String,
    /// All of the day.
    pub(super) files: Vec<DataFile>,
    pub(super) old: Option<LookupIndex>,
}

impl Day {
    /// Those that count as looked at when it is made.
    pub(super) fn looked_at(&self) -> impl Iterator<Item = &DataFile> {
        looked_at(&self.files)
    }
}

/// Files of a day that are more than an item can list do not make it due again and again.
fn looked_at(files: &[DataFile]) -> impl Iterator<Item = &DataFile> {
    files.iter().take(LOOKED_AT_MAX)
}

pub(super) fn date_of(file: &DataFile) -> Option<&str> {
    file.partition.get("date").map(String::as_str)
}

/// The days that are due, those first in which most reads are saved.
pub(super) fn due(
    files: &[DataFile],
    indexes: Vec<LookupIndex>,
    rule: &LookupRule,
    merge: &MergeRule,
    now: Micros,
) -> Vec<Day> {
    let mut indexes: HashMap<String, LookupIndex> =
        indexes.into_iter().map(|index| (index.date.clone(), index)).collect();
    let mut days: BTreeMap<&str, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        if let Some(date) = date_of(file) {
            days.entry(date).or_default().push(file.clone());
        }
    }
    let mut due: Vec<(u64, Day)> = Vec::new();
    for (date, mut files) in days {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let day = Day { date: date.to_owned(), files, old: indexes.remove(date) };
        let is_over = is_day_over(date, merge, now) && is_quiet(&day.files, merge, now);
        let old_bytes = day.old.as_ref().map_or(0, |old| old.bytes);
        let wanted =
            if is_over { rule.reads_min_over } else { rule.reads_min } + old_bytes / rule.bytes_per_read.max(1);
        let saved = saved_reads(&day);
        if saved >= wanted {
            due.push((saved, day));
        }
    }
    due.sort_by_key(|(saved, _)| std::cmp::Reverse(*saved));
    due.into_iter().map(|(_, day)| day).collect()
}

/// A footer for each file that the index has not seen, and the filters of each row group.
fn saved_reads(day: &Day) -> u64 {
    let known = day.old.as_ref().map(LookupIndex::looked_at).unwrap_or_default();
    let new = day.looked_at().filter(|file| !known.contains(FileId::of(&file.path).short()));
    new.map(|file| 1 + file.rows.div_ceil(ROWS_PER_ROW_GROUP as u64)).sum()
}

#[cfg(test)]
mod tests {
    use model::MICROS_PER_DAY;

    use super::*;
    use crate::maintain::days;

    const NOW: Micros = 20_777 * MICROS_PER_DAY + MICROS_PER_DAY / 2;

    /// `days_ago`, of so many row groups.
    fn file(nth: usize, days_ago: i32, row_groups: u64) -> DataFile {
        let date = days::text(20_777 - days_ago);
        DataFile {
            path: format!("date={date}/part-{nth:020}-1-a.parquet"),
            bytes: 1,
            rows: row_groups * ROWS_PER_ROW_GROUP as u64,
            partition: BTreeMap::from([("date".to_owned(), date)]),
            time_min: 0,
            time_max: 0,
            rewrites: 0,
            stats: "{}".into(),
            rollups: None,
            modified_at: 0,
        }
    }

    fn index(files: &[DataFile], bytes: u64) -> LookupIndex {
        LookupIndex {
            date: date_of(&files[0]).expect("a date").to_owned(),
            key: String::new(),
            bytes,
            layout: String::new(),
            files: LookupIndex::pack(files.iter().map(|file| FileId::of(&file.path).short())),
            made_at: 0,
            format: 1,
        }
    }

    fn due_dates(files: &[DataFile], indexes: Vec<LookupIndex>) -> Vec<String> {
        let days = due(files, indexes, &LookupRule::default(), &MergeRule::default(), NOW);
        days.into_iter().map(|day| day.date).collect()
    }

    #[test]
    fn a_day_is_due_when_its_index_saves_enough_reads() {
        let today = |n: usize| (0..n).map(|nth| file(nth, 0, 1)).collect::<Vec<_>>();
        assert_eq!(due_dates(&today(7), vec![]), Vec::<String>::new());
        assert_eq!(due_dates(&today(8), vec![]), ["2026-11-20"]);
        assert_eq!(due_dates(&[file(0, 1, 4)], vec![]), Vec::<String>::new(), "five reads of a day that is over");
        assert_eq!(due_dates(&[file(0, 1, 5)], vec![]), ["2026-11-19"]);
        let both = [today(8), (0..30).map(|nth| file(nth, 3, 1)).collect()].concat();
        assert_eq!(due_dates(&both, vec![]), ["2026-11-17", "2026-11-20"]);
    }

    #[test]
    fn what_an_index_has_seen_does_not_make_it_due_and_a_large_one_waits_for_more() {
        let files: Vec<DataFile> = (0..20).map(|nth| file(nth, 0, 1)).collect();
        assert_eq!(due_dates(&files, vec![index(&files, 1)]), Vec::<String>::new());
        assert_eq!(due_dates(&files, vec![index(&files[..13], 1)]), Vec::<String>::new());
        assert_eq!(due_dates(&files, vec![index(&files[..12], 1)]).len(), 1);
        assert_eq!(due_dates(&files, vec![index(&files[..12], 8 << 20)]), Vec::<String>::new());
        assert_eq!(due_dates(&files, vec![index(&files[..11], 8 << 20)]).len(), 1);
    }
}
