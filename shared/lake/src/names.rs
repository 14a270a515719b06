//! How data files are called below a table's root. Names are promises: vacuum reads them.
//!
//! - `date=2026-11-20/signal=span/part-<seq, 20 digits>-<fence>-<fresh>.parquet`: written by the batch `seq`
//! - `date=2026-11-20/signal=span/merge-<m, 20 digits>-<fence>-<fresh>.parquet`: written by the merge `m`
//!
//! The fence and a fresh id per attempt keep two workers, and two attempts of one, from ever writing the same object.

use std::collections::BTreeMap;

use clock::Ids;
use model::TableName;
use model::safeguard::{Safeguard, holds};

const ENDING: &str = ".parquet";

/// What a data file's name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileName {
    /// Rows of the batch `seq`.
    Part { seq: u64, fence: u64, fresh: String },
    /// Rows of the merge that carries version `merge` of [`crate::APP_MERGE`].
    Merge { merge: u64, fence: u64, fresh: String },
}

impl FileName {
    /// The path below the table's root.
    pub fn path(&self, table: TableName, partition: &BTreeMap<String, String>) -> String {
        let mut path = String::new();
        for column in table.partition_columns() {
            let value = partition.get(*column).map_or("", String::as_str);
            path.push_str(&format!("{column}={value}/"));
        }
        let (kind, number, fence, fresh) = match self {
            FileName::Part { seq, fence, fresh } => ("part", seq, fence, fresh),
            FileName::Merge { merge, fence, fresh } => ("merge", merge, fence, fresh),
        };
        let fence = if holds(Safeguard::FenceInFileNames) { *fence } else { 0 };
        path.push_str(&format!("{kind}-{number:020}-{fence}-{fresh}{ENDING}"));
        path
    }

    /// What makes the name of the `nth` file of an attempt its own.
    pub fn fresh(ids: &dyn Ids, nth: usize) -> String {
        if holds(Safeguard::FreshIdInFileNames) { ids.fresh() } else { nth.to_string() }
    }

    /// What a path below the table's root names; none if the name is not of ours.
    pub fn parse(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?.strip_suffix(ENDING)?;
        let mut parts = name.splitn(4, '-');
        let (kind, number, fence, fresh) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if number.len() != 20 || fresh.is_empty() {
            return None;
        }
        let (number, fence, fresh) = (number.parse().ok()?, fence.parse().ok()?, fresh.to_owned());
        match kind {
            "part" => Some(FileName::Part { seq: number, fence, fresh }),
            "merge" => Some(FileName::Merge { merge: number, fence, fresh }),
            _ => None,
        }
    }

    /// True if no commit to come can name the file: its batch is at or below T, its merge at or below M.
    pub fn is_decided(&self, committed: u64, merged: u64) -> bool {
        match self {
            FileName::Part { seq, .. } => *seq <= committed,
            FileName::Merge { merge, .. } => *merge <= merged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back() {
        let partition =
            BTreeMap::from([("date".to_owned(), "2026-11-20".to_owned()), ("signal".to_owned(), "span".to_owned())]);
        let part = FileName::Part { seq: 7, fence: 3, fresh: "0199".into() };
        let path = part.path(TableName::LogsAndSpans, &partition);
        assert_eq!(path, "date=2026-11-20/signal=span/part-00000000000000000007-3-0199.parquet");
        assert_eq!(FileName::parse(&path), Some(part));
        let merge = FileName::Merge { merge: u64::MAX, fence: u64::MAX, fresh: "a-b".into() };
        let path = merge.path(TableName::Metrics, &partition);
        assert_eq!(path, format!("date=2026-11-20/merge-{0}-{0}-a-b.parquet", u64::MAX));
        assert_eq!(FileName::parse(&path), Some(merge));
    }

    #[test]
    fn names_of_others_are_not_ours() {
        for path in [
            "date=2026-11-20/part-00000-aa-c000.snappy.parquet",
            "part-00000000000000000007-3-.parquet",
            "part-00000000000000000007-x-a.parquet",
            "part-7-3-a.parquet",
            "other-00000000000000000007-3-a.parquet",
            "part-00000000000000000007-3-a.parquet.tmp",
            "",
        ] {
            assert_eq!(FileName::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_file_is_decided_by_its_own_counter() {
        let part = FileName::Part { seq: 5, fence: 1, fresh: "a".into() };
        let merge = FileName::Merge { merge: 5, fence: 1, fresh: "a".into() };
        assert!(part.is_decided(5, 0) && !part.is_decided(4, 9));
        assert!(merge.is_decided(0, 5) && !merge.is_decided(9, 4));
    }
}
