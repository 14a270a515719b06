//! Which files are merged next: a pure decision over the files of a snapshot.
//!
//! While a day is written, files are merged by level: as soon as enough small files have been rewritten equally often,
//! they become one. When a day is over and quiet, its files become few and disjoint in time. No row is rewritten more
//! than `rewrites_max` times: levels leave the last rewrite to the end of the day.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use lake::layout::ROWS_PER_ROW_GROUP;
use lake::{DataFile, FileName};
use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros};

/// When files are merged, and into what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeRule {
    /// Size that merged files aim at.
    pub target_bytes: u64,
    /// Files of at least this size are merged only to make a day disjoint.
    pub small_bytes: u64,
    /// So many small files of one level become one.
    pub fan_in: usize,
    /// Disjoint small files of a day that is over are merged if there are so many next to each other.
    pub day_files: usize,
    /// No row is rewritten more often.
    pub rewrites_max: u32,
    /// A day that is over is finished when nothing was written to it for so long.
    pub quiet: Micros,
    /// A day is over so long after its midnight.
    pub late: Micros,
    /// Bytes of the files of one merge.
    pub bytes_max: u64,
    /// Bytes of the row groups that are open at once, if all files of a merge overlap.
    pub open_bytes_max: u64,
    /// Files of one merge.
    pub files_max: usize,
}

const MIB: u64 = 1 << 20;
/// Decoded batch of one open file, roughly.
const OPEN_FILE_BYTES: u64 = 4 * MIB;

impl Default for MergeRule {
    fn default() -> Self {
        Self {
            target_bytes: 256 * MIB,
            small_bytes: 128 * MIB,
            fan_in: 8,
            day_files: 4,
            rewrites_max: 3,
            quiet: MICROS_PER_HOUR / 4,
            late: MICROS_PER_HOUR,
            bytes_max: 2_048 * MIB,
            open_bytes_max: 512 * MIB,
            files_max: 64,
        }
    }
}

impl MergeRule {
    /// Days that are over are finished at once: for a drain on demand.
    #[must_use]
    pub fn without_waiting(self) -> Self {
        Self { quiet: 0, late: 0, ..self }
    }
}

/// A merge to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub partition: BTreeMap<String, String>,
    /// By least time; at least two.
    pub inputs: Vec<DataFile>,
    /// Rows after which an output ends, at the next change of time.
    pub rows_per_file: u64,
    /// An output also ends before this time: later rows overlap with files that are not part of this merge.
    pub boundary: Option<Micros>,
    /// Of every output.
    pub rewrites: u32,
}

/// The next merge, if any; the day with the most files first.
pub fn plan(files: &[DataFile], rule: &MergeRule, now: Micros) -> Option<Plan> {
    let mut days: BTreeMap<&BTreeMap<String, String>, Vec<&DataFile>> = BTreeMap::new();
    for file in files {
        days.entry(&file.partition).or_default().push(file);
    }
    let plans = days.into_iter().filter_map(|(partition, files)| {
        let n_files = files.len();
        plan_day(partition, files, rule, now).map(|plan| (n_files, plan))
    });
    plans.max_by_key(|(n_files, _)| *n_files).map(|(_, plan)| plan)
}

fn plan_day(
    partition: &BTreeMap<String, String>,
    mut files: Vec<&DataFile>,
    rule: &MergeRule,
    now: Micros,
) -> Option<Plan> {
    let is_finished = is_over(partition, rule, now) && is_quiet(&files, rule, now);
    files.retain(|file| file.rewrites < rule.rewrites_max && FileName::parse(&file.path).is_some());
    files.sort_by_key(|file| (file.time_min, file.time_max));
    let chosen = if is_finished { choose_to_finish(&files, rule) } else { choose_level(&files, rule) };
    let (inputs, boundary) = chosen?;
    let bytes: u64 = inputs.iter().map(|file| file.bytes).sum();
    let rows: u64 = inputs.iter().map(|file| file.rows).sum();
    let n_outputs = bytes.div_ceil(rule.target_bytes).max(1);
    Some(Plan {
        partition: partition.clone(),
        rows_per_file: rows.div_ceil(n_outputs).max(1),
        boundary,
        rewrites: inputs.iter().map(|file| file.rewrites).max().unwrap_or(0) + 1,
        inputs: inputs.into_iter().cloned().collect(),
    })
}

