//! `Lease` and `Snapshot`: reading without a pin, for as long as one likes.

use std::fmt;

use epoch_arena_core::raw::Sealed;
use epoch_arena_core::{ArenaHandle, Epoch, Resolve, pack};

use crate::core::{self, Core};
use crate::sync::Arc;

/// Holds one epoch: its bytes stay readable, on any thread, across `.await`, for hours, even
/// after the epoch was retired. It pins nobody and holds back no other epoch.
///
/// Cloning it is two atomic additions. It keeps the pool's memory alive, too.
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
pub struct Lease {
    core: Arc<Core>,
    /// Invariant: this lease is counted in the holds of this epoch's slot.
    stamp: u64,
}

impl Lease {
    /// # Safety
    ///
    /// A lease was added to the holds of `stamp`, for this one.
    pub(crate) unsafe fn new(core: Arc<Core>, stamp: u64) -> Self {
        Self { core, stamp }
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
    #[inline]
    pub fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        // SAFETY: stamps are unique in the process; if it is the handle's, the handle is of the
        // leased epoch, whose arena is not reclaimed while this lease is counted, which the borrow
        // of `self` ensures.
        unsafe { handle.bytes_under(self.stamp) }
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        self.core.status(self.stamp).add_lease();
        Self {
            core: self.core.clone(),
            stamp: self.stamp,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.core.status(self.stamp).drop_lease();
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
pub struct Snapshot {
    core: Arc<Core>,
    /// Invariant: a lease of this snapshot is counted for each. Oldest first.
    stamps: Box<[u64]>,
}

impl Snapshot {
    /// # Safety
    ///
    /// A lease was added to the holds of each of `stamps`, for this snapshot.
    pub(crate) unsafe fn new(core: Arc<Core>, stamps: Box<[u64]>) -> Self {
        Self { core, stamps }
    }

    /// The epochs it holds, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = Epoch> {
        self.stamps.iter().map(|stamp| core::epoch(*stamp))
    }

    /// The bytes of `handle`, or `None` if its epoch is not one of these. A binary search over
    /// the epochs, no pin.
    #[inline]
    pub fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        let stamp = pack::stamp(pack::epoch(handle.tag()));
        let found = self.stamps.binary_search(&stamp);
        if found.is_err() {
            return None;
        }
        // SAFETY: as in `Lease::get`, for the epoch that was found.
        unsafe { handle.bytes_under(stamp) }
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Self {
        for stamp in &self.stamps {
            self.core.status(*stamp).add_lease();
        }
        Self {
            core: self.core.clone(),
            stamps: self.stamps.clone(),
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        for stamp in &self.stamps {
            self.core.status(*stamp).drop_lease();
        }
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
            .finish_non_exhaustive()
    }
}
