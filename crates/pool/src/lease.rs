//! `Lease` and `Snapshot`: reading without a pin, for as long as one likes.

use std::fmt;

use epoch_arena_core::raw::Sealed;
use epoch_arena_core::{ArenaHandle, Epoch, Resolve, pack};

use crate::epochs::lease_entry::LeaseEntry;
use crate::epochs::slots;
use crate::sync::Arc;

/// Holds one epoch: its bytes stay readable, on any thread, across `.await`, for hours, even
/// after the epoch was retired. It pins no thread and holds back no other epoch.
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
#[must_use = "the epoch is let go as soon as the lease is dropped; bind it to a variable"]
pub struct Lease {
    entry: Arc<LeaseEntry>,
    /// Invariant: the stamp of `entry`.
    stamp: u64,
}

impl Lease {
    pub(crate) fn new(entry: Arc<LeaseEntry>) -> Self {
        let stamp = entry.stamp();
        Self { entry, stamp }
    }

    pub(crate) fn entry(&self) -> &Arc<LeaseEntry> {
        &self.entry
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
        slots::epoch(self.stamp)
    }

    /// Bytes of the epoch's chunks. One load.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.pin().alloc_copy(b"key")?;
    /// let lease = pool.lease(pool.current_epoch()).expect("it is live");
    /// assert_eq!(lease.bytes(), 512); // the smallest chunk
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes(&self) -> usize {
        self.entry.bytes()
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
        // leased epoch, whose arena is not reclaimed while `entry` exists, which the borrow of
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
            .field("pool", &self.entry.pool())
            .finish_non_exhaustive()
    }
}

/// Holds every epoch that was live at one moment: a lease of each, from which it also comes apart.
///
/// Writes into the epoch that was current go on, and can be seen. Cloning it clones each lease.
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
///
/// // A scan lets go of each epoch as soon as it is through with it.
/// for lease in snapshot {
///     let _found = (lease.get(old), lease.get(new));
/// } // one epoch is let go here, each time
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "its epochs are let go as soon as the snapshot is dropped; bind it to a variable"]
pub struct Snapshot {
    /// Invariant: by ascending stamps.
    leases: Vec<Lease>,
}

impl Snapshot {
    /// `leases` are by ascending stamps.
    pub(crate) fn new(leases: Vec<Lease>) -> Self {
        debug_assert!(leases.is_sorted_by_key(|lease| lease.stamp));
        Self { leases }
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
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = Epoch> + ExactSizeIterator {
        self.leases.iter().map(Lease::epoch)
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
        self.find(pack::stamp(epoch.number())).is_some()
    }

    /// A lease of one of its epochs, which outlives the snapshot; `None` if it does not hold
    /// `epoch`. Works for retired epochs too, of which
    /// [`ArenaPool::lease`](crate::ArenaPool::lease) gives none. A binary search over the epochs.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"key")?;
    /// let snapshot = pool.snapshot();
    /// pool.retire_before(pool.advance()?);
    /// let lease = snapshot.lease(handle.epoch()).expect("the snapshot holds it");
    /// drop(snapshot);
    /// assert_eq!(lease.get(handle), Some(&b"key"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lease(&self, epoch: Epoch) -> Option<Lease> {
        self.find(pack::stamp(epoch.number())).cloned()
    }

    /// Takes the lease of one epoch out of the snapshot, which holds it no longer: drop it to let
    /// the epoch go early. `None` if the snapshot does not hold `epoch`. Linear in the epochs.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"key")?;
    /// pool.advance()?;
    /// let mut snapshot = pool.snapshot();
    /// pool.retire_before(pool.advance()?);
    /// drop(snapshot.take(handle.epoch()));
    /// assert_eq!(snapshot.get(handle), None);
    /// assert_eq!(pool.maintain().reclaimed_epochs, 1); // the other one is held still
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take(&mut self, epoch: Epoch) -> Option<Lease> {
        let stamp = pack::stamp(epoch.number());
        let index = self
            .leases
            .binary_search_by_key(&stamp, |lease| lease.stamp);
        Some(self.leases.remove(index.ok()?))
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
        self.of(handle)?.get(handle)
    }

    /// The lease of the handle's epoch.
    #[inline]
    pub(crate) fn of(&self, handle: ArenaHandle) -> Option<&Lease> {
        self.find(pack::stamp(pack::epoch(handle.tag())))
    }

    fn find(&self, stamp: u64) -> Option<&Lease> {
        let index = self
            .leases
            .binary_search_by_key(&stamp, |lease| lease.stamp);
        Some(&self.leases[index.ok()?])
    }
}

/// Its leases, oldest epoch first.
impl IntoIterator for Snapshot {
    type Item = Lease;
    type IntoIter = std::vec::IntoIter<Lease>;

    fn into_iter(self) -> Self::IntoIter {
        self.leases.into_iter()
    }
}

/// Its leases, oldest epoch first.
impl<'s> IntoIterator for &'s Snapshot {
    type Item = &'s Lease;
    type IntoIter = std::slice::Iter<'s, Lease>;

    fn into_iter(self) -> Self::IntoIter {
        self.leases.iter()
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