/// True if the day of a partition ended long enough ago.
fn is_over(partition: &BTreeMap<String, String>, rule: &MergeRule, now: Micros) -> bool {
    partition.get("date").is_some_and(|date| is_day_over(date, rule, now))
}

/// The same of a date.
pub(super) fn is_day_over(date: &str, rule: &MergeRule, now: Micros) -> bool {
    super::days::parse(date).is_some_and(|day| (Micros::from(day) + 1) * MICROS_PER_DAY + rule.late <= now)
}

pub(super) fn is_quiet<F: Borrow<DataFile>>(files: &[F], rule: &MergeRule, now: Micros) -> bool {
    files.iter().all(|file| now - file.borrow().modified_at >= rule.quiet)
}

type Choice<'a> = (Vec<&'a DataFile>, Option<Micros>);

/// Small files of the lowest level that has enough of them; the last rewrite is left to the end of the day.
fn choose_level<'a>(files: &[&'a DataFile], rule: &MergeRule) -> Option<Choice<'a>> {
    (0..rule.rewrites_max.saturating_sub(1)).find_map(|level| {
        let small: Vec<&DataFile> =
            files.iter().copied().filter(|file| file.rewrites == level && file.bytes < rule.small_bytes).collect();
        if small.len() < rule.fan_in.max(2) {
            return None;
        }
        let n = n_that_fit(&small, rule);
        (n >= 2).then(|| (small[..n].to_vec(), None))
    })
}

/// Files that overlap, with the small ones next to them; or enough small ones in a row.
fn choose_to_finish<'a>(files: &[&'a DataFile], rule: &MergeRule) -> Option<Choice<'a>> {
    let mut run: Vec<&DataFile> = Vec::new();
    let mut run_overlaps = false;
    let is_worth = |run: &[&DataFile], overlaps: bool| run.len() >= 2 && (overlaps || run.len() >= rule.day_files);
    for cluster in clusters(files) {
        let overlaps = cluster.len() > 1;
        let joins = overlaps || cluster.iter().all(|file| file.bytes < rule.small_bytes);
        let fits = n_that_fit(&[run.as_slice(), cluster.as_slice()].concat(), rule) == run.len() + cluster.len();
        if joins && (fits || run.is_empty()) {
            run.extend(cluster);
            run_overlaps |= overlaps;
            continue;
        }
        if is_worth(&run, run_overlaps) {
            break;
        }
        (run, run_overlaps) = if joins { (cluster, overlaps) } else { (Vec::new(), false) };
    }
    if !is_worth(&run, run_overlaps) {
        return None;
    }
    let n = n_that_fit(&run, rule);
    // One cluster may be too much for one merge. Many small files are gathered by level first, so that rewrites last;
    // of big ones the first go, and what reaches into the rest is kept apart.
    if n < run.len()
        && let Some(level) = choose_level(&run, rule)
    {
        return Some(level);
    }
    let boundary = run.get(n).map(|next| next.time_min);
    run.truncate(n);
    (run.len() >= 2).then_some((run, boundary))
}

/// Files in the order of their least time, those together that reach into each other.
fn clusters<'a>(files: &[&'a DataFile]) -> Vec<Vec<&'a DataFile>> {
    let mut clusters: Vec<Vec<&DataFile>> = Vec::new();
    let mut reach = Micros::MIN;
    for file in files {
        match clusters.last_mut() {
            Some(cluster) if file.time_min <= reach => cluster.push(file),
            _ => clusters.push(vec![file]),
        }
        reach = reach.max(file.time_max);
    }
    clusters
}

/// How many of the first files one merge can take; two at least, or a big file could never be merged.
fn n_that_fit(files: &[&DataFile], rule: &MergeRule) -> usize {
    let (mut bytes, mut open) = (0, 0);
    let fitting = files.iter().take(rule.files_max).take_while(|file| {
        bytes += file.bytes;
        open += open_bytes(file);
        bytes <= rule.bytes_max && open <= rule.open_bytes_max
    });
    fitting.count().max(2).min(files.len())
}

/// What one file takes while it is read: its largest row group, and a decoded batch.
pub(crate) fn open_bytes(file: &DataFile) -> u64 {
    let row_group = file.bytes.saturating_mul(ROWS_PER_ROW_GROUP as u64) / file.rows.max(1);
    row_group.min(file.bytes) + OPEN_FILE_BYTES
}

#[cfg(test)]
mod tests;
