//! How many durations lie below, at and above round lengths of time: what an apdex and "slower than 500 ms" ask, exactly.
//!
//! Each round length, a [`STEPS`], is a slot, and what lies between two of them is one: slot 2n + 1 is the step n itself, slot
//! 2n what lies below it and above the step before. As bytes, for each slot that holds durations, ascending: its distance to
//! the one before (the first: to slot 0) and its count, both as LEB128.

use std::ops::Range;

use crate::leb128;

/// What people write before a unit, in tenths.
const ROUND: [i64; 18] = [10, 12, 15, 16, 18, 20, 24, 25, 30, 36, 40, 45, 48, 50, 60, 75, 80, 90];
/// From a microsecond up to an hour and more.
const DECADES: usize = 10;
const N_STEPS: usize = ROUND.len() * DECADES;

/// The round lengths, in nanoseconds, ascending.
const STEPS: [i64; N_STEPS] = {
    let mut steps = [0; N_STEPS];
    let (mut at, mut unit) = (0, 100);
    while at < N_STEPS {
        steps[at] = ROUND[at % ROUND.len()] * unit;
        at += 1;
        if at % ROUND.len() == 0 {
            unit *= 10;
        }
    }
    steps
};

/// A slot above all others.
pub const SLOTS: u16 = 2 * N_STEPS as u16 + 1;

/// The bytes are none that [`Steps`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counts of durations by round lengths are damaged")]
pub struct Damaged;

/// The slot of a length of time in nanoseconds.
pub fn slot_of(length: i64) -> u16 {
    match STEPS.binary_search(&length) {
        Ok(step) => 2 * step as u16 + 1,
        Err(above) => 2 * above as u16,
    }
}

/// True if the slot of this length holds nothing else.
pub fn is_round(length: i64) -> bool {
    STEPS.binary_search(&length).is_ok()
}

/// How many durations fell into each slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps(Vec<(u16, u64)>);

impl Steps {
    pub(crate) fn add(&mut self, slot: u16) {
        match self.0.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(at) => self.0[at].1 += 1,
            Err(at) => self.0.insert(at, (slot, 1)),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (mut bytes, mut before) = (Vec::new(), 0);
        for (slot, count) in &self.0 {
            leb128::write(u64::from(slot - before), &mut bytes);
            leb128::write(*count, &mut bytes);
            before = *slot;
        }
        bytes
    }
}

/// How many durations lie in a range of slots.
pub fn count_within(mut bytes: &[u8], slots: Range<u16>) -> Result<u64, Damaged> {
    let (mut slot, mut found) = (0_u64, 0_u64);
    while !bytes.is_empty() {
        let (distance, count) = leb128::read(&mut bytes).zip(leb128::read(&mut bytes)).ok_or(Damaged)?;
        slot = slot.checked_add(distance).filter(|slot| *slot < u64::from(SLOTS)).ok_or(Damaged)?;
        if (u64::from(slots.start)..u64::from(slots.end)).contains(&slot) {
            found = found.checked_add(count).ok_or(Damaged)?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_ascend_and_hold_what_people_write() {
        assert!(STEPS.is_sorted_by(|a, b| a < b));
        let second = 1_000_000_000;
        for round in [1_000, 250_000, 100_000_000, 400_000_000, 500_000_000, second, 2_500_000_000, 60 * second] {
            assert!(is_round(round), "{round}");
        }
        for round in [120, 300, 600, 900, 1_800, 3_600] {
            assert!(is_round(round * second), "{round} s");
        }
        for other in [i64::MIN, -1, 0, 999, 1_001, 123_000_000, i64::MAX] {
            assert!(!is_round(other), "{other}");
        }
    }

    #[test]
    fn counts_below_at_and_above_a_step_are_exact() {
        let lengths = [i64::MIN, -5, 0, 1_000, 99_999_999, 100_000_000, 100_000_000, 100_000_001, 7 << 40, i64::MAX];
        let mut steps = Steps::default();
        lengths.iter().for_each(|length| steps.add(slot_of(*length)));
        let bytes = steps.to_bytes();
        for step in STEPS {
            let slot = slot_of(step);
            let count = |of: &dyn Fn(&i64) -> bool| lengths.iter().filter(|length| of(length)).count() as u64;
            assert_eq!(count_within(&bytes, 0..slot), Ok(count(&|length| *length < step)), "< {step}");
            assert_eq!(count_within(&bytes, slot..slot + 1), Ok(count(&|length| *length == step)), "= {step}");
            assert_eq!(count_within(&bytes, slot + 1..SLOTS), Ok(count(&|length| *length > step)), "> {step}");
        }
        assert_eq!(count_within(&bytes, 0..SLOTS), Ok(lengths.len() as u64));
    }

    #[test]
    fn damage_is_an_error() {
        for bytes in [&[1][..], &[0x80], &[0xff, 0xff, 0x7f, 1], &[1, 1, 0xff, 0xff, 0xff, 1, 1]] {
            assert_eq!(count_within(bytes, 0..SLOTS), Err(Damaged), "{bytes:?}");
        }
    }
}
