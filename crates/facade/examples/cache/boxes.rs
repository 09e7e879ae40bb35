//! A cache with a heap allocation for each key and each value. It counts the bytes that it has asked
//! for; it cannot know the allocator's own bytes.

use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashTable;

use crate::shards::Shards;
use crate::shared::Failure;
use crate::{Found, GENERATIONS, Value, load};

pub struct Cache {
    budget: usize,
    shards: Shards<HashTable<Entry>>,
    generation: AtomicUsize,
    per_generation: usize,
    written: AtomicUsize,
    used: AtomicUsize,
    most: AtomicUsize,
}

struct Entry {
    hash: u64,
    key: Box<[u8]>,
    value: Box<[u8]>,
    generation: usize,
}

impl Entry {
    fn len(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

impl Cache {
    pub fn new(budget: usize) -> Self {
        Self {
            budget,
            shards: Shards::new(HashTable::new),
            generation: AtomicUsize::new(0),
            per_generation: budget / (GENERATIONS as usize + 1),
            written: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    /// Begins the next generation, if this one is full, and frees the entries that have expired,
    /// one by one. No lock of a shard may be held.
    fn next_generation(&self, full: usize) -> Result<(), Failure> {
        // Relaxed: these are counts; the entries are behind locks.
        let next = full + 1;
        let swap =
            (self.generation).compare_exchange(full, next, Ordering::Relaxed, Ordering::Relaxed);
        if swap.is_err() {
            return Ok(()); // another thread has
        }
        self.written.store(0, Ordering::Relaxed);
        for shard in self.shards.each() {
            shard?.retain(|entry| {
                let lives = entry.generation + GENERATIONS as usize > next;
                if !lives {
                    self.used.fetch_sub(entry.len(), Ordering::Relaxed);
                }
                lives
            });
        }
        Ok(())
    }
}

impl crate::Cache for Cache {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<Found, Failure> {
        let (hash, mut shard) = self.shards.of(key)?;
        let generation = self.generation.load(Ordering::Relaxed);
        let len = key.len() + size_of::<Value>();
        let mut found = Found::Hit;
        if let Some(entry) = shard.find_mut(hash, |entry| *entry.key == *key) {
            see(&entry.value);
            if entry.generation != generation {
                entry.generation = generation;
                self.written.fetch_add(len, Ordering::Relaxed);
            }
        } else {
            let value = load(key);
            see(&value);
            let room = |used: usize| used.checked_add(len).filter(|used| *used <= self.budget);
            let reserved = (self.used).fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
            if let Ok(before) = reserved {
                found = Found::Miss;
                self.most.fetch_max(before + len, Ordering::Relaxed);
                self.written.fetch_add(len, Ordering::Relaxed);
                let new = Entry {
                    hash,
                    key: key.into(),
                    value: value.into(),
                    generation,
                };
                shard.insert_unique(hash, new, |entry| entry.hash);
            } else {
                found = Found::NoRoom;
            }
        }
        drop(shard);
        // Moving on costs an entry nothing here, so generations may be long while there is room.
        let is_old = self.written.load(Ordering::Relaxed) >= self.per_generation;
        let is_tight = self.used.load(Ordering::Relaxed) >= self.budget / 8 * 7;
        if found == Found::NoRoom || (is_old && is_tight) {
            self.next_generation(generation)?;
        }
        Ok(found)
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn report(&self) -> String {
        let entries: usize = self.shards.each().flatten().map(|shard| shard.len()).sum();
        let generations = self.generation.load(Ordering::Relaxed) + 1;
        format!("{generations} generations; {entries} entries in the tables")
    }
}
