//! `OwnedKey`: owned bytes with their first eight at hand.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use epoch_arena_pool::OwnedBytes;

use crate::key_ref::{KeyRef, prefix};

/// [`OwnedBytes`] with the first eight of them in a word, 32 bytes in all: for ordered maps that want
/// `Ord + Send + 'static`, such as `crossbeam_skiplist::SkipMap`. The map mostly decides by the word, which is
/// in its own node, and need not look at the bytes. Where the map does not compare keys, or keys begin alike,
/// `OwnedBytes` alone will do.
///
/// It holds its epoch, also in the garbage of a map; [what to do about it](OwnedBytes#in-the-garbage-of-a-map)
/// is said there. Take one lease for each epoch.
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_key::*; pub use epoch_arena_pool::*; }
/// use crossbeam_skiplist::SkipMap;
/// use epoch_arena::{ArenaPool, OwnedKey};
///
/// let pool = ArenaPool::builder().build()?;
/// let memtable: SkipMap<OwnedKey, u64> = SkipMap::new();
/// let guard = pool.pin();
/// let lease = pool.lease(guard.epoch()).expect("the current epoch is live");
/// for (value, word) in ["pear", "apple", "fig"].into_iter().enumerate() {
///     let key = lease.owned(guard.alloc_str(word)?).expect("same epoch");
///     memtable.insert(OwnedKey::new(key), value as u64);
/// }
/// assert_eq!(memtable.front().unwrap().key().as_bytes(), b"apple");
/// assert_eq!(*memtable.get(&b"fig"[..]).unwrap().value(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OwnedKey {
    /// Invariant: the prefix of `bytes`.
    prefix: u64,
    bytes: OwnedBytes,
}

impl OwnedKey {
    /// The key of these bytes.
    ///
    /// ```
    /// # use epoch_arena_key::{ArenaKey, OwnedKey};
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"key", &pool.pin())?;
    /// let lease = pool.lease(key.epoch()).expect("it is live");
    /// let owned = lease.owned(key.handle()).map(OwnedKey::new).expect("same epoch");
    /// assert_eq!(owned.resolved(), key.resolve(&lease).expect("same epoch"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(bytes: OwnedBytes) -> Self {
        let prefix = prefix(&bytes);
        Self { prefix, bytes }
    }

    /// The bytes with their hold of the epoch.
    ///
    /// ```
    /// # use epoch_arena_key::OwnedKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"user:1")?;
    /// let owned = OwnedKey::new(pool.snapshot().owned(handle).expect("it is live"));
    /// assert_eq!(owned.owned().lease().epoch(), handle.epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn owned(&self) -> &OwnedBytes {
        &self.bytes
    }

    /// The key, to compare with others.
    ///
    /// ```
    /// # use epoch_arena_key::{KeyRef, OwnedKey};
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"user:1")?;
    /// let owned = OwnedKey::new(pool.snapshot().owned(handle).expect("it is live"));
    /// assert!(owned.resolved() < KeyRef::new(b"user:2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn resolved(&self) -> KeyRef<'_> {
        KeyRef::with_prefix(&self.bytes, self.prefix)
    }

    /// The bytes.
    ///
    /// ```
    /// # use epoch_arena_key::OwnedKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"user:1")?;
    /// let owned = OwnedKey::new(pool.snapshot().owned(handle).expect("it is live"));
    /// pool.retire_before(pool.advance()?);
    /// assert_eq!(owned.as_bytes(), b"user:1"); // it always has them
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
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
        self.bytes.hash(state);
    }
}

impl Borrow<[u8]> for OwnedKey {
    #[inline]
    fn borrow(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for OwnedKey {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Deref for OwnedKey {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for OwnedKey {
    /// As text where it is text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.resolved(), f)
    }
}
