//! `OwnedBytes`: bytes that hold their epoch.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::ptr::NonNull;

use epoch_arena_core::ArenaHandle;

use crate::epochs::lease_entry::LeaseEntry;
use crate::lease::{Lease, Snapshot};
use crate::sync::Arc;

/// Bytes of an epoch that hold it: `'static`, `Send`, `Sync`, and a slice wherever one is wanted. From
/// [`Lease::owned`] or [`Snapshot::owned`]. Nothing is copied; a clone is one atomic addition.
///
/// It compares, orders and hashes as its bytes do, and implements `Borrow<[u8]>`, so maps of it are searched by
/// slices. It is 24 bytes.
///
/// **One of these holds the memory of its whole epoch** until it is dropped, as a [`Lease`] does. Copy a few bytes
/// that are to stay for long.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::{ArenaPool, OwnedBytes};
/// let pool = ArenaPool::builder().build()?;
/// let handle = pool.pin().alloc_copy(b"answer")?;
/// let lease = pool.lease(handle.epoch()).expect("it is live");
/// let answer: OwnedBytes = lease.owned(handle).expect("of this epoch");
/// drop((lease, pool));
/// let sent = std::thread::spawn(move || answer.len());
/// assert_eq!(sent.join().unwrap(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In the garbage of a map
///
/// A map with an epoch scheme of its own drops a key or value later than it removes it, and the epoch is held
/// meanwhile. `SkipMap` of crossbeam-skiplist 0.1.3 puts the node of an entry that was removed or replaced into
/// crossbeam-epoch's default collector: into the bag of *the thread that let go of the node*. **A bag stays with
/// its thread until it is full, the thread flushes, or the thread ends.** No pin, flush or
/// [`maintain`](crate::ArenaPool::maintain) of another thread reaches it: a thread that removes an entry and then
/// idles holds the epoch for as long as it idles. So:
///
/// - A thread that has removed or replaced entries calls `crossbeam_epoch::pin().flush()` before it idles,
///   with no other guard of that collector.
/// - From then on any thread ends the garbage, by pins and flushes.
/// - Entries that are still in the map go with the map, at once.
/// - Some of it never ends: an entry that a `range` has passed keeps a reference (crossbeam issue 1178), so that its
///   node leaks if it is removed or replaced later, and its key holds the epoch for as long as the process lives. Walk
///   such a map by `lower_bound` and `Entry::next` instead.
///
/// [`PoolStats::leases`](crate::PoolStats::leases) lists such a lease, with as many
/// [`owners`](crate::LeaseInfo::owners) as there are such values, and the line that took it. `ArenaMap` in
/// `epoch-arena-map` has no such garbage.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use crossbeam_skiplist::SkipMap;
/// use epoch_arena::{ArenaPool, crossbeam_epoch};
///
/// let pool = ArenaPool::builder().build()?;
/// let handle = pool.pin().alloc_copy(b"counter")?;
/// let lease = pool.lease(handle.epoch()).expect("it is live");
/// std::thread::scope(|s| {
///     s.spawn(|| {
///         let map = SkipMap::new();
///         for value in 0..10 {
///             map.insert(lease.owned(handle).expect("of its epoch"), value); // replaces
///         }
///         drop(map);
///         crossbeam_epoch::pin().flush(); // before the thread idles
///     });
/// });
/// drop(lease);
/// # let began = std::time::Instant::now();
/// while pool.oldest_lease().is_some() {
///     crossbeam_epoch::pin().flush(); // any thread
/// #   std::thread::yield_now();
/// #   assert!(began.elapsed().as_secs() < 60, "the example fails");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OwnedBytes {
    /// Invariant: initialised, and not written to nor reclaimed while `entry` exists.
    bytes: NonNull<[u8]>,
    entry: Arc<LeaseEntry>,
}

// SAFETY: bytes that no thread writes to while it exists, and what a lease has, which is `Send`.
unsafe impl Send for OwnedBytes {}
// SAFETY: as above; a lease is `Sync`.
unsafe impl Sync for OwnedBytes {}

