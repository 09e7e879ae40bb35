//! `ArenaMap`: what it owns, how it begins, how it is followed by the next one, and its figures.

use std::fmt;
use std::time::Duration;

use epoch_arena_pool::{AdvanceError, ArenaPool, Epoch, Lease, RawError, WaitError};

use crate::error::MapError;
use crate::sums::{Count, Sum};
use crate::sync::{AtomicBool, Ordering};
use crate::tree::index::Index;
use crate::tree::page::draft::{Draft, Fresh};
use crate::tree::page::{MOST_SLOTS, PREFETCHED};

/// How many slots pages have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The first leaf: small, so that a small map is.
    pub first: usize,
    /// All other pages.
    pub page: usize,
}

impl Shape {
    /// A page is 1 KiB; under Miri and libFuzzer it is small, so that few records make a deep index.
    const DEFAULT: Self = if cfg!(any(miri, fuzzing)) {
        Self { first: 3, page: 5 }
    } else {
        Self {
            first: 12,
            page: PREFETCHED,
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
/// gone, and the pool has retired it. (Where bytes are overwritten first, as by default with debug assertions, the next
/// `advance` or `maintain` frees it.) The pool's figures list a map as the lease that it is. Threads share a map in an `Arc`, or borrow it; it is no handle, as a pool is.
///
/// [`OwnedEntry`]: crate::OwnedEntry
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_map::*; pub use epoch_arena_pool::*; }
/// use epoch_arena::{ArenaMap, ArenaPool};
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
    /// [`Frozen`](crate::InsertError::Frozen) go to the next one. If the pool has left the map's epoch already,
    /// the next map is made in the current one. One call ever gets it, all others get `Rotated`: publish the next
    /// map where the other threads look for it, under a lock for instance; they retry there.
    ///
    /// Records that are being inserted at this moment may still appear here; [`freeze`](Self::freeze) waits
    /// for them. So a thread that drew version 5 may insert it into the next map after version 6 of the same key went
    /// into this one: the newest version of a key can be in either, until this map is frozen. A caller may be
    /// pinned; drop the guard before you wait for a flush, which waits for the guard.
    ///
    /// # Errors
    ///
    /// [`MapError::Rotated`] for all but one caller; [`MapError::Advance`] if the pool cannot open an
    /// epoch; [`MapError::Alloc`] if there is no memory for the next map: the pool has advanced then, and this map is
    /// closed. After the last two another call may succeed. If this map fills the budget, it does not:
    /// freeze this map, flush it, drop it, and make the next one with [`new`](Self::new).
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
        // Relaxed, here and in the drop: it only divides callers; the one that gets the map passes it on.
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
    /// the map's epoch. If the pool is in that epoch still, it first waits for a thread that advances or
    /// [`rotate`](Self::rotate)s.
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
