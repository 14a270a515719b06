//! Which live segments are compacted, and when: pure decisions.

use serde::{Deserialize, Serialize};

use crate::{Micros, Segment};

/// When a table is due for compaction. Readers see live segments anyway, so small projects need no commit a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueRule {
    /// Bytes live that make a table due.
    pub bytes: u64,
    /// Segments live that make a table due.
    pub segments: usize,
    /// Age of the oldest live segment that makes a table due, microseconds.
    pub age: Micros,
}

impl Default for DueRule {
    fn default() -> Self {
        Self { bytes: 32 << 20, segments: 200, age: 5 * 60 * 1_000_000 }
    }
}

impl DueRule {
    /// Everything that is live is due: for `plimsoll compact` and tests.
    pub const NOW: DueRule = DueRule { bytes: 0, segments: 0, age: 0 };

    pub fn is_due<'a>(&self, live: impl IntoIterator<Item = &'a Segment>, now: Micros) -> bool {
        let (mut bytes, mut count, mut oldest) = (0, 0, Micros::MAX);
        for segment in live {
            bytes += segment.bytes;
            count += 1;
            oldest = oldest.min(segment.recorded_at);
        }
        count > 0 && (bytes >= self.bytes || count >= self.segments || now - oldest >= self.age)
    }
}

/// The oldest segments that fit `bytes_max` and `count_max`; at least one if there is any, since one too big must move too.
pub fn choose_within(mut live: Vec<Segment>, bytes_max: u64, count_max: usize) -> Vec<Segment> {
    live.sort_by(|a, b| (a.recorded_at, &a.id).cmp(&(b.recorded_at, &b.id)));
    let mut bytes = 0;
    let mut n = 0;
    for segment in &live {
        bytes += segment.bytes;
        if n > 0 && (bytes > bytes_max || n >= count_max) {
            break;
        }
        n += 1;
    }
    live.truncate(n);
    live
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SegmentId;

    fn segment(name: &str, bytes: u64, recorded_at: Micros) -> Segment {
        Segment {
            id: SegmentId::from_stored(name),
            key: name.into(),
            bytes,
            checksum: String::new(),
            rows: 1,
            time_min: 0,
            time_max: 0,
            recorded_at,
            format: Segment::FORMAT,
        }
    }

    #[test]
    fn due_by_bytes_by_count_or_by_age() {
        let rule = DueRule { bytes: 100, segments: 3, age: 50 };
        assert!(!rule.is_due(&[], 1_000));
        assert!(!rule.is_due(&[segment("a", 99, 10)], 59));
        assert!(rule.is_due(&[segment("a", 99, 10)], 60));
        assert!(rule.is_due(&[segment("a", 99, 10), segment("b", 1, 10)], 10));
        assert!(rule.is_due(&[segment("a", 1, 10), segment("b", 1, 10), segment("c", 1, 10)], 10));
    }

    #[test]
    fn the_oldest_go_first_and_one_too_big_still_goes() {
        let live = vec![segment("b", 60, 2), segment("a", 60, 1), segment("c", 10, 3)];
        let ids = |chosen: Vec<Segment>| chosen.into_iter().map(|s| s.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(choose_within(live.clone(), 120, 10)), ["a", "b"]);
        assert_eq!(ids(choose_within(live.clone(), 10, 10)), ["a"]);
        assert_eq!(ids(choose_within(live, 1_000, 2)), ["a", "b"]);
    }
}