impl Lease {
    /// The bytes of `handle` with a hold of their epoch; `None` if it is not of this epoch. Constant time: one
    /// atomic addition, and nothing is copied.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let lease = pool.lease(pool.current_epoch()).expect("it is live");
    /// let here = pool.pin().alloc_copy(b"here")?;
    /// pool.advance()?;
    /// let later = pool.pin().alloc_copy(b"later")?;
    /// assert_eq!(&*lease.owned(here).expect("of its epoch"), b"here");
    /// assert!(lease.owned(later).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn owned(&self, handle: ArenaHandle) -> Option<OwnedBytes> {
        let bytes = self.get(handle)?;
        // SAFETY: bytes that the lease gave stay as they are while it or a clone exists.
        Some(unsafe { self.own(bytes) })
    }

    /// `bytes` with a hold of the epoch.
    ///
    /// # Safety
    ///
    /// They are in the lease's epoch, and not written to while that is held.
    #[doc(hidden)]
    pub unsafe fn own(&self, bytes: &[u8]) -> OwnedBytes {
        OwnedBytes {
            bytes: NonNull::from(bytes),
            entry: self.entry().clone(),
        }
    }
}

impl Snapshot {
    /// The bytes of `handle` with a hold of their epoch; `None` if its epoch is not one of these. A binary search
    /// over the epochs and one atomic addition; nothing is copied.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"key")?;
    /// let owned = pool.snapshot().owned(handle).expect("it is live");
    /// pool.retire_before(pool.advance()?);
    /// assert_eq!(&*owned, b"key");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn owned(&self, handle: ArenaHandle) -> Option<OwnedBytes> {
        self.of(handle)?.owned(handle)
    }
}

impl OwnedBytes {
    /// A part of the bytes, with the same hold.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"user:42")?;
    /// let owned = pool.snapshot().owned(handle).expect("it is live");
    /// let number = owned.map(|bytes| &bytes[5..]);
    /// assert_eq!(&*number, b"42");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn map(self, part: impl FnOnce(&[u8]) -> &[u8]) -> Self {
        // The closure works for every lifetime, so what it returns is of the bytes it was given, or `'static`.
        let bytes = NonNull::from(part(&self));
        Self { bytes, ..self }
    }

    /// A lease of the epoch. One atomic addition.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"key")?;
    /// let owned = pool.snapshot().owned(handle).expect("it is live");
    /// assert_eq!(owned.lease().epoch(), handle.epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lease(&self) -> Lease {
        Lease::new(self.entry.clone())
    }
}

impl Deref for OwnedBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: by the invariant, as `self` has the entry.
        unsafe { self.bytes.as_ref() }
    }
}

impl AsRef<[u8]> for OwnedBytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for OwnedBytes {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl Ord for OwnedBytes {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl PartialOrd for OwnedBytes {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for OwnedBytes {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for OwnedBytes {}

impl Hash for OwnedBytes {
    /// As `[u8]`, which it borrows as.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for OwnedBytes {
    /// The bytes, as a byte string.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

// SAFETY: the bytes are in the epoch, not in the value: their address stays when it moves, and while it exists
// nothing writes to them. Nothing else of it is reached through a reference to it.
#[cfg(feature = "stable_deref_trait")]
unsafe impl stable_deref_trait::StableDeref for OwnedBytes {}

// SAFETY: a clone has the same address, and holds the epoch by itself.
#[cfg(feature = "stable_deref_trait")]
unsafe impl stable_deref_trait::CloneStableDeref for OwnedBytes {}

#[cfg(feature = "bytes")]
impl From<OwnedBytes> for bytes::Bytes {
    /// Nothing is copied: the `Bytes` own the value, and hold its epoch until the last of their clones and parts is
    /// dropped. One small heap allocation.
    fn from(owned: OwnedBytes) -> Self {
        Self::from_owner(owned)
    }
}

const _: () = assert!(size_of::<OwnedBytes>() == 24);
