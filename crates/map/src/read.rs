//! Reading a map: one record, several, or those of a range, without a lock and without a pin.

use std::ops::{Bound, RangeBounds};

use crate::entry::Entry;
use crate::map::ArenaMap;
use crate::range::Range;
use crate::range_at::RangeAt;
use crate::tree::key::Target;

impl ArenaMap {
    /// The newest record of `key` that is not newer than `at`. No lock, no pin; it waits for no writer.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 10, b"ten")?;
    /// map.insert(b"key", 20, b"twenty")?;
    /// assert_eq!(map.get(b"key", 15).unwrap().value(), b"ten");
    /// assert_eq!(map.get(b"key", 20).unwrap().value(), b"twenty");
    /// assert_eq!(map.get(b"key", 9), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get(&self, key: &[u8], at: u64) -> Option<Entry<'_>> {
        let target = Target::new(key, at);
        let record = self.index.find(&target).get(&target)?;
        Some(Entry::new(record, &self.lease))
    }

    /// As many times [`get`](Self::get), with the waiting for memory overlapped.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"a", 0, b"1")?;
    /// map.insert(b"c", 0, b"3")?;
    /// let found = map.get_many([&b"a"[..], b"b", b"c"], 0).map(|entry| entry.map(|e| e.value()));
    /// assert_eq!(found, [Some(&b"1"[..]), None, Some(b"3")]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get_many<const N: usize>(&self, keys: [&[u8]; N], at: u64) -> [Option<Entry<'_>>; N] {
        let places = keys.map(|key| {
            let target = Target::new(key, at);
            let place = self.index.find(&target);
            place.page.prefetch_slots();
            (target, place)
        });
        for (target, place) in &places {
            place.page.prefetch_record(target);
        }
        places.map(|(target, place)| {
            let record = place.get(&target)?;
            Some(Entry::new(record, &self.lease))
        })
    }

    /// All records, in order.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"b", 0, b"")?;
    /// map.insert(b"a", 0, b"")?;
    /// assert!(map.iter().map(|entry| entry.key()).eq([b"a", b"b"]));
    /// assert!(map.iter().rev().map(|entry| entry.key()).eq([b"b", b"a"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Range<'_> {
        Range::new(self, Bound::Unbounded, Bound::Unbounded)
    }

    /// The records whose keys are in a range, every version, in order, from both ends. It has every record
    /// that was in the map when it was made; of those that are inserted meanwhile it may have some.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// for key in ["a", "b", "c", "d"] {
    ///     map.insert(key.as_bytes(), 0, b"")?;
    /// }
    /// assert!(map.range("b"..="c").map(|entry| entry.key()).eq([b"b", b"c"]));
    /// assert_eq!(map.range("b"..).next_back().unwrap().key(), b"d");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range<K: AsRef<[u8]>, R: RangeBounds<K>>(&self, keys: R) -> Range<'_> {
        let start = keys.start_bound().map(AsRef::as_ref);
        Range::new(self, start, keys.end_bound().map(AsRef::as_ref))
    }

    /// Of each key in a range, the newest record that is not newer than `at`, in order, from both ends.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// for (key, version) in [("a", 1), ("a", 5), ("b", 4), ("c", 9)] {
    ///     map.insert(key.as_bytes(), version, b"")?;
    /// }
    /// let versions: Vec<u64> = map.range_at("a".., 5).map(|entry| entry.version()).collect();
    /// assert_eq!(versions, [5, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range_at<K: AsRef<[u8]>, R: RangeBounds<K>>(&self, keys: R, at: u64) -> RangeAt<'_> {
        RangeAt::new(self.range(keys), at)
    }
}

impl<'m> IntoIterator for &'m ArenaMap {
    type Item = Entry<'m>;
    type IntoIter = Range<'m>;

    fn into_iter(self) -> Range<'m> {
        self.iter()
    }
}
