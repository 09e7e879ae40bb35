//! Tables of versions, as `memtable` and `mvcc` use them: an `ArenaMap`, and a skip list of heap allocations.

use std::cmp::Reverse;
use std::ops::Bound;
use std::sync::RwLock;
use std::time::Duration;

use crossbeam_skiplist::SkipMap;
use epoch_arena::{ArenaMap, ArenaPool, InsertError};

use crate::shared::compare::{Run, Side};
use crate::shared::{Failure, poisoned};

/// How long `freeze` waits for writers. A batch takes microseconds, so this is an error.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same program over each of the two.
pub const fn sides(arena: Run, boxes: Run) -> [Side; 2] {
    [
        Side {
            name: "ArenaMap",
            run: arena,
        },
        Side {
            name: "SkipMap",
            run: boxes,
        },
    ]
}

/// Records in order of their keys, those of one key from the newest version to the oldest. Any number of threads write
/// until it is rotated.
pub trait Table: Sized + Send + Sync {
    fn first() -> Result<Self, Failure>;

    /// Puts key, version and value of each record. Returns how many it took: fewer than all if it was rotated.
    fn put<'k, V: AsRef<[u8]>>(
        &self,
        batch: impl Iterator<Item = (&'k [u8], u64, V)>,
    ) -> Result<usize, Failure>;

    fn len(&self) -> usize;

    /// Shows the newest version of `key` that is not newer than `at`.
    fn get<R>(&self, key: &[u8], at: u64, see: impl FnOnce(u64, &[u8]) -> R) -> Option<R>;

    /// Shows all records, in order.
    fn each(
        &self,
        see: impl FnMut(&[u8], u64, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure>;

    /// Ends the writing here, and makes the next table.
    fn rotate(&self) -> Result<Self, Failure>;

    /// Waits, after `rotate`, until no batch is under way.
    fn freeze(&self) -> Result<(), Failure>;

    /// A summary of the memory.
    fn report(&self) -> String;
}

impl Table for ArenaMap {
    fn first() -> Result<Self, Failure> {
        // The pool need not retain an epoch that it has left: a map holds its own.
        Ok(Self::new(
            &ArenaPool::builder().retained_epochs(1).build()?,
        )?)
    }

    fn put<'k, V: AsRef<[u8]>>(
        &self,
        batch: impl Iterator<Item = (&'k [u8], u64, V)>,
    ) -> Result<usize, Failure> {
        let guard = self.pool().pin(); // one for the batch
        let mut writer = self.writer(&guard);
        let mut done = 0;
        for (key, version, value) in batch {
            match writer.insert(key, version, value.as_ref()) {
                Ok(()) => done += 1,
                Err(InsertError::Frozen { .. }) => break,
                Err(refused) => return Err(refused.into()),
            }
        }
        Ok(done)
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn get<R>(&self, key: &[u8], at: u64, see: impl FnOnce(u64, &[u8]) -> R) -> Option<R> {
        self.get(key, at)
            .map(|entry| see(entry.version(), entry.value()))
    }

    fn each(
        &self,
        mut see: impl FnMut(&[u8], u64, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.iter()
            .try_for_each(|entry| see(entry.key(), entry.version(), entry.value()))
    }

    fn rotate(&self) -> Result<Self, Failure> {
        Ok(self.rotate()?)
    }

    fn freeze(&self) -> Result<(), Failure> {
        Ok(self.freeze(PATIENCE)?)
    }

    fn report(&self) -> String {
        self.pool().stats().to_string()
    }
}

/// Key and version, in the order of a table.
type InternalKey = (Box<[u8]>, Reverse<u64>);

/// A table with a heap allocation for each key and each value.
#[derive(Default)]
pub struct Boxes {
    map: SkipMap<InternalKey, Box<[u8]>>,
    /// Whether it was rotated. Read for a whole batch: so the rotation knows that no writer is left.
    rotated: RwLock<bool>,
}

impl Table for Boxes {
    fn first() -> Result<Self, Failure> {
        Ok(Self::default())
    }

    fn put<'k, V: AsRef<[u8]>>(
        &self,
        batch: impl Iterator<Item = (&'k [u8], u64, V)>,
    ) -> Result<usize, Failure> {
        let rotated = self.rotated.read().map_err(poisoned)?;
        if *rotated {
            return Ok(0);
        }
        let insert = |(key, version, value): (&[u8], u64, V)| {
            let key = (key.into(), Reverse(version));
            self.map.insert(key, value.as_ref().into())
        };
        Ok(batch.map(insert).count())
    }

    fn len(&self) -> usize {
        self.map.len()
    }

    fn get<R>(&self, key: &[u8], at: u64, see: impl FnOnce(u64, &[u8]) -> R) -> Option<R> {
        let wanted = (key.into(), Reverse(at));
        let entry = self.map.lower_bound(Bound::Included(&wanted))?;
        let (found, version) = entry.key();
        (**found == *key).then(|| see(version.0, entry.value()))
    }

    fn each(
        &self,
        mut see: impl FnMut(&[u8], u64, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        (self.map.iter()).try_for_each(|entry| see(&entry.key().0, entry.key().1.0, entry.value()))
    }

    fn rotate(&self) -> Result<Self, Failure> {
        *self.rotated.write().map_err(poisoned)? = true;
        Self::first()
    }

    fn freeze(&self) -> Result<(), Failure> {
        Ok(()) // `rotate` has waited
    }

    fn report(&self) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps_its_records_and_refuses_late_ones<T: Table>() {
        let table = T::first().unwrap();
        let batch = [("b", 3, "b3"), ("a", 1, "a1"), ("b", 2, "b2")];
        let put = |table: &T| table.put(batch.iter().map(|(k, v, s)| (k.as_bytes(), *v, s)));
        assert_eq!(put(&table).unwrap(), 3);
        let next = table.rotate().unwrap();
        table.freeze().unwrap();
        assert_eq!(put(&table).unwrap(), 0, "it was rotated");
        assert_eq!((put(&next).unwrap(), table.len(), next.len()), (3, 3, 3));
        let mut all = String::new();
        let see = |key: &[u8], version, value: &[u8]| {
            all += &format!("{}{version}{} ", key.escape_ascii(), value.escape_ascii());
            Ok(())
        };
        table.each(see).unwrap();
        assert_eq!(all, "a1a1 b3b3 b2b2 ");
        let get = |key: &str, at| table.get(key.as_bytes(), at, |version, _| version);
        assert_eq!(
            [get("b", 9), get("b", 2), get("a", 9)],
            [Some(3), Some(2), Some(1)]
        );
        assert_eq!(
            [get("b", 1), get("a", 0), get("c", 9), get("", 9)],
            [None; 4]
        );
    }

    #[test]
    fn a_table_keeps_its_records_and_refuses_late_ones() {
        keeps_its_records_and_refuses_late_ones::<ArenaMap>();
        keeps_its_records_and_refuses_late_ones::<Boxes>();
    }
}
