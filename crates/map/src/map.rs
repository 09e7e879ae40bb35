//! `ArenaMap`: what it owns, and its interface.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use epoch_arena_pool::{AdvanceError, ArenaGuard, ArenaPool, Epoch, Lease, RawError, WaitError};

use crate::entry::Entry;
use crate::error::{InsertError, MapError};
use crate::index::Index;
use crate::key::Target;
use crate::page::{Draft, Fresh, MOST_SLOTS};
use crate::range::Range;
use crate::range_at::RangeAt;
use crate::sums::{Count, Sum};
use crate::sync::{AtomicBool, Ordering};
use crate::writer::Writer;

/// How many slots pages have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The first leaf: small, so that a small map is.
    pub first: usize,
    /// All other pages.
    pub page: usize,
}

impl Shape {
    /// A page is 1 KiB.
    const DEFAULT: Self = if cfg!(miri) {
        Self { first: 3, page: 5 }
    } else {
        Self {
            first: 12,
            page: 61,
        }
    };
}

const _: () = assert!(Shape::DEFAULT.first <= MOST_SLOTS && Shape::DEFAULT.page <= MOST_SLOTS);

/// An ordered, concurrent, versioned map in one epoch of a pool. See the [crate](crate).
///
/// Any number of threads insert; any number read, without a lock and without a pin, and wait for no writer. A
/// record is a key, a version and a value, and never changes; records are in the order of their keys, and
/// those of one key from the newest to the oldest.
///
/// The map takes records while the pool is in its epoch. [`ArenaPool::advance`] freezes all maps of the
/// epoch at once, and [`rotate`](Self::rotate) makes the next map as well. Dropping it takes constant time,
/// whatever is in it; the memory is free when all maps of the epoch, and all [`OwnedEntry`]s of theirs, are
/// gone, and the pool has retired it.
///
/// [`OwnedEntry`]: crate::OwnedEntry
///
/// ```
/// use epoch_arena_map::ArenaMap;
/// use epoch_arena_pool::ArenaPool;
///
/// let pool = ArenaPool::builder().build()?;
/// let map = ArenaMap::new(&pool)?;
/// map.insert(b"apple", 1, b"red")?;
/// map.insert(b"apple", 2, b"green")?;
/// map.insert(b"pear", 3, b"yellow")?;
///
/// assert_eq!(map.get(b"apple", u64::MAX).unwrap().value(), b"green");
/// assert_eq!(map.get(b"apple", 1).unwrap().value(), b"red"); // as of version 1
/// assert!(map.get(b"pear", 2).is_none());
/// let keys: Vec<&[u8]> = map.iter().map(|entry| entry.key()).collect();
/// assert_eq!(keys, [&b"apple"[..], b"apple", b"pear"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ArenaMap {
    /// Invariant: all its pages and records are of the epoch of `lease`.
    pub(crate) index: Index,
    pub(crate) count: Count,
    /// Whether a call of `rotate` has made, or is making, the next map.
    rotated: AtomicBool,
    pub(crate) shape: Shape,
    pool: ArenaPool,
    pub(crate) lease: Lease,
}

