//! The store: generations of versions, snapshots, and the copying of what is still needed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, RwLock};

use crate::shared::tables::Table;
use crate::shared::{Failure, poisoned};

pub struct Store<T> {
    /// The newest first. There are two while the older is being copied.
    generations: RwLock<Vec<Arc<T>>>,
    commits: Mutex<Commits>,
    /// Records of a generation that is full.
    full: usize,
}

/// Which updates are done, in any order.
#[derive(Default)]
struct Commits {
    /// All updates before this one are.
    complete: usize,
    /// Those behind it that are: from where to where.
    early: BTreeMap<usize, usize>,
}

/// The state after the first `at` updates. It holds the tables that have it.
pub struct Snapshot<T> {
    at: usize,
    generations: Vec<Arc<T>>,
}

impl<T: Table> Snapshot<T> {
    pub fn at(&self) -> usize {
        self.at
    }

    /// Shows the version that `key` had.
    pub fn get<R>(&self, key: &[u8], see: impl Fn(u64, &[u8]) -> R) -> Option<R> {
        let seen = self.generations.iter().filter_map(|table| {
            table.get(key, self.at as u64, |version, value| {
                (version, see(version, value))
            })
        });
        // A late writer may have put an older version into the newer table.
        seen.max_by_key(|(version, _)| *version)
            .map(|(_, seen)| seen)
    }
}

impl<T: Table> Store<T> {
    pub fn new(full: usize) -> Result<Self, Failure> {
        Ok(Self {
            generations: RwLock::new(vec![Arc::new(T::first()?)]),
            commits: Mutex::default(),
            full,
        })
    }

    fn newest(&self) -> Result<Arc<T>, Failure> {
        Ok(self.generations.read().map_err(poisoned)?[0].clone())
    }

    /// Puts a batch into the newest generation; what that does not take any more, into the next one.
    pub fn put<'k, V: AsRef<[u8]>>(
        &self,
        batch: impl ExactSizeIterator<Item = (&'k [u8], u64, V)> + Clone,
    ) -> Result<(), Failure> {
        let mut done = 0;
        let mut table = self.newest()?;
        loop {
            done += table.put(batch.clone().skip(done))?;
            if done == batch.len() {
                return Ok(());
            }
            // `collect_if_full` has rotated it under the lock, so the next one is there.
            let next = self.newest()?;
            if Arc::ptr_eq(&table, &next) {
                return Err("the next generation could not be made".into());
            }
            table = next;
        }
    }

    /// Notes that these updates are done. Snapshots have them when all earlier ones are done, too.
    pub fn commit(&self, updates: Range<usize>) -> Result<(), Failure> {
        let mut commits = self.commits.lock().map_err(poisoned)?;
        commits.early.insert(updates.start, updates.end);
        let mut complete = commits.complete;
        while let Some(end) = commits.early.remove(&complete) {
            complete = end;
        }
        commits.complete = complete;
        Ok(())
    }

    pub fn snapshot(&self) -> Result<Snapshot<T>, Failure> {
        // Together, under the lock: `collect_if_full` drops no table that the updates before `at` need in between.
        let generations = self.generations.read().map_err(poisoned)?;
        Ok(Snapshot {
            at: self.commits.lock().map_err(poisoned)?.complete,
            generations: generations.clone(),
        })
    }

    /// If the newest generation is full: opens the next one, copies there what snapshots may still ask for, and lets go
    /// of the old one. One thread calls it.
    pub fn collect_if_full(&self) -> Result<bool, Failure> {
        let old = self.newest()?;
        if old.len() < self.full {
            return Ok(false);
        }
        let mut generations = self.generations.write().map_err(poisoned)?;
        let new = Arc::new(old.rotate()?);
        generations.insert(0, new.clone());
        drop(generations); // writers go on
        old.freeze()?;
        // No later snapshot is of an earlier state, and earlier ones hold the table themselves.
        let horizon = self.snapshot()?.at as u64;
        let mut done: Option<Vec<u8>> = None; // the key whose newest version that all later snapshots see is copied
        old.each(|key, version, value| {
            if done.as_deref() == Some(key) {
                return Ok(()); // garbage
            }
            if version <= horizon {
                let mut last = done.take().unwrap_or_default();
                last.clear();
                last.extend_from_slice(key);
                done = Some(last);
            }
            match new.put([(key, version, value)].into_iter())? {
                1 => Ok(()),
                _ => Err("another thread has rotated the new generation".into()),
            }
        })?;
        self.generations.write().map_err(poisoned)?.truncate(1);
        Ok(true) // with the last snapshot of it the old table goes, in constant time if it is in an epoch
    }

    pub fn report(&self) -> Result<String, Failure> {
        Ok(self.newest()?.report())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use epoch_arena::ArenaMap;

    fn put(store: &Store<ArenaMap>, version: u64) {
        store
            .put([(&b"key"[..], version, [7; 16])].into_iter())
            .unwrap();
    }

    #[test]
    fn a_snapshot_has_an_update_when_all_before_it_are_done() {
        let store = Store::<ArenaMap>::new(9).unwrap();
        put(&store, 2);
        store.commit(1..2).unwrap();
        assert_eq!(store.snapshot().unwrap().at(), 0);
        put(&store, 1);
        store.commit(0..1).unwrap();
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.at(), 2);
        assert_eq!(snapshot.get(b"key", |version, _| version), Some(2));
    }

    #[test]
    fn a_collection_keeps_what_snapshots_may_ask_for_and_no_more() {
        let store = Store::<ArenaMap>::new(4).unwrap();
        for version in [1, 2, 3, 5] {
            put(&store, version);
        }
        store.commit(0..3).unwrap(); // the fourth update is still missing
        let early = store.snapshot().unwrap();
        assert!(store.collect_if_full().unwrap());
        let table = store.newest().unwrap();
        assert_eq!(
            table.len(),
            2,
            "the third version, and the fifth, which is not visible yet"
        );
        assert_eq!(table.get(b"key", 9).unwrap().version(), 5);
        put(&store, 4); // an older version in the newer table
        store.commit(3..5).unwrap();
        let get = |snapshot: &Snapshot<ArenaMap>| snapshot.get(b"key", |version, _| version);
        assert_eq!(
            (get(&early), get(&store.snapshot().unwrap())),
            (Some(3), Some(5))
        );
        // The first generation is held by the snapshot alone, and goes with it.
        let pool = table.pool().clone();
        assert_eq!(pool.maintain().held_by_leases.epochs, 1);
        drop(early);
        pool.maintain();
        assert_eq!(pool.stats().retired_epochs, 0);
    }
}
