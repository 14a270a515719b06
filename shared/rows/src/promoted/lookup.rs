//! From an attribute's key to what is done with it: a small open-addressed table, built once.
//!
//! Every attribute of every record is looked up here, so the hash is a few multiplications over the key's length and its first
//! and last bytes instead of a general one.

use std::sync::LazyLock;

use super::{Place, Rule, promoted};

/// What a key means to the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Not promoted: into the JSON.
    None,
    /// A current key: its column.
    Current(usize),
    /// An older spelling: the columns it may fill, as an index for [`Lookup::targets`].
    Older(usize),
}

/// A column that an older spelling may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) column: usize,
    /// Place in the column's list of older spellings: the lowest that is there wins.
    pub(crate) rank: usize,
    pub(crate) rule: Rule,
}

/// The keys of one [`Place`].
pub(crate) struct Lookup {
    /// Length a power of two, at most a quarter full.
    entries: Vec<(&'static [u8], Slot)>,
    targets: Vec<Vec<Target>>,
}

/// The lookup of `place`.
pub(crate) fn of(place: Place) -> &'static Lookup {
    static ATTRIBUTES: LazyLock<Lookup> = LazyLock::new(|| Lookup::new(Place::Attributes));
    static RESOURCE: LazyLock<Lookup> = LazyLock::new(|| Lookup::new(Place::Resource));
    match place {
        Place::Attributes => &ATTRIBUTES,
        Place::Resource => &RESOURCE,
    }
}

impl Lookup {
    pub(crate) fn of(place: Place) -> &'static Lookup {
        of(place)
    }

    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Slot {
        let mask = self.entries.len() - 1;
        let mut at = hash(key) & mask;
        loop {
            let (candidate, slot) = self.entries[at];
            if slot == Slot::None || is_same(candidate, key) {
                return slot;
            }
            at = (at + 1) & mask;
        }
    }

    #[inline]
    pub(crate) fn targets(&self, older: usize) -> &[Target] {
        &self.targets[older]
    }

    fn new(place: Place) -> Self {
        let rows = promoted(place);
        let n_keys: usize = rows.iter().map(|row| 1 + row.older.len()).sum();
        let mut lookup =
            Self { entries: vec![(&[], Slot::None); (4 * n_keys).next_power_of_two()], targets: Vec::new() };
        for (column, row) in rows.iter().enumerate() {
            lookup.insert(row.key.as_bytes(), Slot::Current(column));
            for (rank, older) in row.older.iter().enumerate() {
                let target = Target { column, rank, rule: older.rule };
                match lookup.find(older.key.as_bytes()) {
                    Slot::Older(n) => lookup.targets[n].push(target),
                    Slot::Current(_) | Slot::None => {
                        lookup.insert(older.key.as_bytes(), Slot::Older(lookup.targets.len()));
                        lookup.targets.push(vec![target]);
                    }
                }
            }
        }
        lookup
    }

    fn insert(&mut self, key: &'static [u8], slot: Slot) {
        let mask = self.entries.len() - 1;
        let mut at = hash(key) & mask;
        while self.entries[at].1 != Slot::None {
            at = (at + 1) & mask;
        }
        self.entries[at] = (key, slot);
    }
}

/// Whether two keys are the same, eight bytes at a time.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(last), Some(others)) => {
            let (words, others_words) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
            last == others && words.iter().zip(others_words).all(|(one, other)| one == other)
        }
        _ => one == other,
    }
}

/// Mixes the length with the first and the last eight bytes.
#[inline]
fn hash(key: &[u8]) -> usize {
    const M: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let (head, tail) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (word(key), 0),
    };
    let mixed = (head ^ (key.len() as u64)).wrapping_mul(M).rotate_left(29) ^ tail;
    (mixed.wrapping_mul(M) >> 32) as usize
}