impl ArenaMap {
    /// An empty map in the pool's current epoch, a few hundred bytes.
    ///
    /// # Errors
    ///
    /// [`MapError::Alloc`] if there is no memory.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build()?;
    /// let map = ArenaMap::new(&pool)?;
    /// assert!(map.is_empty() && map.epoch() == pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn new(pool: &ArenaPool) -> Result<Self, MapError> {
        Self::with_shape(pool, Shape::DEFAULT)
    }

    #[track_caller]
    pub(crate) fn with_shape(pool: &ArenaPool, shape: Shape) -> Result<Self, MapError> {
        loop {
            let epoch = pool.current_epoch();
            // None if the epoch was retired already: the pool has advanced meanwhile.
            let Some(lease) = pool.lease(epoch) else {
                continue;
            };
            let guard = pool.pin();
            let first = match guard.alloc_raw(epoch, Fresh::size(shape.first), Fresh::ALIGN) {
                Ok(first) => first,
                Err(RawError::Alloc(cause)) => return Err(cause.into()),
                // The pool has advanced meanwhile.
                Err(_) => continue,
            };
            drop(guard);
            // SAFETY: 1. just allocated with this size and alignment, and used for this alone; 2. held by
            // the lease, which is in the map; 3. a shape is like that.
            let fresh = unsafe { Fresh::new(first, shape.first) };
            let leaf = Draft::new(fresh, 0, None).finish(None, 0, 0, true);
            return Ok(Self {
                // SAFETY: pages come from `fresh` only, of the epoch of the lease, which is dropped
                // with the map.
                index: unsafe { Index::new(leaf) },
                count: Count::new(),
                rotated: AtomicBool::new(false),
                shape,
                pool: pool.clone(),
                lease,
            });
        }
    }

    /// Advances the pool and makes the next map: this one takes no more records, and writers that find it
    /// [`Frozen`](InsertError::Frozen) go to the next one. If the pool has left the map's epoch already,
    /// the next map is made in the current one. Of several callers one gets it, the others `Rotated`.
    ///
    /// Records that are being inserted at this moment may still appear here; [`freeze`](Self::freeze) waits
    /// for them.
    ///
    /// # Errors
    ///
    /// [`MapError::Rotated`] for all but one caller; [`MapError::Advance`] if the pool cannot open an
    /// epoch; [`MapError::Alloc`] if there is no memory. After the last two another call may succeed.
    ///
    /// ```
    /// # use epoch_arena_map::{ArenaMap, InsertError};
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 1, b"old")?;
    /// let next = map.rotate()?;
    /// assert!(matches!(map.insert(b"key", 2, b"new"), Err(InsertError::Frozen { .. })));
    /// next.insert(b"key", 2, b"new")?;
    /// assert_eq!(map.get(b"key", 9).unwrap().value(), b"old"); // as long as one likes
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn rotate(&self) -> Result<Self, MapError> {
        // Relaxed, here and in the drop: it only divides callers; whoever gets the map passes it on.
        if self.rotated.swap(true, Ordering::Relaxed) {
            return Err(MapError::Rotated);
        }
        let turn = Turn(Some(&self.rotated));
        match self.pool.advance_from(self.epoch()) {
            Ok(_) | Err(AdvanceError::Moved(_)) => {}
            Err(refused) => return Err(refused.into()),
        }
        let next = Self::with_shape(&self.pool, self.shape)?;
        turn.keep();
        Ok(next)
    }

    /// Waits until no insert is under way any more, for at most `timeout`: from then on the map is as it
    /// will be for ever, and a flush may begin. It waits for all guards that were pinned when the pool left
    /// the map's epoch; while the pool is in it, for somebody to advance or [`rotate`](Self::rotate), too.
    ///
    /// # Errors
    ///
    /// [`WaitError::TimedOut`], and [`WaitError::Pinned`] if this thread has a guard of the pool, as
    /// for [`ArenaPool::wait_sealed`].
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// use std::time::Duration;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 1, b"value")?;
    /// let next = map.rotate()?;
    /// map.freeze(Duration::from_secs(10))?;
    /// assert_eq!(map.len(), 1); // for ever
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn freeze(&self, timeout: Duration) -> Result<(), WaitError> {
        self.pool.wait_sealed(self.epoch(), timeout)
    }

    /// Inserts a record. Pins this thread; for many records, [`writer`](Self::writer) pins once.
    ///
    /// # Errors
    ///
    /// [`InsertError`]; no reader sees a difference then.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 1, b"value")?;
    /// assert_eq!(map.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn insert(&self, key: &[u8], version: u64, value: &[u8]) -> Result<(), InsertError> {
        let guard = self.pool.pin();
        self.put(&guard, None, key, version, value).map(drop)
    }

    /// Inserts many records under one guard of the map's pool. A writer remembers the leaf of its last
    /// record, so that sorted records need no search.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build()?;
    /// let map = ArenaMap::new(&pool)?;
    /// let guard = pool.pin();
    /// let mut writer = map.writer(&guard);
    /// for number in 0..1000_u32 {
    ///     writer.insert(&number.to_be_bytes(), 0, b"")?;
    /// }
    /// assert_eq!(map.len(), 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writer<'m>(&'m self, guard: &'m ArenaGuard<'_>) -> Writer<'m> {
        Writer::new(self, guard)
    }

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

    /// How many records there are, every version counted. A sum over a few counters.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 1, b"")?;
    /// map.insert(b"key", 2, b"")?;
    /// assert_eq!(map.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.sum().records
    }

    /// Whether there is no record.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// assert!(map.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of its records and leaves: what to compare with the size at which to rotate. (Not the
    /// pages above the leaves, which are a fiftieth of them, nor what the pool's chunks have unused.)
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// let empty = map.bytes();
    /// map.insert(b"key", 0, &[0; 100])?;
    /// assert!(map.bytes() >= empty + 103 && map.bytes() < 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes(&self) -> usize {
        self.sum().bytes
    }

    fn sum(&self) -> Sum {
        if let Some(sum) = self.count.sum() {
            return sum;
        }
        let first = self.only_leaf();
        // If it was split meanwhile, the counters were there before.
        self.count.sum().unwrap_or(first)
    }

    /// What is in the first leaf, which is the only one.
    pub(crate) fn only_leaf(&self) -> Sum {
        let leaf = self.index.first();
        let mut sum = Sum {
            records: 0,
            bytes: Fresh::size(leaf.slots()),
        };
        leaf.for_each(|record| {
            sum.records += 1;
            sum.bytes += record.bytes();
        });
        sum
    }

    /// The epoch that the map is in.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let pool = epoch_arena_pool::ArenaPool::builder().build()?;
    /// let map = ArenaMap::new(&pool)?;
    /// assert!(map.rotate()?.epoch() > map.epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn epoch(&self) -> Epoch {
        self.lease.epoch()
    }

    /// The pool that the map is in.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// assert_eq!(map.pool().current_epoch(), map.epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool(&self) -> &ArenaPool {
        &self.pool
    }
}

/// The turn of one caller of `rotate`, which ends if it fails or panics.
struct Turn<'m>(Option<&'m AtomicBool>);

impl Turn<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(rotated) = self.0 {
            // Relaxed: as in `rotate`.
            rotated.store(false, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for ArenaMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArenaMap")
            .field("epoch", &self.epoch())
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl<'m> IntoIterator for &'m ArenaMap {
    type Item = Entry<'m>;
    type IntoIter = Range<'m>;

    fn into_iter(self) -> Range<'m> {
        self.iter()
    }
}
