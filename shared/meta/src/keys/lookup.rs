//! Who a caller is, remembered for a short while.
//!
//! Answers "nobody" are remembered apart, so that a flood of wrong keys cannot push the right ones out.

use std::time::Duration;

use model::{ProjectId, Scopes};
use subtle::ConstantTimeEq;

use super::{Key, KeyId, Reach};
use crate::cache::Cache;

/// A revoked key is refused by every process within this (promised: 60 s).
pub const CALLER_AGE_MAX: Duration = Duration::from_secs(20);
/// A key that was unknown and becomes known, since a ledger was put in place of another, is taken by every process within this.
pub const NOBODY_AGE_MAX: Duration = Duration::from_secs(5);
const CALLERS_MAX: usize = 10_000;
const NOBODIES_MAX: usize = 10_000;

type Sha256 = [u8; 32];

/// The holder of a valid key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub key: KeyId,
    pub project: ProjectId,
    pub scopes: Scopes,
    pub reach: Reach,
}

/// None if the key was revoked, or if it is another one whose id is the same.
pub(super) fn caller(key: Key, stored: &Sha256, presented: &Sha256) -> Option<Caller> {
    let same = bool::from(stored.ct_eq(presented));
    let Key { id, project, scopes, reach, revoked_at, .. } = key;
    (same && revoked_at.is_none()).then_some(Caller { key: id, project, scopes, reach })
}

pub(super) struct Lookups {
    callers: Cache<Sha256, Caller>,
    nobodies: Cache<Sha256, ()>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self { callers: Cache::new(CALLER_AGE_MAX, CALLERS_MAX), nobodies: Cache::new(NOBODY_AGE_MAX, NOBODIES_MAX) }
    }
}

impl Lookups {
    /// None: not known. Some(None): known to be nobody.
    pub(super) fn get(&self, sha256: &Sha256, now: Duration) -> Option<Option<Caller>> {
        match self.callers.get(sha256, now) {
            Some(caller) => Some(Some(caller)),
            None => self.nobodies.get(sha256, now).map(|()| None),
        }
    }

    pub(super) fn put(&self, sha256: Sha256, caller: Option<Caller>, now: Duration) {
        match caller {
            Some(caller) => self.callers.put(sha256, caller, now),
            None => self.nobodies.put(sha256, (), now),
        }
    }

    pub(super) fn forget(&self, sha256: &Sha256) {
        self.callers.forget(sha256);
    }
}
