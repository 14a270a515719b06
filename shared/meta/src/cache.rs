//! Answers of the store kept for a short while, so that a request costs no read. Bounded in age and number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// `now` is always `Clock::uptime`.
pub(crate) struct Cache<K, V> {
    age_max: Duration,
    entries_max: usize,
    entries: Mutex<HashMap<K, (Duration, V)>>,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(age_max: Duration, entries_max: usize) -> Self {
        Self { age_max, entries_max, entries: Mutex::default() }
    }

    pub(crate) fn get(&self, key: &K, now: Duration) -> Option<V> {
        let entries = self.entries();
        let (since, value) = entries.get(key)?;
        (now.saturating_sub(*since) < self.age_max).then(|| value.clone())
    }

    /// Makes room, if there is none, by dropping what is too old, else everything.
    pub(crate) fn put(&self, key: K, value: V, now: Duration) {
        let mut entries = self.entries();
        if entries.len() >= self.entries_max && !entries.contains_key(&key) {
            entries.retain(|_, (since, _)| now.saturating_sub(*since) < self.age_max);
            if entries.len() >= self.entries_max {
                entries.clear();
            }
        }
        entries.insert(key, (now, value));
    }

    pub(crate) fn forget(&self, key: &K) {
        self.entries().remove(key);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, (Duration, V)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn an_answer_is_dropped_at_its_age() {
        let cache = Cache::new(S(20), 2);
        cache.put("a", 1, S(100));
        assert_eq!(cache.get(&"a", S(119)), Some(1));
        assert_eq!(cache.get(&"a", S(120)), None);
        cache.put("a", 2, S(120));
        cache.forget(&"a");
        assert_eq!(cache.get(&"a", S(120)), None);
    }

    #[test]
    fn there_are_never_more_answers_than_its_size() {
        let cache = Cache::new(S(20), 2);
        cache.put("old", 1, S(0));
        cache.put("b", 2, S(15));
        cache.put("c", 3, S(30));
        assert_eq!((cache.get(&"b", S(30)), cache.get(&"c", S(30))), (Some(2), Some(3)), "the old one made room");
        cache.put("d", 4, S(30));
        assert_eq!((cache.get(&"b", S(30)), cache.get(&"d", S(30))), (None, Some(4)));
    }
}
