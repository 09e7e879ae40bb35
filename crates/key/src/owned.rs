//! `OwnedKey`: a key with a lease of its epoch.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use epoch_arena_pool::Lease;

use crate::key::ArenaKey;
use crate::key_ref::KeyRef;

/// A key that holds its epoch with a [`Lease`], so that it always has its bytes: for maps that
/// want `Ord + Send + 'static`, such as `crossbeam_skiplist::SkipMap`. The epoch's memory stays
/// until the last of its owned keys is gone; take one lease per epoch and clone it.
///
/// ```
/// use crossbeam_skiplist::SkipMap;
/// use epoch_arena_key::{ArenaKey, OwnedKey};
/// use epoch_arena_pool::ArenaPool;
///
/// let pool = ArenaPool::builder().build()?;
/// let memtable: SkipMap<OwnedKey, u64> = SkipMap::new();
/// let guard = pool.pin();
/// let lease = pool.lease(guard.epoch()).expect("the current epoch is live");
/// for (value, word) in ["pear", "apple", "fig"].into_iter().enumerate() {
///     let key = ArenaKey::copy_from(word.as_bytes(), &guard)?;
///     memtable.insert(OwnedKey::new(key, lease.clone()).expect("same epoch"), value as u64);
/// }
/// assert_eq!(memtable.front().unwrap().key().as_bytes(), b"apple");
/// assert_eq!(*memtable.get(&b"fig"[..]).unwrap().value(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # When a map drops its keys
///
/// A map with an epoch scheme of its own drops a key later than it removes it. `SkipMap` puts the
/// node of an entry that was removed or replaced into crossbeam-epoch's garbage; there the node
/// waits, with its key, until the collector gets to it, and holds the epoch meanwhile. If no thread
/// pins that collector any more, it waits for ever. (The entries in the map still go with the map, at
/// once.) A thread keeps garbage in a bag of its own until the bag is full or the thread flushes, so
/// such a node can wait for a thread that does neither. `ArenaMap` in `epoch-arena-map` has no such
/// garbage.
///
/// To see it: [`PoolStats::leases`](epoch_arena_pool::PoolStats::leases) lists the lease, with as
/// many [`owners`](epoch_arena_pool::LeaseInfo::owners) as there are such keys, and the line that took
/// it. To end it: move the collector on, by pins and flushes, on a thread that has no other guard of
/// it.
///
/// ```
/// use crossbeam_skiplist::SkipMap;
/// use epoch_arena_key::{ArenaKey, OwnedKey};
/// use epoch_arena_pool::{ArenaPool, crossbeam_epoch};
///
/// let pool = ArenaPool::builder().build()?;
/// let map: SkipMap<OwnedKey, u32> = SkipMap::new();
/// let key = ArenaKey::copy_from(b"counter", &pool.pin())?;
/// let lease = pool.lease(key.epoch()).expect("it is live");
/// for value in 0..10 {
///     map.insert(OwnedKey::new(key, lease.clone()).expect("same epoch"), value); // replaces
/// }
/// drop((lease, map));
/// if let Some(leased) = pool.stats().leases.first() {
///     println!("{leased}"); // epoch 0 by 9 owners ...: nodes in the garbage
/// }
/// while pool.oldest_lease().is_some() {
///     crossbeam_epoch::pin().flush(); // the collector that a `SkipMap` uses
/// #   std::thread::yield_now();
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OwnedKey {
    /// Invariant: of the lease's epoch, so that it resolves.
    key: ArenaKey,
    lease: Lease,
}

impl OwnedKey {
    /// The key with its lease; `None` if the key is not of the lease's epoch.
    ///
    /// ```
    /// # use epoch_arena_key::{ArenaKey, OwnedKey};
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"key", &pool.pin())?;
    /// pool.advance()?;
    /// let later = pool.lease(pool.current_epoch()).unwrap();
    /// assert!(OwnedKey::new(key, later).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(key: ArenaKey, lease: Lease) -> Option<Self> {
        lease
            .get(key.handle())
            .is_some()
            .then_some(Self { key, lease })
    }

    /// The key, to store or to resolve elsewhere.
    ///
    /// ```
    /// # use epoch_arena_key::{ArenaKey, OwnedKey};
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"user:1", &pool.pin())?;
    /// let lease = pool.lease(key.epoch()).expect("it is live");
    /// let owned = OwnedKey::new(key, lease).expect("same epoch");
    /// assert_eq!(owned.key().handle(), key.handle());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn key(&self) -> ArenaKey {
        self.key
    }

    /// The lease.
    ///
    /// ```
    /// # use epoch_arena_key::{ArenaKey, OwnedKey};
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"user:1", &pool.pin())?;
    /// let lease = pool.lease(key.epoch()).expect("it is live");
    /// let owned = OwnedKey::new(key, lease).expect("same epoch");
    /// assert_eq!(owned.lease().epoch(), key.epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The key with its bytes.
    ///
    /// ```
    /// # use epoch_arena_key::{ArenaKey, OwnedKey};
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"user:1", &pool.pin())?;
    /// let lease = pool.lease(key.epoch()).expect("it is live");
    /// let owned = OwnedKey::new(key, lease).expect("same epoch");
    /// assert!(owned.resolved() < epoch_arena_key::KeyRef::new(b"user:2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn resolved(&self) -> KeyRef<'_> {
        // Never the default, by the invariant of `key`; and the empty key is no unsafe answer.
        self.key
            .resolve(&self.lease)
            .unwrap_or(KeyRef::with_prefix(&[], 0))
    }

    /// The bytes.
    ///
    /// ```
    /// # use epoch_arena_key::{ArenaKey, OwnedKey};
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"user:1", &pool.pin())?;
    /// let lease = pool.lease(key.epoch()).expect("it is live");
    /// let owned = OwnedKey::new(key, lease).expect("same epoch");
    /// pool.retire_before(pool.advance()?);
    /// assert_eq!(owned.as_bytes(), b"user:1"); // it always has them
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.resolved().as_bytes()
    }
}

impl Ord for OwnedKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.resolved().cmp(&other.resolved())
    }
}

impl PartialOrd for OwnedKey {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for OwnedKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.resolved() == other.resolved()
    }
}

impl Eq for OwnedKey {}

impl Hash for OwnedKey {
    /// As `[u8]`, which it borrows as.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.resolved().hash(state);
    }
}

impl Borrow<[u8]> for OwnedKey {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for OwnedKey {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Deref for OwnedKey {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for OwnedKey {
    /// As text where it is text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.resolved(), f)
    }
}
