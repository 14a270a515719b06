//! The names of objects below a project's root. They are promises: old ones must still be read.
//!
//! - `landing/<table>/<hour of arrival>/<segment id>.arrow`: a segment
//! - `<table>/`: the Delta table, `_delta_log` and all
//! - `lookup/<table>/<date>/<fence>-<id>.lookup`: the look-up index of a day's data files; `lake::lookup` says what is in it
//! - `results/<day>/<id>.<ending>`: an answer that was too large to be sent; it goes after a day
//! - `_plimsoll/owner.json`: whose it is, in a bucket of its owner's; see `owner`

use model::{Micros, SegmentId, TableName, hour_path};
use object_store::path::Path;

const ENDING: &str = ".arrow";

/// Where a segment lands that arrives at `arrived_at`.
pub fn landing_key(table: TableName, arrived_at: Micros, segment: &SegmentId) -> Path {
    Path::from(format!("landing/{table}/{}/{segment}{ENDING}", hour_path(arrived_at)))
}

/// The folder of all landing objects of a table.
pub fn landing_prefix(table: TableName) -> Path {
    Path::from(format!("landing/{table}"))
}

/// The segment that a landing object's key names; none if the key is not of ours.
pub fn segment_of_landing_key(key: &Path) -> Option<SegmentId> {
    key.filename()?.strip_suffix(ENDING).map(SegmentId::from_stored)
}

/// The root of a Delta table.
pub fn table_path(table: TableName) -> Path {
    Path::from(table.as_str())
}

/// Where a look-up index of a day lies; `fresh` is alike in no two.
pub fn lookup_key(table: TableName, date: &str, fence: u64, fresh: &str) -> Path {
    Path::from(format!("lookup/{table}/{date}/{fence}-{fresh}.lookup"))
}

/// The folder of all look-up indexes of a table.
pub fn lookup_prefix(table: TableName) -> Path {
    Path::from(format!("lookup/{table}"))
}

/// Where the answer of a query lies that was asked at `asked_at`.
pub fn result_key(asked_at: Micros, id: &str, ending: &str) -> Path {
    let hour = hour_path(asked_at);
    let day = hour.split('T').next().unwrap_or(&hour);
    Path::from(format!("results/{day}/{id}.{ending}"))
}

/// The folder of all answers; below it a folder a day.
pub fn results_prefix() -> Path {
    Path::from("results")
}

#[cfg(test)]
mod tests {
    use model::BodyHash;

    use super::*;

    #[test]
    fn a_landing_key_names_its_segment() {
        let id = SegmentId::new(&BodyHash::from_bytes([7; 16]), "0190");
        let key = landing_key(TableName::Metrics, 3_600_000_000, &id);
        assert_eq!(key.as_ref(), "landing/otel_metrics/1970-01-01T01/07070707070707070707070707070707-0190.arrow");
        assert_eq!(segment_of_landing_key(&key), Some(id));
        assert!(key.prefix_matches(&landing_prefix(TableName::Metrics)));
    }

    #[test]
    fn an_answer_lies_in_the_folder_of_its_day() {
        let key = result_key(3_600_000_000, "0190", "ndjson");
        assert_eq!(key.as_ref(), "results/1970-01-01/0190.ndjson");
        assert!(key.prefix_matches(&results_prefix()));
    }
}
