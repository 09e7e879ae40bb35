//! `Lease` and `Snapshot`: reading without a pin, for as long as one likes.

use std::fmt;

use epoch_arena_core::raw::Sealed;
use epoch_arena_core::{ArenaHandle, Epoch, Resolve, pack};

use crate::core;
use crate::hold::Hold;
use crate::sync::Arc;

/// Holds one epoch: its bytes stay readable, on any thread, across `.await`, for hours, even
/// after the epoch was retired. It pins nobody and holds back no other epoch.
///
/// Cloning it is one atomic addition. It keeps the pool's memory alive, too. As long as it or a
/// clone exists, [`ArenaPool::stats`](crate::ArenaPool::stats) and
/// [`maintain`](crate::ArenaPool::maintain) list it with its age and the place where it was taken.
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let handle = pool.pin().alloc_copy(b"kept")?;
/// let lease = pool.lease(handle.epoch()).expect("it is live");
/// for _ in 0..5 {
///     pool.advance()?;
/// }
/// assert!(pool.pin().get(handle).is_none());
/// std::thread::spawn(move || assert_eq!(lease.get(handle), Some(&b"kept"[..]))).join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What it gives does not outlive it:
///
/// ```compile_fail,E0505
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build().unwrap();
/// let handle = pool.pin().alloc_copy(b"key").unwrap();
/// let lease = pool.lease(handle.epoch()).unwrap();
/// let bytes = lease.get(handle).unwrap();
/// drop(lease);
/// assert_eq!(bytes, b"key");
/// ```
#[derive(Clone)]
pub struct Lease {
    hold: Arc<Hold>,
    /// Invariant: the one stamp of `hold`.
    stamp: u64,
}

impl Lease {
    /// `hold` has `stamp`, alone.
    pub(crate) fn new(hold: Arc<Hold>, stamp: u64) -> Self {
        debug_assert_eq!(hold.stamps(), [stamp]);
        Self { hold, stamp }
    }

    /// The epoch it holds.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let now = pool.current_epoch();
    /// assert_eq!(pool.lease(now).unwrap().epoch(), now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn epoch(&self) -> Epoch {
        core::epoch(self.stamp)
    }

    /// The bytes of `handle`, or `None` if it is not of this epoch. Constant time, no pin.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let lease = pool.lease(pool.current_epoch()).expect("it is live");
    /// let here = pool.pin().alloc_copy(b"here")?;
    /// pool.advance()?;
    /// let later = pool.pin().alloc_copy(b"later")?;
    /// assert_eq!((lease.get(here), lease.get(later)), (Some(&b"here"[..]), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        // SAFETY: stamps are unique in the process; if it is the handle's, the handle is of the
        // leased epoch, whose arena is not reclaimed while `hold` exists, which the borrow of
        // `self` ensures.
        unsafe { handle.bytes_under(self.stamp) }
    }
}

impl Sealed for Lease {}

impl Resolve for Lease {
    #[inline]
    fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        self.get(handle)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("epoch", &self.epoch())
            .field("pool", &self.hold.pool())
            .finish_non_exhaustive()
    }
}

/// Holds every epoch that was live at one moment: a lease of each.
///
/// Writes into the epoch that was current go on, and can be seen.
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let old = pool.pin().alloc_copy(b"old")?;
/// pool.advance()?;
/// let new = pool.pin().alloc_copy(b"new")?;
/// let snapshot = pool.snapshot();
/// for _ in 0..5 {
///     pool.advance()?;
/// }
/// assert_eq!(snapshot.get(old), Some(&b"old"[..]));
/// assert_eq!(snapshot.get(new), Some(&b"new"[..]));
/// assert_eq!(snapshot.epochs().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Snapshot {
    hold: Arc<Hold>,
}

impl Snapshot {
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        Self { hold }
    }

    /// The epochs it holds, oldest first.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.advance()?;
    /// let snapshot = pool.snapshot();
    /// let epochs: Vec<_> = snapshot.epochs().collect();
    /// assert_eq!((epochs.len(), epochs[1]), (2, pool.current_epoch()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn epochs(&self) -> impl Iterator<Item = Epoch> {
        let stamps = self.hold.stamps().iter();
        stamps.map(|stamp| core::epoch(*stamp))
    }

    /// Whether it holds `epoch`, so that its handles resolve here. `false` for those that were
    /// retired before it was taken, those that came later, and another pool's. A binary search over
    /// the epochs.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let before = pool.current_epoch();
    /// let snapshot = pool.snapshot();
    /// let later = pool.advance()?;
    /// assert!(snapshot.holds(before) && !snapshot.holds(later));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn holds(&self, epoch: Epoch) -> bool {
        let stamp = pack::stamp(epoch.number());
        self.hold.stamps().binary_search(&stamp).is_ok()
    }

    /// The bytes of `handle`, or `None` if its epoch is not one of these. A binary search over
    /// the epochs, no pin.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"key")?;
    /// let snapshot = pool.snapshot();
    /// pool.retire_before(pool.advance()?);
    /// assert_eq!((pool.pin().get(handle), snapshot.get(handle)), (None, Some(&b"key"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        let stamp = pack::stamp(pack::epoch(handle.tag()));
        let found = self.hold.stamps().binary_search(&stamp);
        if found.is_err() {
            return None;
        }
        // SAFETY: as in `Lease::get`, for the epoch that was found.
        unsafe { handle.bytes_under(stamp) }
    }
}

impl Sealed for Snapshot {}

impl Resolve for Snapshot {
    #[inline]
    fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        self.get(handle)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("epochs", &self.epochs().collect::<Vec<_>>())
            .field("pool", &self.hold.pool())
            .finish_non_exhaustive()
    }
}
