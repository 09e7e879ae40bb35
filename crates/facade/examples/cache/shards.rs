//! A table in parts, each behind a lock of its own.

use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard};

use hashbrown::DefaultHashBuilder;

use crate::shared::{Failure, poisoned};

const SHARDS: usize = 64;

pub struct Shards<T> {
    hasher: DefaultHashBuilder,
    parts: [Mutex<T>; SHARDS],
}

impl<T> Shards<T> {
    pub fn new(part: impl Fn() -> T) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            parts: std::array::from_fn(|_| Mutex::new(part())),
        }
    }

    /// The hash of a key, and the part that is for it.
    pub fn of(&self, key: &[u8]) -> Result<(u64, MutexGuard<'_, T>), Failure> {
        let hash = self.hasher.hash_one(key);
        let part = &self.parts[(hash >> 32) as usize % SHARDS];
        Ok((hash, part.lock().map_err(poisoned)?))
    }

    /// All parts, one after the other.
    pub fn each(&self) -> impl Iterator<Item = Result<MutexGuard<'_, T>, Failure>> {
        self.parts.iter().map(|part| part.lock().map_err(poisoned))
    }
}
