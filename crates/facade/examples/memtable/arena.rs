//! Memtables whose keys and values are in an epoch each.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crossbeam_skiplist::SkipMap;
use epoch_arena::{ArenaGuard, ArenaHandle, ArenaPool, KeyWriter, Lease, OwnedKey};

use crate::shared::input::Lines;
use crate::shared::{Failure, poisoned};
use crate::sorted::SortedFile;
use crate::{Engine, Frozen, value_of};

/// How long the flusher waits for writers of a memtable that is frozen: they put some dozens of
/// keys under a guard, so it is an error if one takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Memtables {
    keys: KeyWriter,
    pool: ArenaPool,
    current: RwLock<Arc<Memtable>>,
    full: usize,
}

/// The keys and values of one epoch, in order. It holds its epoch, so it can be read for as long
/// as it exists, whatever the pool has moved on to.
pub struct Memtable {
    keys: KeyWriter,
    map: SkipMap<OwnedKey, ArenaHandle>,
    epoch: Lease,
    puts: AtomicUsize,
}

impl Memtable {
    fn of_current(pool: &ArenaPool, keys: KeyWriter) -> Result<Self, Failure> {
        let epoch = pool.lease(pool.current_epoch());
        Ok(Self {
            keys,
            map: SkipMap::new(),
            epoch: epoch.ok_or("somebody else has advanced the pool")?,
            puts: AtomicUsize::new(0),
        })
    }

    /// `false` if the pool has moved on, and the entry belongs to the next memtable.
    fn put(&self, guard: &ArenaGuard<'_>, key: &[u8], value: &[u8]) -> Result<bool, Failure> {
        // One batch, so that key and value are of one epoch, even if another thread advances meanwhile.
        let mut batch = guard.batch(key.len() + value.len())?;
        if batch.epoch() != self.epoch.epoch() {
            return Ok(false); // and the batch gives its room back
        }
        let (key, value) = (self.keys.push(key, &mut batch)?, batch.push(value)?);
        let owned = self.epoch.owned(key.handle());
        let owned = owned.ok_or("the key is not of its epoch")?;
        self.map.insert(OwnedKey::new(owned), value);
        Ok(true)
    }
}

impl Memtables {
    pub fn new(full: usize, longest: usize) -> Result<Self, Failure> {
        // The pool itself need not retain an epoch that is left: its memtable holds it.
        let pool = ArenaPool::builder().retained_epochs(1).build()?;
        let keys = KeyWriter::new().max_len(longest);
        let first = Memtable::of_current(&pool, keys)?;
        Ok(Self {
            keys,
            pool,
            current: RwLock::new(Arc::new(first)),
            full,
        })
    }

    fn current(&self) -> Result<Arc<Memtable>, Failure> {
        Ok(self.current.read().map_err(poisoned)?.clone())
    }

    /// Opens the next memtable, if `full` is still the one that is written to.
    fn freeze_if(&self, full: &Arc<Memtable>) -> Result<Option<Arc<Memtable>>, Failure> {
        let mut current = self.current.write().map_err(poisoned)?;
        if !Arc::ptr_eq(&current, full) {
            return Ok(None);
        }
        // From here on writers find that their memtable is left, and wait for this lock.
        self.pool.advance()?;
        *current = Arc::new(Memtable::of_current(&self.pool, self.keys)?);
        Ok(Some(full.clone()))
    }
}

impl Engine for Memtables {
    type Table = Memtable;

    fn put(&self, lines: &Lines, mut numbers: Range<usize>) -> Result<Frozen<Self>, Failure> {
        loop {
            let table = self.current()?;
            let guard = self.pool.pin();
            let mut done = 0;
            for number in numbers.clone() {
                // Inserted under the guard under which it was written: once the epoch is sealed,
                // all there is of it is in the map.
                if !table.put(&guard, &lines[number], value_of(number).as_bytes())? {
                    break;
                }
                done += 1;
            }
            drop(guard); // before anything is waited for
            numbers.start += done;
            // Relaxed: only a count; the seal of the epoch publishes the entries.
            let puts = table.puts.fetch_add(done, Ordering::Relaxed) + done;
            if numbers.is_empty() {
                return if puts < self.full {
                    Ok(None)
                } else {
                    self.freeze_if(&table)
                };
            }
        }
    }

    fn freeze(&self) -> Result<Arc<Memtable>, Failure> {
        let table = self.freeze_if(&self.current()?)?;
        table.ok_or_else(|| "somebody still writes".into())
    }

    fn flush(&self, table: &Memtable, file: &mut SortedFile) -> Result<(), Failure> {
        self.pool.wait_sealed(table.epoch.epoch(), PATIENCE)?;
        for entry in table.map.iter() {
            let value = table.epoch.get(*entry.value());
            let value = value.ok_or("a value is not of its memtable's epoch")?;
            file.push(entry.key().as_bytes(), value)?;
        }
        Ok(())
    }

    fn discard(&self, table: Arc<Memtable>) {
        // With its last key goes the last hold of its epoch. `maintain` takes the chunks back.
        // (Keys that were replaced go when the skip list's collector gets to them. Until then the
        // report lists this lease, with as many owners as there are such keys.)
        drop(table);
        self.pool.maintain();
    }

    fn report(&self) -> String {
        self.pool.stats().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_comes_too_late_belongs_to_the_next_memtable() {
        let tables = Memtables::new(10, 8).unwrap();
        let left = tables.current().unwrap();
        assert!(left.put(&tables.pool.pin(), b"in time", b"1").unwrap());
        let frozen = tables.freeze().unwrap();
        assert!(Arc::ptr_eq(&left, &frozen));
        assert!(!left.put(&tables.pool.pin(), b"late", b"2").unwrap());
        let current = tables.current().unwrap();
        assert!(current.put(&tables.pool.pin(), b"late", b"2").unwrap());
        assert_eq!((left.map.len(), current.map.len()), (1, 1));
        // Of two writers that find it full, the second has nothing to flush.
        assert!(tables.freeze_if(&left).unwrap().is_none());
    }

    #[test]
    fn a_memtable_holds_its_epoch_and_lets_go_of_it() {
        let tables = Memtables::new(10, 8).unwrap();
        let guard = tables.pool.pin();
        let left = tables.current().unwrap();
        assert!(left.put(&guard, b"key", b"value").unwrap());
        drop(guard);
        drop(tables.freeze().unwrap());
        tables.freeze().unwrap();
        let value = *left.map.get(&b"key"[..]).unwrap().value();
        assert_eq!(tables.pool.pin().get(value), None, "long retired");
        assert_eq!(left.epoch.get(value), Some(&b"value"[..]));
        assert_eq!(tables.pool.stats().held_by_leases.epochs, 1);
        tables.discard(left);
        assert_eq!(tables.pool.stats().held_by_leases.epochs, 0);
    }
}
