//! The keys of people that were used lately, in shards by person.
//!
//! A shard is locked while its store is asked, so that a person's key is made once, and none that
//! is being destroyed is put back.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::secret::Key;

const SHARDS: usize = 256;

pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
}

/// Two generations: what is found among the old becomes young again, and when there are too many
/// young ones, the old are dropped and the young become old.
#[derive(Default)]
pub(crate) struct Shard {
    young: HashMap<Uuid, Key>,
    old: HashMap<Uuid, Key>,
    generation_max: usize,
}

impl Cache {
    pub(crate) fn new(keys_max: usize) -> Self {
        let generation_max = (keys_max / SHARDS / 2).max(1);
        let shard = || Mutex::new(Shard { generation_max, ..Shard::default() });
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect() }
    }

    /// An id of version 7 begins with the time it was made at; its last byte is random.
    pub(crate) fn shard(&self, person: Uuid) -> MutexGuard<'_, Shard> {
        let last = person.as_bytes().last().copied().unwrap_or_default();
        self.shards[usize::from(last)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache(..)")
    }
}

impl Shard {
    pub(crate) fn get(&mut self, person: Uuid) -> Option<Key> {
        if let Some(key) = self.young.get(&person) {
            return Some(key.clone());
        }
        let key = self.old.remove(&person)?;
        self.put(person, key.clone());
        Some(key)
    }

    pub(crate) fn put(&mut self, person: Uuid, key: Key) {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(person, key);
    }

    pub(crate) fn remove(&mut self, person: Uuid) {
        self.young.remove(&person);
        self.old.remove(&person);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_slice(&[byte; 32]).unwrap()
    }

    /// All in one shard.
    fn person(nth: u8) -> Uuid {
        Uuid::from_u128(u128::from(nth) << 64)
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let cache = Cache::new(4 * SHARDS);
        for nth in 0..100 {
            cache.shard(person(nth)).put(person(nth), key(nth));
            let shard = cache.shard(person(0));
            assert!(shard.young.len() + shard.old.len() <= 4);
        }
        assert_eq!(cache.shard(person(99)).get(person(99)), Some(key(99)));
        assert_eq!(cache.shard(person(1)).get(person(1)), None);
    }

    #[test]
    fn what_is_used_stays() {
        let cache = Cache::new(4 * SHARDS);
        cache.shard(person(0)).put(person(0), key(0));
        for nth in 1..100 {
            cache.shard(person(nth)).put(person(nth), key(nth));
            assert_eq!(cache.shard(person(0)).get(person(0)), Some(key(0)));
        }
    }

    #[test]
    fn what_is_removed_is_in_neither_generation() {
        let cache = Cache::new(4 * SHARDS);
        for nth in 0..3 {
            cache.shard(person(nth)).put(person(nth), key(nth));
        }
        for nth in 0..3 {
            cache.shard(person(nth)).remove(person(nth));
            assert_eq!(cache.shard(person(nth)).get(person(nth)), None);
        }
    }
}
