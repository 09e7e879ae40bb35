//! `ArenaKey`: the key to store.

use std::borrow::Borrow;
use std::fmt;

use epoch_arena_core::raw::ahead;
use epoch_arena_core::{ArenaHandle, Epoch, Resolve};
use epoch_arena_pool::{ArenaGuard, PromoteError};

use crate::key_ref::{KeyRef, prefix};

/// A key in a pool, to be stored: a handle and the first eight bytes, 24 bytes in all; `Copy`,
/// `Send`, `Sync`, `'static`.
///
/// It has no `Ord`, `Eq` or `Hash`: a key whose epoch is gone has no bytes to compare. Resolve it
/// to a [`KeyRef`], which has all three. In a `hashbrown::HashTable`, which takes closures, store
/// the hash beside the key, as a stale one has none:
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_key::*; pub use epoch_arena_pool::*; }
/// use epoch_arena::{ArenaKey, ArenaPool};
/// use hashbrown::HashTable;
/// use std::hash::BuildHasher;
///
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let hasher = hashbrown::DefaultHashBuilder::default();
/// let mut table: HashTable<(u64, ArenaKey)> = HashTable::new();
/// for word in ["to", "be", "or", "not", "to", "be"] {
///     let hash = hasher.hash_one(word.as_bytes());
///     let same = |(_, key): &(u64, ArenaKey)| {
///         key.resolve(&guard).is_some_and(|key| key.as_bytes() == word.as_bytes())
///     };
///     if table.find(hash, same).is_none() {
///         let key = ArenaKey::copy_from(word.as_bytes(), &guard)?;
///         table.insert_unique(hash, (hash, key), |(hash, _)| *hash);
///     }
/// }
/// assert_eq!(table.len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0369
/// # use epoch_arena_key::ArenaKey;
/// fn ordered(a: ArenaKey, b: ArenaKey) -> bool {
///     a < b
/// }
/// ```
#[derive(Clone, Copy)]
pub struct ArenaKey {
    handle: ArenaHandle,
    /// Invariant: the prefix of the handle's bytes.
    prefix: u64,
}

const _: () = assert!(size_of::<ArenaKey>() == 24);

impl ArenaKey {
    /// The key of `bytes`, which are those of `handle`.
    #[inline]
    pub(crate) fn of(bytes: &[u8], handle: ArenaHandle) -> Self {
        Self {
            handle,
            prefix: prefix(bytes),
        }
    }

    /// The key of bytes that are in the pool already; `None` if the handle does not resolve.
    ///
    /// ```
    /// # use epoch_arena_key::ArenaKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let handle = guard.alloc_concat([b"tenant7/", b"user:12345"])?;
    /// let key = ArenaKey::from_handle(handle, &guard).expect("it is live");
    /// assert_eq!(key.len(), 18);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_handle<R: Resolve>(handle: ArenaHandle, resolve: &R) -> Option<Self> {
        let prefix = prefix(resolve.get(handle)?);
        Some(Self { handle, prefix })
    }

    /// The key with its bytes, to compare; `None` if its epoch is not live, or it is of another
    /// pool (or epoch, for a lease).
    ///
    /// ```
    /// # use epoch_arena_key::ArenaKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"user:1", &pool.pin())?;
    /// let lease = pool.lease(key.epoch()).expect("it is live");
    /// pool.retire_before(pool.advance()?);
    /// assert!(key.resolve(&pool.pin()).is_none()); // not live any more
    /// assert_eq!(key.resolve(&lease).expect("held").as_bytes(), b"user:1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn resolve<'r, R: Resolve>(&self, resolve: &'r R) -> Option<KeyRef<'r>> {
        let bytes = resolve.get(self.handle)?;
        Some(KeyRef::with_prefix(bytes, self.prefix))
    }

    /// Any number of keys with their bytes, in their order, each as [`resolve`](Self::resolve) gives it when its turn
    /// comes. The processor is asked for their bytes 32 turns before, by a clone of the iterator: so the cache misses
    /// of code that reads them, to hash or to copy them, overlap. Where the first eight bytes decide,
    /// as in most sorts, `resolve` is enough, which looks at no bytes.
    ///
    /// ```
    /// # use epoch_arena_key::ArenaKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let keys = ["one", "two", "three"].map(|key| ArenaKey::copy_from(key.as_bytes(), &guard).unwrap());
    /// let ends = ArenaKey::resolve_each(&keys, &guard).flatten().filter(|key| key.ends_with(b"e"));
    /// assert_eq!(ends.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn resolve_each<'r, R: Resolve>(
        keys: impl IntoIterator<Item: Borrow<Self>, IntoIter: Clone>,
        resolve: &'r R,
    ) -> impl Iterator<Item = Option<KeyRef<'r>>> {
        let keys = ahead(keys.into_iter(), |key| key.borrow().handle.prefetch());
        keys.map(|key| key.borrow().resolve(resolve))
    }

    /// A copy of the key in the current epoch, packed, whatever its length: a key that was once
    /// made is not refused for the length. This key stays as it is and expires with its epoch: put the copy wherever you
    /// keep it. A key of the current epoch is copied again.
    ///
    /// # Errors
    ///
    /// [`PromoteError::Stale`] if the key does not resolve, or the failure to allocate.
    ///
    /// ```
    /// # use epoch_arena_key::ArenaKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"survivor", &pool.pin())?;
    /// pool.advance()?;
    /// let key = key.promote(&pool.pin())?;
    /// assert_eq!(key.epoch(), pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn promote(&self, guard: &ArenaGuard<'_>) -> Result<Self, PromoteError> {
        let handle = guard.promote(self.handle)?;
        let prefix = self.prefix;
        Ok(Self { handle, prefix })
    }

    /// The handle.
    ///
    /// ```
    /// # use epoch_arena_key::ArenaKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let key = ArenaKey::copy_from(b"user:1", &guard)?;
    /// assert_eq!(guard.get(key.handle()), Some(&b"user:1"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn handle(&self) -> ArenaHandle {
        self.handle
    }

    /// The epoch it lives in.
    ///
    /// ```
    /// # use epoch_arena_key::ArenaKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"user:1", &pool.pin())?;
    /// assert_eq!(key.epoch(), pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn epoch(&self) -> Epoch {
        self.handle.epoch()
    }

    /// The length in bytes.
    ///
    /// ```
    /// # use epoch_arena_key::ArenaKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let key = ArenaKey::copy_from(b"user:1", &pool.pin())?;
    /// assert_eq!(key.len(), 6); // known without resolving
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn len(&self) -> usize {
        self.handle.len()
    }

    /// Whether it has no bytes.
    ///
    /// ```
    /// # use epoch_arena_key::ArenaKey;
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// assert!(ArenaKey::copy_from(b"", &pool.pin())?.is_empty()); // a key as any other
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn is_empty(&self) -> bool {
        self.handle.is_empty()
    }
}

impl fmt::Debug for ArenaKey {
    /// Epoch and length; the bytes cannot be seen from here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArenaKey")
            .field("epoch", &self.epoch().number())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
