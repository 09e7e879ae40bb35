//! The errors of making keys: typed, `Copy`, small.

use std::fmt;

use epoch_arena_core::AllocError;
use epoch_arena_pool::{BatchFull, OverBudget};

/// A key could not be made; nothing was changed.
///
/// ```
/// use epoch_arena_key::{ArenaKey, KeyError};
/// use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?; // keys of at most 256 bytes
/// let refused = ArenaKey::copy_from(&[b'x'; 257], &pool.pin()).unwrap_err();
/// assert_eq!(refused, KeyError::TooLong { max: 256 });
/// assert!(refused.to_string().contains("256"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The key is longer than the pool allows.
    TooLong {
        /// The pool's limit, in bytes.
        max: u32,
    },
    /// The bytes could not be allocated.
    Alloc(AllocError),
    /// The batch has no room for the key; only from
    /// [`push_into`](crate::ArenaKey::push_into).
    BatchFull(BatchFull),
}

impl KeyError {
    /// As [`AllocError::over_budget`]. Constant time.
    ///
    /// ```
    /// use epoch_arena_key::{ArenaKey, KeyError};
    /// use epoch_arena_pool::{ArenaPool, Memory};
    /// let memory = Memory::builder().block_size(64 << 10).budget(64 << 10).build()?;
    /// let pool = ArenaPool::builder().memory(memory).max_key_len(100_000).build()?;
    /// let refused = ArenaKey::copy_from(&[0; 70_000], &pool.pin()).unwrap_err();
    /// assert_eq!(refused.over_budget().map(|over| over.budget), Some(64 << 10));
    /// assert_eq!(KeyError::TooLong { max: 256 }.over_budget(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn over_budget(&self) -> Option<OverBudget> {
        match self {
            Self::Alloc(cause) => cause.over_budget(),
            _ => None,
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { max } => write!(
                f,
                "the key is longer than {max} bytes, the pool's limit; shorten it, or raise \
                 PoolBuilder::max_key_len"
            ),
            Self::Alloc(cause) => cause.fmt(f),
            Self::BatchFull(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for KeyError {}

impl From<AllocError> for KeyError {
    fn from(cause: AllocError) -> Self {
        Self::Alloc(cause)
    }
}

impl From<BatchFull> for KeyError {
    fn from(cause: BatchFull) -> Self {
        Self::BatchFull(cause)
    }
}

/// A key could not be copied into the current epoch; nothing was changed.
///
/// ```
/// use epoch_arena_key::{ArenaKey, PromoteKeyError};
/// use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let key = ArenaKey::copy_from(b"key", &pool.pin())?;
/// pool.advance()?;
/// pool.advance()?;
/// assert_eq!(key.promote(&pool.pin()).unwrap_err(), PromoteKeyError::Stale);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PromoteKeyError {
    /// The key's epoch is not live, or it is of another pool.
    Stale,
    /// The copy could not be made.
    Key(KeyError),
}

impl PromoteKeyError {
    /// As [`AllocError::over_budget`]. Constant time.
    ///
    /// ```
    /// use epoch_arena_key::ArenaKey;
    /// use epoch_arena_pool::{ArenaPool, Memory};
    /// let memory = Memory::builder().block_size(64 << 10).budget(64 << 10).build()?;
    /// let pool = ArenaPool::builder().memory(memory).max_key_len(100_000).build()?;
    /// let guard = pool.pin();
    /// let key = ArenaKey::copy_from(&[0; 40_000], &guard)?;
    /// let refused = key.promote(&guard).unwrap_err();
    /// assert_eq!(refused.over_budget().map(|over| over.used), Some(64 << 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn over_budget(&self) -> Option<OverBudget> {
        match self {
            Self::Key(cause) => cause.over_budget(),
            Self::Stale => None,
        }
    }
}

impl fmt::Display for PromoteKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str(
                "the key's epoch is no longer live here; promote before it is retired, or hold a \
                 lease",
            ),
            Self::Key(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for PromoteKeyError {}

impl From<KeyError> for PromoteKeyError {
    fn from(cause: KeyError) -> Self {
        Self::Key(cause)
    }
}

const _: () = {
    assert!(size_of::<KeyError>() <= 32);
    assert!(size_of::<PromoteKeyError>() <= 32);
};
