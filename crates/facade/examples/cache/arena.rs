//! A cache whose entries are in the epochs of a pool: one epoch is one generation. The budget is
//! that of the pool's memory, which counts whole blocks and cannot be exceeded. (The tables, 48
//! bytes for an entry, are beside it.)

use std::sync::atomic::{AtomicUsize, Ordering};

use epoch_arena::{
    AdvanceError, ArenaGuard, ArenaHandle, ArenaKey, ArenaPool, Epoch, KeyWriter, Memory,
};
use hashbrown::HashTable;

use crate::shards::Shards;
use crate::shared::Failure;
use crate::{Found, GENERATIONS, load};

pub struct Cache {
    keys: KeyWriter,
    pool: ArenaPool,
    memory: Memory,
    shards: Shards<Shard>,
    /// Bytes after which a generation is full.
    per_generation: usize,
    /// Bytes that were written to the current one.
    written: AtomicUsize,
    generations: AtomicUsize,
}

/// The hash beside the key: one that is stale has none.
struct Entry {
    hash: u64,
    key: ArenaKey,
    /// Of the key's epoch.
    value: ArenaHandle,
}

/// How a write went.
enum Written {
    Entry(Entry),
    /// The budget has no room, and the next generation would make some.
    Full,
    /// There would be room, but threads that are pinned still hold what is retired: to retire more
    /// makes no room, and uses up the pool's epochs.
    Held,
}

struct Shard {
    table: HashTable<Entry>,
    /// The epoch that was current when the stale entries were taken out.
    swept: Epoch,
}

impl Shard {
    /// Takes out expired entries. Until then they do no harm: no key finds them.
    fn sweep(&mut self, guard: &ArenaGuard<'_>) {
        if self.swept != guard.epoch() {
            self.swept = guard.epoch();
            self.table.retain(|entry| guard.get(entry.value).is_some());
        }
    }

    fn find(&mut self, hash: u64, key: &[u8], guard: &ArenaGuard<'_>) -> Option<&mut Entry> {
        let same = |entry: &Entry| {
            let found = entry.key.resolve(guard);
            found.is_some_and(|found| found.as_bytes() == key)
        };
        self.table.find_mut(hash, same)
    }
}

impl Cache {
    pub fn new(budget: usize, longest: usize) -> Result<Self, Failure> {
        // Many blocks, so that one generation can use the memory of another.
        let block = 1 << (budget / 64).max(16 << 10).ilog2();
        let memory = Memory::builder()
            .budget(budget)
            .block_size(block.min(2 << 20))
            .build()?;
        let pool = ArenaPool::builder()
            .memory(memory.clone())
            .retained_epochs(GENERATIONS)
            .build()?;
        let shard = || Shard {
            table: HashTable::new(),
            swept: pool.current_epoch(),
        };
        Ok(Self {
            shards: Shards::new(shard),
            // Not all of it: threads have chunks that are not full, and others count late.
            per_generation: budget / GENERATIONS as usize / 16 * 15,
            written: AtomicUsize::new(0),
            generations: AtomicUsize::new(1),
            keys: KeyWriter::new().max_len(longest),
            pool,
            memory,
        })
    }

    /// Writes an entry to the current generation.
    fn write(
        &self,
        guard: &ArenaGuard<'_>,
        hash: u64,
        key: &[u8],
        value: &[u8],
    ) -> Result<Written, Failure> {
        let len = key.len() + value.len();
        let mut room = match guard.batch(len) {
            Ok(room) => room,
            Err(refused) => {
                return match refused.over_budget() {
                    Some(over) if over.reclaimable > 0 => Ok(Written::Held),
                    Some(_) => Ok(Written::Full),
                    None => Err(refused.into()),
                };
            }
        };
        let (key, value) = (self.keys.push(key, &mut room)?, room.push(value)?);
        // Relaxed: a count, to go by roughly.
        self.written.fetch_add(len, Ordering::Relaxed);
        // If others have advanced by a whole window meanwhile, it has expired: the next sweep takes
        // it out.
        Ok(Written::Entry(Entry { hash, key, value }))
    }

    /// Begins the next generation, unless another thread has; the oldest expires. No guard of this
    /// thread may be alive, which would hold its memory.
    fn next_generation(&self, full: Epoch) -> Result<(), Failure> {
        match self.pool.advance_from(full) {
            Ok(_) => {
                // Relaxed: as above. Concurrent writes of others are not counted.
                self.written.store(0, Ordering::Relaxed);
                self.generations.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            // Or it is for a later one to do, when a thread that has been pinned for long is not.
            Err(AdvanceError::Moved(_)) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }
}

impl crate::Cache for Cache {
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<Found, Failure> {
        // First the lock, then the pin: no guard waits for a lock.
        let (hash, mut shard) = self.shards.of(key)?;
        let guard = self.pool.pin();
        shard.sweep(&guard);
        let epoch = guard.epoch();
        let found = shard.find(hash, key, &guard);
        if let Some((value, entry)) = found.and_then(|entry| Some((guard.get(entry.value)?, entry)))
        {
            see(value);
            // It is in use, so it moves on; if there is no room it stays where it is.
            if entry.key.epoch() != epoch {
                if let Written::Entry(newer) = self.write(&guard, hash, key, value)? {
                    *entry = newer;
                }
            }
            return Ok(Found::Hit);
        }
        let value = load(key);
        see(&value);
        let mut new = self.write(&guard, hash, key, &value)?;
        drop(guard);
        let is_full = matches!(new, Written::Full);
        if is_full || self.written.load(Ordering::Relaxed) >= self.per_generation {
            self.next_generation(epoch)?;
        }
        if is_full {
            new = self.write(&self.pool.pin(), hash, key, &value)?;
        }
        let Written::Entry(new) = new else {
            return Ok(Found::NoRoom);
        };
        shard.table.insert_unique(hash, new, |entry| entry.hash);
        Ok(Found::Miss)
    }

    fn most(&self) -> usize {
        self.memory.stats().peak
    }

    fn report(&self) -> String {
        let entries = self.shards.each().flatten();
        let entries: usize = entries.map(|shard| shard.table.len()).sum();
        let generations = self.generations.load(Ordering::Relaxed);
        let stats = self.pool.stats();
        format!("{generations} generations; {entries} entries in the tables\n{stats}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cache as _;

    /// A thread that is preempted under a guard is enough for that.
    #[test]
    fn a_guard_that_stays_costs_room_and_no_generations() {
        let cache = Cache::new(1 << 20, 8).unwrap();
        let get = |number: u64| {
            let key = number.to_be_bytes();
            cache.get(&key, &mut |_| ()).unwrap()
        };
        let guard = cache.pool.pin();
        let found: Vec<_> = (0..20_000).map(get).collect();
        assert_eq!(found.last(), Some(&Found::NoRoom));
        assert!(cache.generations.load(Ordering::Relaxed) < 10);
        drop(guard);
        let found: Vec<_> = (0..20_000).map(get).collect();
        assert_eq!(found.last(), Some(&Found::Miss));
        assert_eq!(cache.most(), 1 << 20);
    }
}
