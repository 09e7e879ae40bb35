//! Reading a map: one record, several, or those of a range, without a lock and without a pin.

use std::ops::{Bound, RangeBounds};

use crate::entry::Entry;
use crate::groups::{GROUP, Groups};
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

    /// As many times [`get`](Self::get), with the waiting for memory overlapped. Eight at a time are best.
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
        let targets = keys.map(|key| Target::new(key, at));
        let mut places = self.index.find_many(&targets);
        let sights: [_; N] = std::array::from_fn(|index| {
            let sight = places[index].see(&targets[index]);
            places[index].page.prefetch_record(&sight);
            sight
        });
        std::array::from_fn(|index| {
            let record = places[index].get_seen(sights[index], &targets[index])?;
            Some(Entry::new(record, &self.lease))
        })
    }

    /// [`get`](Self::get) for any number of keys, in their order; eight at a time, as by [`get_many`](Self::get_many).
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// let words = ["to", "be", "or", "not", "to", "be", "that", "is", "the", "question"];
    /// for (word, version) in words.iter().zip(0..) {
    ///     map.insert(word.as_bytes(), version, b"")?;
    /// }
    /// let last = map.get_each(words, u64::MAX).flatten().map(|entry| entry.version());
    /// assert!(last.eq([4, 5, 2, 3, 4, 5, 6, 7, 8, 9]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_each<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        at: u64,
    ) -> impl Iterator<Item = Option<Entry<'_>>> {
        Groups::new(keys, move |group: [Option<K>; GROUP]| {
            // The last group may have fewer keys: what is found for the missing ones is not given out.
            let keys = group.each_ref().map(Option::as_ref);
            self.get_many(keys.map(|key| key.map_or(&[][..], K::as_ref)), at)
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

    /// Of each key the newest record that is not newer than `at`, in order, from both ends.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// for (key, version) in [("a", 1), ("a", 5), ("b", 4), ("c", 9)] {
    ///     map.insert(key.as_bytes(), version, b"")?;
    /// }
    /// assert!(map.iter_at(u64::MAX).map(|entry| entry.version()).eq([5, 4, 9]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter_at(&self, at: u64) -> RangeAt<'_> {
        RangeAt::new(self.iter(), at)
    }

    /// The records whose keys are in a range, every version, in order, from both ends. It has every record
    /// that was in the map when it was made; of those that are inserted meanwhile it may have some. Of bounds that
    /// cross, as `"c".."a"`, nothing is between. [`seek`](Range::seek) skips from the front; for the back, make another range.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// for key in ["a", "b", "c", "d"] {
    ///     map.insert(key.as_bytes(), 0, b"")?;
    /// }
    /// assert!(map.range("b"..="c").map(|entry| entry.key()).eq([b"b", b"c"]));
    /// assert_eq!(map.range("b"..).next_back().unwrap().key(), b"d");
    /// use std::ops::Bound::{Excluded, Unbounded};
    /// assert_eq!(map.range::<&str, _>((Excluded("b"), Unbounded)).count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range<K: AsRef<[u8]>, R: RangeBounds<K>>(&self, keys: R) -> Range<'_> {
        let start = keys.start_bound().map(AsRef::as_ref);
        Range::new(self, start, keys.end_bound().map(AsRef::as_ref))
    }

    /// Of each key in a range, the newest record that is not newer than `at`, in order, from both ends. For all keys:
    /// [`iter_at`](Self::iter_at).
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
